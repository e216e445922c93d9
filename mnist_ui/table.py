"""Tables with numbers as the page's language writes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from mnist_ui.language import number, separators


def written_numbers(table: pd.DataFrame, decimals: Mapping[str, int]) -> tuple[pd.DataFrame, dict[str, Any]]:
    """A table for `st.dataframe`, and how to show its columns: each of `decimals` with so many digits after the point.

    Streamlit writes numbers with a point. Where the language wants something else they become texts: a pandas Styler,
    which would leave them numbers, takes 15 ms, too long for what is drawn twice a second.
    """
    if separators()[0] == ".":
        return table, {name: st.column_config.NumberColumn(format=f"%.{places}f") for name, places in decimals.items()}
    texts = {
        name: ["" if pd.isna(value) else number(value, f".{places}f") for value in table[name]]
        for name, places in decimals.items()
    }
    return table.assign(**texts), {name: st.column_config.TextColumn(alignment="right") for name in decimals}

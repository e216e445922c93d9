"""The page: everything here draws with Streamlit, one module a panel."""

from pathlib import Path

ICON = str(Path(__file__).with_name("icon.png"))

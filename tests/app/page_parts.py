"""Parts of the page by their names, for the tests that press and read them."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest

from mnist_ui.visitor import Visitor


def visitor_of(page: AppTest) -> Visitor:
    return page.session_state["visitor"]


def button(page: AppTest, label: str):
    return next(one for one in page.main.button if one.label == label)


def labels(page: AppTest) -> list[str]:
    return [one.label for one in page.main.button]


def words(page: AppTest) -> str:
    """All text of the page's main part."""
    texts = [str(one.value) for kind in ("caption", "info", "success", "error") for one in getattr(page.main, kind)]
    texts += [one.proto.body for one in page.main.get("html")] + [one.proto.text for one in page.main.get("progress")]
    return "\n".join(texts)


def network_switches(page: AppTest) -> list:
    return [one for one in page.main.get("button_group") if str(one.key).startswith("answered_by")]


def choose(page: AppTest, **settings: object) -> AppTest:
    """Set widgets of the sidebar by the names of their settings."""
    for name, value in settings.items():
        widgets = [*page.sidebar.selectbox, *page.sidebar.number_input, *page.sidebar.slider]
        widgets += [*page.sidebar.select_slider, *page.sidebar.toggle]
        next(one for one in widgets if str(one.key).endswith(f"setting_{name}")).set_value(value)
    return page.run()


def settings(page: AppTest) -> dict[str, object]:
    return visitor_of(page).settings

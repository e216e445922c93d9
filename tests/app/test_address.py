"""The page's address: a link sets the page up, and the address follows what is set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from urllib.parse import parse_qsl

import pytest
from streamlit.testing.v1 import AppTest

from mnist_core import RECIPES, TrainConfig
from mnist_core.lessons.experiments import EXPERIMENTS
from mnist_core.links import LEARNING_RATES, OFFERED
from mnist_core.queries import Mended
from mnist_ui import browser
from mnist_ui.address import EXPERIMENT_KEY, notices, quoted
from mnist_ui.browser import Tab
from mnist_ui.visitor import Visitor

TAB = "fedc" * 8  # of this file alone: the server of the tests knows visitors by their tabs

Open = Callable[..., AppTest]


@pytest.fixture
def open_link(open_page, monkeypatch, connected) -> Open:
    """open_link(query, tab): the page opened by this link, in a browser tab that knows its name."""
    tabs = (f"{at:032x}" for at in range(1, 1000))
    connected.add("test session id")  # as Streamlit's AppTest calls all of its sessions

    def open_one(query: str = "", tab: str | None = None) -> AppTest:
        name = tab or next(tabs)
        monkeypatch.setattr(browser, "tab", lambda: Tab(name))
        return open_page(query)

    return open_one


def visitor_of(page: AppTest) -> Visitor:
    return page.session_state["visitor"]


def listed(page: AppTest, name: str):
    """The list of the sidebar that holds this setting."""
    return next(one for one in page.sidebar.selectbox if str(one.key).endswith(f"setting_{name}"))


def address(page: AppTest) -> dict[str, str]:
    return {name: value if isinstance(value, str) else value[-1] for name, value in page.query_params.items()}


def notice(page: AppTest) -> str:
    return "\n".join(one.value for one in page.main.info if "link" in one.value)


def link(page: AppTest) -> dict[str, str]:
    """What the link says that is offered when somebody asks for it."""
    page.session_state["copy_link"] = True
    code = next(one.value for one in page.run().sidebar.code)
    return dict(parse_qsl(code.split("?")[1]))


def test_a_plain_address_stays_plain(open_link) -> None:
    page = open_link()
    assert address(page) == {}
    assert visitor_of(page).config == RECIPES["fast"]
    assert not notice(page)


def test_a_link_sets_up_what_it_says(open_link) -> None:
    page = open_link("recipe=course&model=cnn&channels=8-16-24&epochs=5&rate=0.002&panel=quiz&stop=yes&colour=yes")
    assert visitor_of(page).config == replace(
        RECIPES["course"], model="cnn", model_options={"channels": (8, 16, 24)}, epochs=5, learning_rate=0.002,
        stop_when_stalled=True, colour=True,
    )  # fmt: skip
    assert listed(page, "recipe").value == "course"
    assert page.slider(key="setting_stages").value == 3
    assert page.number_input(key="setting_channels_2").value == 24
    assert page.session_state["panel"] == "quiz"
    assert page.button(key="quiz_begin")
    assert not notice(page)


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_is_all_that_its_link_has_to_name(open_link, recipe) -> None:
    page = open_link(f"recipe={recipe}")
    assert visitor_of(page).config == RECIPES[recipe]
    assert address(page) == ({} if recipe == "fast" else {"recipe": recipe})


def test_the_address_follows_the_settings_and_says_only_what_differs(open_link) -> None:
    page = open_link()
    listed(page, "recipe").select("course").run()
    assert address(page) == {"recipe": "course"}
    page.number_input(key="setting_epochs").set_value(7).run()
    page.toggle(key="setting_augment").set_value(True).run()
    assert address(page) == {"recipe": "course", "epochs": "7", "augment": "yes"}
    page.session_state["panel"] = "quiz"
    page.run()
    assert address(page) == {"recipe": "course", "epochs": "7", "augment": "yes", "panel": "quiz"}
    page.number_input(key="setting_epochs").set_value(10).run()
    assert "epochs" not in address(page)
    listed(page, "recipe").select("fast").run()
    assert address(page) == {"panel": "quiz"}


def test_the_copied_link_makes_the_same_page_and_leaves_nothing_open(open_link) -> None:
    page = open_link("recipe=best&refuses=no&seed=42&panel=quiz")
    assert link(page) == {"recipe": "best", "refuses": "no", "seed": "42", "panel": "quiz", "lang": "en"}
    other = open_link("&".join(f"{name}={text}" for name, text in link(page).items()))
    assert visitor_of(other).config == visitor_of(page).config
    assert other.session_state["panel"] == "quiz"
    assert link(other) == link(page)
    assert link(open_link()) == {"recipe": "fast", "lang": "en"}


def test_the_language_is_chosen_by_the_link(open_link) -> None:
    page = open_link("lang=en&epochs=3")
    assert page.session_state["setting_language"] == "en"
    assert not notice(page)
    assert "lang=" in notice(open_link("lang=xx"))


def test_what_there_is_not_is_mended_with_a_notice_that_goes_when_it_is_read(open_link) -> None:
    page = open_link("recipe=course&epochs=5000&rate=0.0021&flavour=blue&model=transformers&panel=cellar")
    assert visitor_of(page).config == replace(RECIPES["course"], epochs=1000, learning_rate=0.002)
    for part in ("`epochs=5000`\xa0→ `epochs=1000`", "`rate=0.002`", "`model=mlp`", "`flavour=blue`", "`panel=cellar`"):
        assert part in notice(page)
    assert address(page) == {"recipe": "course", "epochs": "1000", "rate": "0.002"}
    page.button(key="link_notice_read").click().run()
    assert not notice(page)
    page.run()
    assert not notice(page)


@pytest.mark.parametrize(
    "query",
    [
        "epochs=nan&rate=inf&seed=-1&batch=1e400&smoothing=%ff&model=&recipe=%00",
        f"epochs={'9' * 5000}&hidden={'1-' * 3000}&model=mlp",
        "epochs=%D9%A5&epochs=5&epochs=x",
        "setting_epochs=5&visitor=1&session_state=2",
        "panel=quiz%0A&lang=../../etc&device=cuda:99&recipe=%3Cscript%3E",
        "&".join(f"x{at}={at}" for at in range(500)),
    ],
)
def test_nonsense_gives_a_working_page(open_link, query) -> None:
    page = open_link(query)
    assert visitor_of(page).config == TrainConfig(**visitor_of(page).config.as_dict())
    assert notice(page)
    assert len(notice(page)) < 1500
    page.number_input(key="setting_epochs").set_value(4).run()
    assert not page.exception
    assert visitor_of(page).config.epochs == 4


def test_nothing_of_a_link_is_shown_but_as_plain_code() -> None:
    assert quoted("epochs", "<b>`x`[y](http://z)$1$:red[r]\n") == "`epochs=·b··x··y··http···z··1··r…`"
    assert quoted("a`b", None) == "`a·b=`"
    said = notices([Mended(f"x{at}", "1", None) for at in range(100)])
    assert len(said) == 1
    assert said[0].endswith("…")
    assert said[0].count("`") == 12


# The same tab again.


def test_a_reload_brings_back_what_was_there(open_link, connected) -> None:
    before = open_link("recipe=course&panel=quiz", TAB)
    before.number_input(key="setting_epochs").set_value(3).run()
    connected.clear()
    after = open_link("&".join(f"{name}={text}" for name, text in address(before).items()), TAB)
    assert visitor_of(after) is visitor_of(before)
    assert visitor_of(after).config == replace(RECIPES["course"], epochs=3)
    assert after.session_state["panel"] == "quiz"


def test_a_plain_address_in_the_same_tab_brings_back_what_was_there(open_link, connected) -> None:
    before = open_link("recipe=course&epochs=3&panel=quiz", TAB)
    connected.clear()
    after = open_link("", TAB)
    assert visitor_of(after) is visitor_of(before)
    assert visitor_of(after).config.epochs == 3
    assert after.session_state["panel"] == "quiz"
    assert address(after) == {"recipe": "course", "epochs": "3", "panel": "quiz"}


def test_another_link_in_the_same_tab_wins_over_what_was_set_but_keeps_the_visitor(open_link, connected) -> None:
    before = open_link("recipe=course&epochs=3&panel=quiz", TAB)
    before.toggle(key="setting_augment").set_value(True).run()
    connected.clear()
    after = open_link("recipe=best&seed=5", TAB)
    assert visitor_of(after) is visitor_of(before)
    assert visitor_of(after).config == replace(RECIPES["best"], seed=5)
    assert after.session_state["panel"] is None
    assert address(after) == {"recipe": "best", "seed": "5"}


def test_a_link_to_the_first_recipe_in_the_same_tab_wins_too(open_link, connected) -> None:
    open_link("recipe=course&epochs=3", TAB)
    connected.clear()
    assert visitor_of(open_link("recipe=fast&lang=en", TAB)).config == RECIPES["fast"]


# What the link offers is what the widgets offer.


def test_a_link_is_bounded_as_the_widgets_are(page) -> None:
    listed(page, "model").select("deep_cnn").run()
    page.toggle(key="setting_refuses").set_value(True).run()
    for field, bounds in OFFERED.items():
        widget = page.number_input(key=f"setting_{field}")
        assert (widget.min, widget.max) == bounds
    assert page.select_slider(key="setting_learning_rate").options == [f"{rate:g}" for rate in LEARNING_RATES]


def test_the_experiment_is_named_where_one_is_open(open_link) -> None:
    first, *_, last = EXPERIMENTS
    page = open_link(f"panel=break&experiment={last}")
    assert page.selectbox(key=f"en_{EXPERIMENT_KEY}").value == last
    assert address(page) == {"panel": "break", "experiment": last}
    page.selectbox(key=f"en_{EXPERIMENT_KEY}").select(first).run()
    assert address(page) == {"panel": "break", "experiment": first}
    page.session_state["panel"] = "quiz"
    assert address(page.run()) == {"panel": "quiz"}
    page = open_link("panel=break&experiment=never_heard_of")
    assert "experiment" in notice(page)
    assert address(page) == {"panel": "break", "experiment": first}

"""Somebody reads Spanish, or goes from one language to the other."""

from __future__ import annotations

from collections.abc import Callable

from playground import SEVEN, Playground

ENDLESS = 1000  # epochs


def test_a_spanish_browser_shows_spanish_and_remembers_another_choice(visit: Callable[..., Playground]) -> None:
    playground = visit("Spanish desktop")
    playground.says("Taller de dígitos")
    playground.reads("Esperando tu dígito")
    playground.draw(SEVEN)
    playground.reads("Es un 7")
    seven = playground.ink_on_canvas()
    playground.speak("English")
    playground.reads("It's a 7")
    playground.shows(seven)
    playground.reload()
    playground.says("Digit playground")
    playground.reads("It's a 7")
    playground.shows(seven)


def test_the_language_changes_in_mid_run_and_nothing_else_does(playground: Playground) -> None:
    """The page ticks twice a second: some of the ticks are under way while the language changes."""
    playground.draw(SEVEN)
    seven = playground.ink_on_canvas()
    playground.choose("Optimizer", "SGD with momentum")
    playground.set_number("Epochs", ENDLESS)
    playground.page.get_by_test_id("stSidebar").get_by_text("More settings").click()
    playground.train()
    step = playground.step_beyond(0)
    for _ in range(4):
        playground.speak("Español")
        playground.says("imágenes/s")
        assert playground.value("Optimizador") == "SGD con momento"
        playground.speak("English")
        playground.says("images/s")
        assert playground.value("Optimizer") == "SGD with momentum"
    step = playground.step_beyond(step)
    assert f"of {ENDLESS}" in playground.progress
    assert playground.value("Epochs") == str(ENDLESS)
    assert playground.page.get_by_test_id("stSidebar").get_by_label("Seed", exact=True).is_visible()
    playground.shows(seven)
    assert len(playground.server.trainings()) == 1

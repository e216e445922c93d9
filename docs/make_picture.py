"""Make docs/playground.png, the picture in the README: `python docs/make_picture.py`, with Chromium installed."""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

REPOSITORY = Path(__file__).parents[1]
sys.path.append(str(REPOSITORY / "tests" / "browser"))
from playground import BROWSER_OPTIONS, Playground, Server, find_browser  # noqa: E402

PICTURE = REPOSITORY / "docs" / "playground.png"
TWO = [(80, 95), (100, 62), (140, 48), (180, 62), (196, 98), (176, 146), (128, 192), (84, 228), (205, 226)]


def main() -> None:
    """Draw a digit, train with the fast recipe, and take the picture when it has been learnt."""
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder) / "log")
        try:
            png = take_picture(server)
        finally:
            server.stop()
    # 256 colours are enough for a page of few, and make the file a third as long.
    page = Image.open(io.BytesIO(png)).convert("RGB")
    page.quantize(256, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(PICTURE, optimize=True)
    print(f"{PICTURE.relative_to(REPOSITORY)}, {PICTURE.stat().st_size / 1000:.0f} kB")


def take_picture(server: Server) -> bytes:
    """The page after a run, from the title to the curves: 1440 x 1000."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_browser(), args=BROWSER_OPTIONS)
        context = browser.new_context(viewport={"width": 1440, "height": 1000}, color_scheme="light")
        playground = Playground(context.new_page(), server).open()
        playground.draw(TWO)
        playground.train()
        playground.page.get_by_text("Done. It reads").wait_for(timeout=600_000)
        playground.button("Stop training").wait_for(state="hidden")
        playground.page.locator('[aria-label^="Answers to this drawing"] svg').wait_for()
        playground.page.mouse.move(1430, 990)
        playground.scroll_to_top()
        return playground.page.screenshot()


if __name__ == "__main__":
    main()

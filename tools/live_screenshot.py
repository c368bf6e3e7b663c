"""Takes the picture of the live page that the documentation shows.

python tools/live_screenshot.py RUN docs/images/live.png
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

from scoutbee.testing.served_page import ServedPage

SIZE = (1240, 1480)
"""Width and height of the window, in pixels."""

WAIT = 60_000
"""Milliseconds that the page may take to show everything."""


def main() -> None:
    """Serve the page of a run, open it, and keep what is seen."""
    parser = argparse.ArgumentParser(description='Keep a picture of the live page of a run.')
    parser.add_argument('run', type=Path, metavar='RUN', help='run directory')
    parser.add_argument('picture', type=Path, metavar='PNG', help='file to write')
    parser.add_argument('--dark', action='store_true', help='as those see it who prefer a dark page')
    options = parser.parse_args()
    with ServedPage(options.run) as served, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which('chromium'), args=['--no-sandbox'])
        page = browser.new_page(
            viewport={'width': SIZE[0], 'height': SIZE[1]}, color_scheme='dark' if options.dark else 'light'
        )
        page.goto(served.address)
        expect(page.locator('#reason')).not_to_contain_text('Reading', timeout=WAIT)
        expect(page.locator('#best li:not(.awaited)')).not_to_have_count(0, timeout=WAIT)
        page.evaluate('() => Promise.all([...document.images].map((image) => image.decode()))')
        page.screenshot(path=options.picture)
        browser.close()


if __name__ == '__main__':
    main()

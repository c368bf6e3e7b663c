"""The page in a real browser: Debian's chromium, without a window."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect, sync_playwright

from scoutbee.testing.served_page import ServedPage
from scoutbee.testing.small_ledger import campaign, ended, event, simulated, started, write

CHROMIUM = shutil.which('chromium')
ROOT = Path(__file__).parents[2]

WAIT = 150_000
"""Milliseconds after which something will not come any more."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason='chromium is not installed (apt-get install chromium)'),
]


@pytest.fixture(scope='module')
def browser():
    with sync_playwright() as playwright:
        # The sandbox of chromium does not work for root, as which CI runs.
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=['--no-sandbox'])
        yield chromium
        chromium.close()


class Visit:
    """A page that is open, and what the browser complained about or asked for."""

    def __init__(self, browser, address, **options):
        self.context = browser.new_context(**options)
        self.page = self.context.new_page()
        self.address = address
        self.complaints, self.requests = [], []
        self.page.on(
            'console', lambda message: message.type in ('error', 'warning') and self.complaints.append(message.text)
        )
        self.page.on('pageerror', lambda error: self.complaints.append(str(error)))
        self.page.on('request', lambda request: self.requests.append(request.url))
        self.page.set_default_timeout(WAIT)
        self.page.goto(address)
        self.page.wait_for_selector('#story li')

    def _hear(self, message):
        if message.type in ('error', 'warning'):
            self.complaints.append(message.text)

    def text(self, selector):
        return self.page.inner_text(selector)

    def number(self, selector):
        return float(self.text(selector).replace(',', '').split()[0])

    def until(self, selector, text):
        """Wait for a text. Not with ``wait_for_function``, which the page's policy forbids, as it should."""
        expect(self.page.locator(selector)).to_have_text(text, timeout=WAIT)

    def until_not(self, selector, text):
        expect(self.page.locator(selector)).not_to_have_text(text, timeout=WAIT)

    def is_clean(self):
        assert self.complaints == []
        here = urlsplit(self.address).netloc
        assert {urlsplit(url).netloc for url in self.requests if not url.startswith('data:')} == {here}
        assert all('token=' in url for url in self.requests)


@contextlib.contextmanager
def visit(browser, run_dir, **options):
    with ServedPage(run_dir) as served:
        opened = Visit(browser, served.address, **options)
        yield opened
        opened.context.close()


@pytest.fixture
def finished(tmp_path):
    return write(tmp_path / 'run', [*campaign(), ended(11.0)])


@pytest.fixture
def running(tmp_path):
    """A real campaign that has just begun: its run directory, and its driver."""
    settings = tmp_path / 'campaign.yaml'
    settings.write_text('ackley: {points: 300, delay_scale: 0.05}\n')
    driver = subprocess.Popen(
        [
            sys.executable, str(ROOT / 'run.py'), '--campaign', 'ackley', '--config', str(settings), '--seed', '1',
            '--search-size', '60', '--retrain-frequency', '15', '--engine', 'local',
            '--runs-dir', str(tmp_path / 'runs'), '--quiet',
        ],
        env={**os.environ, 'XDG_CACHE_HOME': str(tmp_path / 'cache'), 'OMP_NUM_THREADS': '1'},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while not (found := list(tmp_path.glob('runs/*/params.yaml'))):
        assert driver.poll() is None, driver.communicate()
    yield found[0].parent, driver
    driver.terminate()
    driver.communicate(timeout=60)


def test_the_page_follows_a_campaign_to_its_end(browser, running):
    run_dir, driver = running
    with visit(browser, run_dir) as opened:
        opened.until_not('#done', '0')
        assert opened.text('#status') == 'running'
        first, first_best = opened.number('#done'), opened.number('#tile-best')
        opened.until_not('#done', f'{first:g}')
        assert driver.poll() is None  # it was seen while it went
        opened.until('#status', 'completed')
        assert opened.number('#done') == 60
        assert opened.number('#tile-best') < first_best
        assert opened.page.locator('#best li:not(.awaited)').count() == 12
        assert 'Ranking 1' in opened.text('#story')
        assert opened.page.title().startswith('60/60 ackley')
        assert driver.wait(60) == 0
        opened.is_clean()


def test_the_replay_is_worked_by_keyboard(browser, finished):
    with visit(browser, finished) as opened:
        page, press = opened.page, opened.page.keyboard.press
        reached = []
        for _ in range(5):
            press('Tab')
            reached.append(page.evaluate('document.activeElement.id || document.activeElement.className'))
        assert reached == ['skip', 'play', 'moment', 'speed', 'live']
        page.focus('#moment')
        press('Home')
        opened.until('#done', '0')
        assert page.get_attribute('#moment', 'aria-valuetext').startswith('0:00 of')
        for _ in range(8):
            press('PageUp')
        opened.until('#done', '2')
        assert opened.text('#tile-best') == '3.000'
        assert page.get_attribute('#live', 'aria-pressed') == 'false'
        press('ArrowRight')
        page.focus('#live')
        press('Enter')
        opened.until('#done', '4')
        page.focus('#moment')
        press('Home')
        page.focus('#play')
        press('Space')
        opened.until('#done', '4')
        opened.until('#play-text', 'Play')
        opened.is_clean()


def test_the_story_is_filtered_and_leads_to_its_moments_by_keyboard(browser, finished):
    with visit(browser, finished) as opened:
        page, press = opened.page, opened.page.keyboard.press
        page.focus('#filter input')
        for _ in range(3):
            press('ArrowRight')
        expect(page.locator('#story li')).to_have_count(2, timeout=WAIT)
        assert 'c failed (ConvergenceError' in opened.text('#story')
        page.focus('#story li:last-child button')
        press('Enter')
        opened.until('#at', re.compile('^0:04'))
        page.fill('#search', 'no such words')
        expect(page.locator('#story li button')).to_have_count(0, timeout=WAIT)
        opened.is_clean()


CONTRASTS = """() => {
  const luminance = (colour) => {
    const [r, g, b] = colour.match(/[\\d.]+/g).slice(0, 3).map((v) => v / 255)
      .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (node) => {
    for (; node; node = node.parentElement) {
      const colour = getComputedStyle(node).backgroundColor;
      if (!/, 0\\)$|transparent/.test(colour)) return colour;
    }
    return 'rgb(255, 255, 255)';
  };
  return [...document.querySelectorAll('h1, h2, h3, b, p, dt, dd, span, figcaption, button, output, td, th, summary')]
    .filter((node) => node.checkVisibility() && node.textContent.trim() && !node.closest('[aria-hidden], .unseen'))
    .map((node) => {
      const [a, b] = [luminance(getComputedStyle(node).color), luminance(behind(node))].sort((x, y) => y - x);
      return [(a + 0.05) / (b + 0.05), node.className + ' ' + node.textContent.slice(0, 30)];
    }).filter(([ratio]) => ratio < 4.5);
}"""


@pytest.mark.parametrize('scheme', ['light', 'dark'])
def test_every_word_is_legible(browser, finished, scheme):
    with visit(browser, finished, color_scheme=scheme) as opened:
        opened.page.click('summary')
        assert opened.page.evaluate(CONTRASTS) == []
        opened.is_clean()


@pytest.mark.parametrize('width', [360, 800, 1400])
def test_no_width_needs_scrolling_sideways(browser, finished, width):
    with visit(browser, finished, viewport={'width': width, 'height': 800}) as opened:
        assert opened.page.evaluate('document.documentElement.scrollWidth') <= width


def test_nothing_moves_for_those_who_want_no_motion(browser, tmp_path):
    with visit(browser, write(tmp_path / 'run', campaign()), reduced_motion='reduce') as opened:
        assert opened.page.evaluate('document.getAnimations().length') == 0


def test_nothing_jumps_while_a_campaign_grows(browser, tmp_path):
    run_dir = write(tmp_path / 'run', campaign())
    with visit(browser, run_dir) as opened:
        opened.until('#done', '4')
        opened.page.evaluate("""() => {
          window.shift = 0;
          new PerformanceObserver((list) => list.getEntries().forEach((entry) => { window.shift += entry.value; }))
            .observe({ type: 'layout-shift', buffered: false });
        }""")
        write(run_dir, [simulated(12.0 + number, f'more-{number}', 5.0 + number) for number in range(9)])
        opened.until('#done', '13')
        assert opened.page.evaluate('window.shift') < 0.01
        opened.is_clean()


def test_names_are_never_read_as_markup(browser, tmp_path):
    evil = '<img src=x onerror="document.title=1">'
    records = [started(0.0), simulated(1.0, evil, 1.0), event(2.0, 'odd', 'warning', message=evil), ended(3.0)]
    with visit(browser, write(tmp_path / 'run', records)) as opened:
        assert evil in opened.text('#best')
        assert evil in opened.text('#story')
        assert opened.page.locator('main img').count() == 0
        opened.is_clean()


def test_a_run_of_another_scoutbee_is_named_on_the_page(browser, tmp_path):
    run_dir = write(tmp_path / 'run', campaign())
    path = run_dir / 'events.jsonl'
    path.write_bytes(path.read_bytes().replace(b'"schema_version":2', b'"schema_version":9'))
    with ServedPage(run_dir) as served:
        page = browser.new_page()
        page.goto(served.address)
        expect(page.locator('#reason')).to_contain_text('schema version 9', timeout=WAIT)
        assert page.inner_text('#status') == 'unreadable'
        page.close()


def test_a_watcher_that_is_gone_is_said_to_be(browser, finished):
    with ServedPage(finished) as served:
        opened = Visit(browser, served.address)
        served.end()
        opened.until('#status', 'not connected')
        assert opened.number('#done') == 4  # what was told is still there
        opened.context.close()

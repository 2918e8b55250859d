"""The page in a real browser: it draws without a word on the console, asks the network for nothing, and sorts."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from profiler.render.html import page
from profiler.report.kinds import load_result
from tests.unit.render.many_kernels import MANY, many_kernels
from tests.unit.render.test_html_page import everywhere_hostile, levels_of, with_curves

pytestmark = pytest.mark.integration

CHROMIUM, DRIVER = (shutil.which(name) for name in ("chromium", "chromedriver"))
KEPT = sorted((Path(__file__).resolve().parents[1] / "data" / "results").glob("*.json.gz"))
_SECONDS = 60
# The sandbox needs rights that a container's root has not; the rest keeps Chromium itself from the network.
_ARGUMENTS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-quic"),
)


class Browser:
    """Chromium on a page: what it said on the console, what it asked for, and what is on it."""

    def __init__(self, driver: webdriver.Chrome, folder: Path) -> None:
        self.driver = driver
        self._folder = folder

    def open(self, text: str, width: int = 1200) -> None:
        path = self._folder / "page.html"
        path.write_text(text, encoding="utf-8")
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        self.driver.get(path.as_uri())
        WebDriverWait(self.driver, _SECONDS).until(lambda _: self.run("return document.documentElement.dataset.drawn"))
        WebDriverWait(self.driver, _SECONDS).until(
            lambda _: self.run(
                "return [...document.querySelectorAll('[data-figure]')].every((each) => each.childElementCount > 0)"
            )
        )

    def run(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def console(self) -> list[str]:
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def asked_for(self) -> list[str]:
        return list(self.run("return performance.getEntriesByType('resource').map((each) => each.name)"))

    def column(self, place: int) -> list[str]:
        rows = "[...document.querySelectorAll('table.kernels tbody tr')]"
        return list(self.run(f"return {rows}.map((row) => row.cells[arguments[0]].textContent)", place))

    def press(self, name: str) -> None:
        button = self.driver.find_element(By.CSS_SELECTOR, f"table.kernels button[data-column={name}]")
        button.send_keys(Keys.ENTER)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if CHROMIUM is None or DRIVER is None:
        pytest.skip("no Chromium with its driver here (Debian: chromium and chromium-driver)")
    folder = tmp_path_factory.mktemp("chromium")
    options = Options()
    options.binary_location = CHROMIUM
    for argument in (*_ARGUMENTS, f"--user-data-dir={folder / 'profile'}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    try:
        yield Browser(driver, folder)
    finally:
        driver.quit()


@pytest.mark.parametrize("width", [1200, 390])
def test_a_report_is_drawn_in_silence_and_fits_the_width(browser: Browser, width: int) -> None:
    browser.open(page.render(with_curves()), width)
    assert browser.console() == []
    assert browser.asked_for() == []
    assert browser.run("return document.documentElement.scrollWidth") <= width
    figures = "[...document.querySelectorAll('[data-figure]')]"
    drawn = browser.run(f"return {figures}.map((each) => each.querySelectorAll('svg').length)")
    assert len(drawn) == 6
    assert all(number > 0 for number in drawn)


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.name)
def test_every_kind_of_result_is_drawn_in_silence(browser: Browser, path: Path) -> None:
    browser.open(page.render(load_result(path)))
    assert browser.console() == []
    assert browser.asked_for() == []


def test_results_over_time_are_drawn_in_silence(browser: Browser) -> None:
    browser.open(page.render(levels_of(8, 7)))
    assert browser.console() == []
    assert browser.run("return document.querySelectorAll('.plot g[aria-label=dot] > *').length") == 15


def test_the_roofline_has_a_mark_for_each_kind_of_kernel_and_the_roof_above(browser: Browser) -> None:
    browser.open(page.render(with_curves()))
    figure = "[...document.querySelectorAll('figure')].find((each) => each.textContent.includes('Roofline of decode'))"
    counted = f"return {figure}.querySelectorAll(arguments[0]).length"
    assert browser.run(counted, "g[aria-label=dot] > *") == 48
    assert browser.run(counted, "g[aria-label=line] path") == 1


def test_the_kernels_sort_by_keyboard_both_ways_and_say_how(browser: Browser) -> None:
    browser.open(page.render(with_curves()))
    names = browser.column(0)[:40]
    browser.press("name")
    head = browser.driver.find_element(By.CSS_SELECTOR, "table.kernels th")
    assert head.get_attribute("aria-sort") == "ascending"
    forwards = browser.column(0)[:40]
    assert forwards != names
    browser.press("name")
    assert head.get_attribute("aria-sort") == "descending"
    assert browser.column(0)[0] == max(names, key=str.lower)
    browser.press("ms")
    times = [float(ms) for ms in browser.column(2)[:40]]
    assert times == sorted(times, reverse=True)
    assert head.get_attribute("aria-sort") is None


def test_ten_thousand_kernels_are_drawn_and_shown_and_sorted(browser: Browser) -> None:
    browser.open(page.render(many_kernels()))
    assert browser.console() == []
    assert len(browser.column(0)) == 40
    browser.driver.find_element(By.CSS_SELECTOR, "button.more").send_keys(Keys.ENTER)
    assert len(browser.column(0)) == MANY
    browser.press("calls")
    calls = [int(each) for each in browser.column(1)]
    assert calls == sorted(calls, reverse=True)
    assert browser.run("return document.querySelectorAll('g[aria-label=dot] > *').length") == MANY
    assert browser.console() == []


def test_a_step_can_be_looked_at_closer_by_keyboard(browser: Browser) -> None:
    browser.open(page.render(with_curves()))
    shown = "return document.querySelector('.tools [role=status]').textContent"
    whole = browser.run(shown)
    browser.driver.find_element(By.CSS_SELECTOR, ".tools button[aria-label='Zoom in']").send_keys(Keys.ENTER)
    assert browser.run(shown) != whole
    assert browser.run("return document.activeElement.getAttribute('aria-label')") == "Zoom in"
    browser.driver.find_element(By.CSS_SELECTOR, ".tools button[aria-label='Later']").send_keys(Keys.ENTER)
    browser.driver.find_element(By.CSS_SELECTOR, ".tools button[aria-label='Zoom out']").send_keys(Keys.ENTER)
    assert browser.run(shown) == whole


def test_text_from_a_report_does_nothing_but_be_read(browser: Browser) -> None:
    browser.open(page.render(everywhere_hostile()))
    assert browser.console() == []
    assert browser.asked_for() == []
    assert "<img src=x onerror=alert(1)>" in browser.run("return document.querySelector('h1').textContent")
    assert browser.run("return document.querySelectorAll('img').length") == 0


def test_dark_is_dark_and_light_is_light(browser: Browser) -> None:
    shades = {}
    for scheme in ("light", "dark"):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        browser.open(page.render(with_curves()))
        colour = browser.run("return getComputedStyle(document.body).backgroundColor")
        shades[scheme] = sum(int(part) for part in colour.strip("rgb()").split(","))
    assert shades["light"] == 3 * 255
    assert shades["dark"] < 3 * 40


def test_a_screen_reader_finds_a_name_and_a_role_for_every_figure_and_table(browser: Browser) -> None:
    browser.open(page.render(with_curves()))
    browser.driver.execute_cdp_cmd("Accessibility.enable", {})
    tree = browser.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    for role in ("figure", "table", "columnheader", "rowheader", "button", "navigation", "main"):
        found = [node for node in tree if not node.get("ignored") and node["role"]["value"] == role]
        assert found, role
        if role in ("figure", "table", "button"):
            assert all(node["name"]["value"].strip() for node in found), role


def test_only_tables_that_are_too_wide_are_stops_for_the_keyboard(browser: Browser) -> None:
    wide = "each.scrollWidth > each.clientWidth"
    stops = f"return [...document.querySelectorAll('.scroll')].map((each) => [{wide}, each.tabIndex])"
    for width, any_is in ((1900, False), (390, True)):
        browser.open(page.render(with_curves()), width)
        found = browser.run(stops)
        assert any(is_wide for is_wide, _ in found) is any_is
        assert {tuple(each) for each in found} <= {(True, 0), (False, -1)}


def test_it_prints(browser: Browser) -> None:
    browser.open(page.render(with_curves()))
    printed = base64.b64decode(browser.driver.execute_cdp_cmd("Page.printToPDF", {})["data"])
    assert printed.startswith(b"%PDF")

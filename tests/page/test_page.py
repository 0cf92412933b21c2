"""The report in real Chromium: no message in its console, no request, nothing wider than the window, a picture of every
section.

Pictures are kept where UFO_RL_PICTURES says (make test-page), so that people can look at them.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.smoke.test_report import sweep as sweep  # the same runs
from ufo_rl.commands import report

webdriver = pytest.importorskip("selenium.webdriver")
WIDTHS = (1280, 400)
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
)
FLAGS += ("--disable-component-update", "--disable-sync", "--hide-scrollbars")


@pytest.fixture(scope="module")
def page(sweep: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("page") / "report.html"
    assert report.run([str(sweep), "--out", str(out)]) == 0
    return out


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = Path(os.environ.get("UFO_RL_PICTURES") or tmp_path_factory.mktemp("pictures"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(params=WIDTHS)
def browser(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not program or not driver:
        pytest.skip("Debian's chromium and chromium-driver are not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for flag in (*FLAGS, f"--user-data-dir={tmp_path / 'profile'}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    opened = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    opened.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": request.param, "height": 900, "deviceScaleFactor": 1, "mobile": request.param < 600},
    )
    yield opened
    opened.quit()


def test_every_section_can_be_seen(browser: Any, page: Path, pictures: Path) -> None:
    browser.get("about:blank")
    browser.get_log("performance")  # of the browser's own first page
    browser.get(page.as_uri())
    width = browser.execute_script("return window.innerWidth")
    assert browser.get_log("browser") == []
    asked = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    urls = {one["params"]["request"]["url"] for one in asked if one["method"] == "Network.requestWillBeSent"}
    assert {url for url in urls if not url.startswith("data:")} == {page.as_uri()}
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    sections = browser.find_elements("tag name", "section")
    assert {section.get_attribute("id") for section in sections} >= {
        "results",
        "accuracy",
        "costs",
        "training",
        "selection",
        "ledger",
    }
    for section in sections:
        path = pictures / f"{section.get_attribute('id')}-{width}.png"
        place = browser.execute_script(
            "const r = arguments[0].getBoundingClientRect(); return [r.x, r.y + scrollY, r.width, r.height]", section
        )
        clip = {**dict(zip(("x", "y", "width", "height"), place, strict=True)), "scale": 1}
        taken = browser.execute_cdp_cmd("Page.captureScreenshot", {"clip": clip, "captureBeyondViewport": True})
        path.write_bytes(base64.b64decode(taken["data"]))
        assert path.stat().st_size > 5000
    for figure in browser.find_elements("css selector", "figure svg"):
        box = figure.rect
        assert 200 < box["width"] <= width and box["height"] > 80, figure.get_attribute("aria-label")
    small = browser.execute_script(
        "return [...document.querySelectorAll('figure svg text')].map(t => t.getBoundingClientRect().height)"
        ".filter(h => h > 0).reduce((a, b) => Math.min(a, b), 99)"
    )
    assert small >= 7  # pixels of the smallest letter's line

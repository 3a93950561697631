"""A real headless Chromium that looks at pages from disk; tests are skipped where there is none."""

import json
import shutil
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

PHONE, DESK = (390, 844), (1280, 900)


@contextmanager
def chromium(profile: Path) -> Iterator[webdriver.Chrome]:
    """The system's Chromium, driven by its own driver: nothing is downloaded."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next((path for name in names if (path := shutil.which(name))), None)
    driver = shutil.which("chromedriver")
    if found is None or driver is None:
        pytest.skip("needs chromium and chromedriver (Debian: apt-get install chromium chromium-driver)")
    options = Options()
    options.binary_location = found
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    options.set_capability("unhandledPromptBehavior", "ignore")
    # a container's /dev/shm has often no room for a page, which then crashes
    for argument in ("headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage"):
        options.add_argument(f"--{argument}")
    options.add_argument(f"--user-data-dir={profile}")
    browser = webdriver.Chrome(options=options, service=Service(driver))
    try:
        yield browser
    finally:
        browser.quit()


def open_page(
    browser: webdriver.Chrome, page: Path, size: tuple[int, int] = DESK, colours: str = "light"
) -> None:
    """Load `page` in a window of `size` pixels; what was logged before is forgotten."""
    width, height = size
    screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    wanted = [{"name": "prefers-color-scheme", "value": colours}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": wanted})
    for kind in ("browser", "performance"):
        logged(browser, kind)
    browser.get(page.as_uri())


def logged(browser: webdriver.Chrome, kind: str) -> list[dict[str, Any]]:
    """The entries of a log (`browser`: the console) since it was last asked for."""
    return list(browser.get_log(kind))  # type: ignore[no-untyped-call]


def requests(browser: webdriver.Chrome) -> list[str]:
    """Every address that was asked for since the page was opened, but for the page's own."""
    events = [json.loads(entry["message"])["message"] for entry in logged(browser, "performance")]
    asked: list[dict[str, Any]] = [
        event for event in events if event["method"] == "Network.requestWillBeSent"
    ]
    own = urllib.parse.urldefrag(browser.current_url).url
    return [url for event in asked if (url := event["params"]["request"]["url"]) != own]

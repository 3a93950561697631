"""The pages in a real browser: they sort, filter, stay inside a phone, ask for nothing, and run no text."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from chromium import PHONE, chromium, logged, open_page, requests
from selenium import webdriver
from selenium.common.exceptions import NoAlertPresentException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from synthetic_records import WIN_RATE, board, items, record

from harness.leaderboard.board import write_board
from harness.leaderboard.overview import write_overview
from harness.leaderboard.record import Record, Sample, write_record

pytestmark = pytest.mark.slow

HOSTILE = (
    "</script><script>alert(1);window.pwned=1</script></style><style>body{display:none}</style>"
    '<img src=x onerror=alert(2)><svg onload=alert(3)>"onfocus=alert(4) {{7*7}} '
    "\u202egnp.exe \x1b[31mred\x07"
)
HOSTILE_NAME = "<img src=x onerror=alert(5)>\u202e</script>"
METHODS = {"dpo": 50.0, "random": 51.0, "uniform": 65.0, "worse": 30.0, "late": 52.0}


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    with chromium(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


def page_of(folder: Path, records: list[Record]) -> Path:
    for one in records:
        write_record(folder / "records", one)
    write_board(folder)
    return folder / "index.html"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five methods, of which `late` has a note and is incomplete: one of its prompts was not judged."""
    records = board(METHODS, prompts=40)
    changed = []
    for one in records:
        if one.method == "late":
            judged = one.items[WIN_RATE]
            values = [[None] * 4, *judged.values[1:]]
            kept = one.items | {WIN_RATE: judged.model_copy(update={"values": values})}
            one = one.model_copy(update={"items": kept, "notes": ["saw validation prompts"]})
        changed.append(one)
    return page_of(tmp_path_factory.mktemp("boards") / "small", changed)


def shown(browser: webdriver.Chrome, column: int = 1) -> list[str]:
    """The texts of a column of the ranking, of the rows that can be seen."""
    rows = browser.find_elements(By.CSS_SELECTOR, ".ranking tbody tr")
    return [
        row.find_elements(By.CSS_SELECTOR, "th, td")[column].text.split("\n")[0].split(" ")[0]
        for row in rows
        if row.is_displayed()
    ]


def open_details(browser: webdriver.Chrome) -> None:
    browser.execute_script("for (const one of document.querySelectorAll('details')) one.open = true")


def heading(browser: webdriver.Chrome, name: str) -> WebElement:
    found = browser.find_elements(By.CSS_SELECTOR, ".ranking thead th")
    return next(head for head in found if head.text.strip().startswith(name))


def test_a_heading_sorts_first_one_way_then_the_other_with_missing_values_last(
    browser: webdriver.Chrome, page: Path
) -> None:
    open_page(browser, page)
    best_first = shown(browser)
    assert best_first[0] == "uniform"
    head = heading(browser, "against baseline")
    head.find_element(By.TAG_NAME, "button").click()
    assert head.get_attribute("aria-sort") == "descending"
    assert shown(browser)[0] == "uniform"
    assert shown(browser)[-1] == "dpo"  # the baseline has no difference to itself
    head.find_element(By.TAG_NAME, "button").send_keys(Keys.ENTER)
    assert head.get_attribute("aria-sort") == "ascending"
    assert shown(browser)[0] == "worse"
    assert shown(browser)[-1] == "dpo"
    heading(browser, "rank").find_element(By.TAG_NAME, "button").click()
    assert shown(browser, 0)[-1] == "–"
    assert [
        head.get_attribute("aria-sort") for head in browser.find_elements(By.CSS_SELECTOR, "th[aria-sort]")
    ] == ["ascending"]


def test_the_filter_looks_at_names_settings_and_notes(browser: webdriver.Chrome, page: Path) -> None:
    open_page(browser, page)
    words, count = browser.find_element(By.ID, "filter"), browser.find_element(By.ID, "count")
    assert count.text == "5 methods"
    words.send_keys("unif")
    assert set(shown(browser)) == {
        "random",
        "uniform",
        "worse",
        "late",
    }  # all but the baseline declare `uniform`
    words.send_keys(Keys.CONTROL, "a")
    words.send_keys("VALIDATION")
    assert shown(browser) == ["late"]
    assert count.text == "1 of 5 methods"
    plotted = browser.find_elements(By.CSS_SELECTOR, ".plot tbody tr[data-m]")
    assert [row.find_element(By.TAG_NAME, "th").text for row in plotted if row.is_displayed()] == [
        "late",
        "late",
    ]
    labels = browser.find_elements(By.CSS_SELECTOR, ".scatter .label")
    assert labels
    assert not any(label.is_displayed() for label in labels)  # `late` is not ranked
    words.send_keys(Keys.CONTROL, "a")
    words.send_keys(Keys.DELETE)
    wide = [label.is_displayed() for label in labels if "wide" in (label.get_attribute("class") or "")]
    assert [label.is_displayed() for label in labels].count(True) == len(wide) == sum(wide)
    browser.find_element(By.ID, "front").click()
    assert set(shown(browser)) <= {"dpo", "uniform"}
    assert "late" not in shown(browser)


def test_a_highlight_marks_one_method_in_every_figure(browser: webdriver.Chrome, page: Path) -> None:
    open_page(browser, page)
    browser.find_element(By.CSS_SELECTOR, "#lit option:nth-child(2)").click()
    lit = browser.find_elements(By.CSS_SELECTOR, ".lit")
    assert len({one.get_attribute("data-m") for one in lit if one.get_attribute("data-m")}) == 1
    assert {one.tag_name for one in lit} >= {"tr", "g"}


def test_the_reader_chooses_the_colours(browser: webdriver.Chrome, page: Path) -> None:
    def paper() -> str:
        return str(browser.execute_script("return getComputedStyle(document.body).backgroundColor"))

    open_page(browser, page, colours="dark")
    dark = paper()
    browser.find_element(By.ID, "theme").click()
    light = paper()
    assert light != dark
    open_page(browser, page, colours="light")
    assert paper() == light


def test_hostile_texts_stay_texts(browser: webdriver.Chrome, tmp_path: Path) -> None:
    everywhere = {
        "title": HOSTILE,
        "recipe": HOSTILE,
        "fixed": {"seeds": {"vary": [HOSTILE]}, HOSTILE: {HOSTILE: HOSTILE}},
        "declared": {HOSTILE: HOSTILE},
        "comparable": {"judge": HOSTILE, HOSTILE: HOSTILE},
        "notes": [HOSTILE],
        "samples": [Sample(prompt=HOSTILE, reference=HOSTILE, output=HOSTILE, preference=1.5)],
        "training": {"history": [{"loss": 1.0}, {"loss": 0.5}]},
        "provenance": {HOSTILE: {HOSTILE: HOSTILE}},
        "baseline": HOSTILE_NAME,
    }
    scores = {HOSTILE: items({HOSTILE: [1.0]}), WIN_RATE: items({"a": [100.0], "b": [50.0]})}
    records = [
        record(method, replicate, items=scores, **everywhere)
        for method in (HOSTILE_NAME, "other") for replicate in (0, 1)
    ]  # fmt: skip
    page = page_of(tmp_path / "board", records)
    write_overview(tmp_path)
    for one in (page, tmp_path / "index.html"):
        open_page(browser, one)
        open_details(browser)
        with pytest.raises(NoAlertPresentException):
            browser.switch_to.alert  # noqa: B018 - asking is what is tested
        assert browser.execute_script("return window.pwned === undefined")
        assert len(browser.find_elements(By.TAG_NAME, "script")) == 1
        assert len(browser.find_elements(By.TAG_NAME, "style")) == 1
        assert (
            browser.find_elements(By.CSS_SELECTOR, "img, iframe, object, [onload], [onerror], [onfocus]")
            == []
        )
        text = browser.find_element(By.TAG_NAME, "body").text
        assert "<script>alert(1);window.pwned=1</script>" in text
        assert "{{7*7}}" in text
        assert not set(text) & set("\u202e\x1b\x07")
        assert logged(browser, "browser") == []
        assert requests(browser) == []


def test_a_page_asks_for_nothing_and_says_nothing_on_the_console(
    browser: webdriver.Chrome, page: Path
) -> None:
    open_page(browser, page)
    assert logged(browser, "browser") == []
    assert requests(browser) == []


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_thirty_methods_with_long_names_stay_inside_a_phone(
    browser: webdriver.Chrome, tmp_path: Path, colours: str
) -> None:
    rates = {f"a-method-with-quite-a-long-name-{number}": 40.0 + number for number in range(30)}
    open_page(browser, page_of(tmp_path / "board", board(rates, prompts=10)), PHONE, colours)
    open_details(browser)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= PHONE[0]
    assert len(shown(browser)) == 30


def test_without_scripts_the_page_still_reads(browser: webdriver.Chrome, page: Path) -> None:
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        open_page(browser, page)
        assert shown(browser)[0] == "uniform"
        assert not browser.find_element(By.CSS_SELECTOR, ".tools").is_displayed()
        assert browser.find_element(By.CSS_SELECTOR, "svg.scatter").is_displayed()
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_what_can_be_used_has_a_name_and_can_be_reached_by_keyboard(
    browser: webdriver.Chrome, page: Path
) -> None:
    open_page(browser, page)
    open_details(browser)
    for control in browser.find_elements(By.CSS_SELECTOR, "button, input, select, [role=region]"):
        assert control.accessible_name.strip(), control.get_attribute("outerHTML")
    assert browser.find_elements(By.CSS_SELECTOR, "[tabindex]:not([tabindex='0'])") == []
    for table in browser.find_elements(By.TAG_NAME, "table"):
        assert table.find_elements(By.CSS_SELECTOR, "th[scope]")
    browser.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    assert browser.switch_to.active_element.get_attribute("class") == "skip"


def test_the_overview_leads_to_the_board(browser: webdriver.Chrome, page: Path) -> None:
    write_overview(page.parent.parent)
    open_page(browser, page.parent.parent / "index.html")
    browser.find_element(By.CSS_SELECTOR, ".entry h2 a").click()
    assert browser.current_url == page.as_uri()

"""Pages in a real browser: readable in both colours, usable without a mouse, whatever a board holds."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chromium import DESK, PHONE, chromium, open_page
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from synthetic_records import board

from harness.leaderboard.board import write_board
from harness.leaderboard.record import Contests, Record, write_record

pytestmark = pytest.mark.slow

ENERGY: dict[str, tuple[float | None, str]] = {
    "dpo": (5200.0, "measured"),
    "guessed": (4800.0, "estimated"),
    "bare": (6100.0, "device only"),
    "blind": (None, "n.a."),
}
AGAINST = {("dpo", "guessed"): 40.0, ("dpo", "blind"): 90.0, ("guessed", "bare"): 50.0}
"""Every prompt's win rate of the first against the second, in every replicate; others were not judged."""

FAINT = """
const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
const rgba = (colour) => {
  canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
  return [...canvas.getImageData(0, 0, 1, 1).data];
};
const linear = (v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
const light = (rgb) => rgb.map((v) => linear(v / 255))
  .reduce((sum, v, at) => sum + v * [0.2126, 0.7152, 0.0722][at], 0);
const above = function* (one) { for (; one; one = one.parentElement) yield one; };
const found = [], texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
let seen = 0;
while (texts.nextNode()) {
  const one = texts.currentNode.parentElement;
  const unseen = one.matches("script, style, title, option") || !one.checkVisibility();
  if (unseen || !texts.currentNode.textContent.trim()) continue;
  const grounds = [...above(one)].map((each) => rgba(getComputedStyle(each).backgroundColor));
  const behind = grounds.find((colour) => colour[3] === 255);
  const share = [...above(one)].reduce((all, each) => all * getComputedStyle(each).opacity, 1);
  const ink = rgba(getComputedStyle(one)[one instanceof SVGElement ? "fill" : "color"]);
  const mixed = ink.slice(0, 3).map((v, at) => behind[at] + (v - behind[at]) * share * ink[3] / 255);
  const [dim, bright] = [light(mixed), light(behind.slice(0, 3))].sort((a, b) => a - b);
  seen += 1;
  if ((bright + 0.05) / (dim + 0.05) < 4.5) found.push(`${one.outerHTML.slice(0, 80)} ${mixed} on ${behind}`);
}
return [seen, found];
"""
"""Texts whose contrast is below 4.5 (WCAG 2.2, criterion 1.4.3), by its formula of relative luminance."""

FOCUS = """
const one = document.activeElement, style = getComputedStyle(one), box = one.getBoundingClientRect();
const right = Math.min(box.width / 2, 50), down = Math.min(box.height / 2, 15);
const top = document.elementFromPoint(box.left + right, box.top + down);
return {tag: one.tagName, id: one.id, text: one.textContent, outline: style.outlineStyle,
        shown: top !== null && (one.contains(top) || top.contains(one))};
"""


def with_all_parts(one: Record) -> Record:
    """A record with energy, contests, and what makes a learning curve and a cell of the grid."""
    joules, label = ENERGY[one.method]
    tasks = [
        task.model_copy(update={"cost": task.cost.model_copy(update={"energy_j": joules, "energy": label})})
        if task.role == "method"
        else task
        for task in one.tasks
    ]
    values: dict[str, list[float | None]] = {
        other: [rate] * 3 for (method, other), rate in AGAINST.items() if method == one.method
    }
    values |= {other: [100 - rate] * 3 for (other, method), rate in AGAINST.items() if method == one.method}
    none = dict.fromkeys(values, 0)
    contests = Contests(ids=["p0", "p1", "p2"], values=values, missing=none, flips=none) if values else None
    prompts, pairs = [(96, 2), (48, 2), (96, 4), (48, 4)][one.order]
    return one.model_copy(
        update={
            "tasks": tasks,
            "head_to_head": contests,
            "declared": {
                "responses_per_prompt": 8,
                "breadth": {"kind": "clusters", "prompts": prompts},
                "depth": {"kind": "uniform", "pairs": pairs},
            },
            "training": {"history": [{"step": step, "loss": 1.0 / step} for step in range(1, 20)]},
        }
    )


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    with chromium(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("board")
    for one in board(dict(zip(ENERGY, (50.0, 65.0, 30.0, 52.0), strict=True)), prompts=40):
        write_record(folder / "records", with_all_parts(one))
    write_board(folder)
    return folder / "index.html"


def open_details(browser: webdriver.Chrome) -> None:
    browser.execute_script("for (const one of document.querySelectorAll('details')) one.open = true")


def press(browser: webdriver.Chrome, key: str, shift: bool = False) -> dict[str, Any]:
    """What has the focus after a key."""
    keys = ActionChains(browser)
    (keys.key_down(Keys.SHIFT).send_keys(key).key_up(Keys.SHIFT) if shift else keys.send_keys(key)).perform()
    return dict(browser.execute_script(FOCUS))


def cells(browser: webdriver.Chrome, table: str) -> dict[str, list[str]]:
    """The rows of a table that is shown, by their headings."""
    rows = browser.find_elements(By.CSS_SELECTOR, f"{table} tbody tr")
    return {
        row.find_element(By.CSS_SELECTOR, "th bdi").text: [
            cell.text for cell in row.find_elements(By.TAG_NAME, "td")
        ]
        for row in rows
        if row.is_displayed()
    }


def test_the_keyboard_switches_from_side_by_side_to_against_the_reference(
    browser: webdriver.Chrome, page: Path
) -> None:
    """`dpo` won 90 % against `blind`, so `blind` 10 %; pairs that nobody judged are empty."""
    open_page(browser, page)
    beside, apart = browser.find_elements(By.CSS_SELECTOR, ".switch input")
    assert [one.accessible_name for one in (beside, apart)] == ["side by side", "against the reference"]
    assert browser.find_element(By.CSS_SELECTOR, ".switch legend").get_attribute("textContent")
    shown = cells(browser, ".one .matrix")
    order = list(shown)
    assert cells(browser, ".other .matrix") == {}
    assert shown["dpo"][order.index("blind")] == "90.0"
    assert shown["blind"][order.index("dpo")] == "10.0"
    assert shown["blind"][order.index("bare")] == ""
    beside.send_keys(Keys.ARROW_RIGHT)
    assert apart.is_selected()
    assert cells(browser, ".one .matrix") == {}
    shown = cells(browser, ".other .matrix")
    order = list(shown)
    assert shown["guessed"][order.index("dpo")].startswith("+")
    assert shown["dpo"][order.index("guessed")].startswith("−")
    heads = browser.find_elements(By.CSS_SELECTOR, ".other .matrix thead th")
    assert [(head.get_attribute("textContent") or "").strip()[:-1] for head in heads] == order


def test_energy_is_shown_with_how_it_is_known_and_not_sorted_by(
    browser: webdriver.Chrome, page: Path
) -> None:
    """Two tasks of the method: 2 x 5200 J = 10.40 kJ."""
    open_page(browser, page)
    open_details(browser)
    region = "[aria-label='All costs']"
    heads = browser.find_elements(By.CSS_SELECTOR, f"{region} thead th")
    (at,) = [place for place, head in enumerate(heads) if head.text == "energy kJ"]
    assert heads[at].find_elements(By.TAG_NAME, "button") == []
    assert {method: row[at - 1] for method, row in cells(browser, region).items()} == {
        "dpo": "10.40 measured",
        "guessed": "9.60 estimated",
        "bare": "12.20 device only",
        "blind": "n.a.",
    }


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize("colours", ["light", "dark"])
def test_every_text_stands_out_from_what_is_behind_it(
    browser: webdriver.Chrome, page: Path, colours: str, size: tuple[int, int]
) -> None:
    open_page(browser, page, size, colours)
    open_details(browser)
    for switch in browser.find_elements(By.CSS_SELECTOR, ".switch input"):
        switch.click()
        seen, faint = browser.execute_script(FAINT)
        assert seen > 200
        assert faint == []


def test_tab_reaches_every_control_and_shows_where_it_is(browser: webdriver.Chrome, page: Path) -> None:
    """Forwards and backwards; nothing that stays in place, such as the tools, covers what has the focus."""
    open_page(browser, page)
    there = [press(browser, Keys.TAB)]
    while there[-1]["tag"] != "BODY":
        assert len(there) < 100
        there.append(press(browser, Keys.TAB))
    back = [press(browser, Keys.TAB, shift=True) for _ in there[:-1]]
    for stop in (*there[:-1], *back):
        assert stop["outline"] != "none", stop
        assert stop["shown"], stop
    assert {stop["id"] for stop in there} >= {"filter", "front", "lit", "theme"}
    named = {stop["text"] for stop in there if stop["tag"] in ("BUTTON", "SUMMARY")}
    wanted = browser.find_elements(By.CSS_SELECTOR, "button, summary")
    assert {one.get_attribute("textContent") for one in wanted if one.is_displayed()} <= named


def test_names_stay_in_sight_where_a_wide_table_is_scrolled(browser: webdriver.Chrome, page: Path) -> None:
    open_page(browser, page, PHONE)
    open_details(browser)
    for region in browser.find_elements(By.CSS_SELECTOR, ".wide-table:has(tbody bdi)"):
        browser.execute_script("arguments[0].scrollLeft = 10000", region)
        for name in region.find_elements(By.CSS_SELECTOR, "tbody th bdi"):
            if name.is_displayed():
                assert 0 <= name.rect["x"] < PHONE[0] / 3, region.accessible_name

"""The page of `ecalwindows report` in Chromium (tools/chromium.sh), opened as a file, without a network."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.cli import run
from helpers.report_page import Page, arrow_columns, make_windows

from ecalwindows import open_dataset

webdriver = pytest.importorskip("selenium.webdriver", reason="needs selenium")
pytestmark = pytest.mark.browser

BINARY, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
if not (BINARY and DRIVER):
    pytest.skip("needs chromium and chromedriver (tools/chromium.sh)", allow_module_level=True)

DESKTOP, PHONE = (1280, 720), (390, 844)
LIMIT = 30.0
CELLS = "return [...document.querySelectorAll(`[data-key='clusters'] table tr`)].slice(1)"
QUANTITY = "JSON.parse(document.getElementById('meta').textContent).quantities.find((q) => q.key === arguments[0])"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Electrons and photons with all columns, and their page."""
    place = tmp_path_factory.mktemp("browser")
    make_windows(place / "data")
    run("report", str(place / "data"), "-o", str(place / "report.html"), "-q")
    return place


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    options = webdriver.ChromeOptions()
    options.binary_location = BINARY
    for word in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(executable_path=DRIVER))
    driver.execute_cdp_cmd("Network.enable", {})
    driver.execute_cdp_cmd(
        "Network.emulateNetworkConditions",
        {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0},
    )
    yield driver
    driver.quit()


def until(what: Callable[[], Any]) -> Any:
    end = time.monotonic() + LIMIT
    while not (found := what()):
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.05)
    return found


class Opened:
    """The page in the browser."""

    def __init__(self, driver: Any, page: Path, link: str, size: tuple[int, int] = DESKTOP, dark: bool = False) -> None:
        self.driver = driver
        width, height = size
        driver.get("about:blank")
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": size == PHONE}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        driver.get(f"{page.as_uri()}#{link}")
        until(lambda: self.js("return document.documentElement.hasAttribute('data-ready')"))

    def js(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def text(self, selector: str) -> str:
        return str(self.js("return document.querySelector(arguments[0]).textContent", selector))

    def limit(self, key: str, low: float, high: float) -> None:
        """Type a range below a distribution."""
        self.js(
            "const card = document.querySelector(`[data-key='${arguments[0]}']`);"
            "const [a, b] = card.querySelectorAll('input');"
            "card.querySelector('details').open = true; a.value = arguments[1]; b.value = arguments[2];"
            "b.dispatchEvent(new Event('change'))", key, low, high,
        )  # fmt: skip

    def drag(self, key: str, first: int, last: int) -> tuple[float, float]:
        """Drag over bins of a distribution with the pointer; the limits that this selects."""
        chart = self.driver.find_element("css selector", f"[data-key='{key}'] svg.chart")
        self.js("arguments[0].scrollIntoView({block: 'center'})", chart)
        until(lambda: self.js("return arguments[0].childNodes.length > 0", chart))
        edges = self.js(f"return {QUANTITY}.edges", key)
        box, n = chart.rect, len(edges) - 1
        at = lambda bin: int(((48 + (340 - 58) * (bin + 0.5) / n) / 340 - 0.5) * box["width"])  # noqa: E731
        chain = webdriver.ActionChains(self.driver)
        chain.move_to_element_with_offset(chart, at(first), 0).click_and_hold()
        chain.move_to_element_with_offset(chart, at(last), 0).release().perform()
        return edges[first], edges[last + 1]

    def press(self, key: str) -> None:
        webdriver.ActionChains(self.driver).send_keys(key).perform()

    def errors(self) -> list[str]:
        return [each["message"] for each in self.driver.get_log("browser") if each["level"] != "INFO"]


def numbers(text: str) -> list[int]:
    """Windows selected and in all, clusters selected and in all."""
    return [int(word.replace(",", "")) for word in text.replace(" of ", " ").split() if word.replace(",", "").isdigit()]


def stored(folder: Path) -> dict[str, Any]:
    return arrow_columns(*sorted((folder / "data").glob("*.parquet")))


def expected(folder: Path, limits: dict[str, tuple[float, float]]) -> list[int]:
    """The same as pyarrow has them."""
    columns = {
        name: column.to_numpy() for name, column in arrow_columns(*sorted((folder / "data").glob("*.parquet"))).items()
    }
    windows = np.ones(len(columns["seed_eta"]), bool)
    sizes = columns["ncls"].astype(int)
    for name, (low, high) in limits.items():
        inside = (columns[name] >= low) & (columns[name] < high)
        if len(inside) != len(windows):
            inside = np.logical_or.reduceat(inside, np.append(0, np.cumsum(sizes)[:-1]))
        windows &= inside
    return [int(windows.sum()), len(windows), int(sizes[windows].sum()), int(sizes.sum())]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("part", ["overview", "distributions", "windows"])
def test_each_part_opens_and_can_be_read(
    folder: Path, browser: Any, size: tuple[int, int], dark: bool, part: str
) -> None:
    page = Opened(browser, folder / "report.html", part, size, dark)
    assert page.errors() == []
    assert page.js("return document.documentElement.scrollWidth") <= size[0]
    shown = page.js("return [...document.querySelectorAll('section')].filter((s) => !s.hidden).map((s) => s.id)")
    assert shown == [part]
    back, ink = page.js("const s = getComputedStyle(document.body); return [s.backgroundColor, s.color]")
    light = [sum(map(int, colour[4:-1].split(", "))) for colour in (back, ink)]
    assert (light[0] < light[1]) == dark and abs(light[0] - light[1]) > 500
    small = page.js(
        "return [...document.querySelectorAll('section:not([hidden]) svg text')].map((t) => t.getBoundingClientRect())"
        ".filter((b) => b.width && b.bottom > 0 && b.top < innerHeight && b.height < 9).length"
    )
    assert small == 0


def test_a_selection_changes_the_counts_to_those_that_pyarrow_finds(folder: Path, browser: Any) -> None:
    page = Opened(browser, folder / "report.html", "distributions")
    limits: dict[str, tuple[float, float]] = {}
    assert numbers(page.text("#counts")) == expected(folder, limits)
    limits["seed_eta"] = page.drag("seed_eta", 20, 44)
    assert numbers(page.text("#counts")) == expected(folder, limits)
    condition = json.loads(page.text("#condition code"))
    assert len(open_dataset(folder / "data").filter(condition)) == expected(folder, limits)[0]
    edges = Page.read(folder / "report.html").quantity("et_cluster")["edges"]
    limits["et_cluster"] = (edges[30], edges[55])
    page.limit("et_cluster", *limits["et_cluster"])
    found = expected(folder, limits)
    assert numbers(page.text("#counts")) == found and 0 < found[0] < found[1]
    page.js("document.getElementById('clear').click()")
    assert numbers(page.text("#counts")) == expected(folder, {})


def test_the_counts_of_a_distribution_follow_the_selection_in_others(folder: Path, browser: Any) -> None:
    page = Opened(browser, folder / "report.html", "distributions")
    low, high = page.drag("seed_eta", 10, 30)
    page.js("document.querySelector(`[data-key='clusters'] details`).open = true")
    cells = until(lambda: page.js(f"{CELLS}.map((row) => row.cells[1].textContent)"))
    columns = stored(folder)
    eta, n = columns["seed_eta"].to_numpy(), columns["ncls"].to_numpy()
    edges = Page.read(folder / "report.html").quantity("clusters")["edges"]
    kept = (eta >= low) & (eta < high) & (n >= edges[0]) & (n < edges[-1])
    assert sum(int(cell.replace(",", "")) for cell in cells) == kept.sum()


def test_keys_step_through_the_windows_of_the_selection(folder: Path, browser: Any) -> None:
    page = Opened(browser, folder / "report.html", "distributions")
    low, high = page.drag("seed_eta", 35, 50)
    page.js("location.hash = 'windows'")
    until(lambda: page.text("#place").startswith("1 of "))
    views = {view["link"]: view for view in Page.read(folder / "report.html").views}
    n, seen = int(page.text("#place").split()[-1]), []
    for _ in range(n):
        seen.append(page.js("return decodeURIComponent(location.hash.slice(1))"))
        page.press("\ue014")  # right arrow
    assert page.text("#place") == f"1 of {n}"
    page.press("\ue012")  # left arrow
    assert page.text("#place") == f"{n} of {n}"
    expected = {link for link, view in views.items() if low <= view["facts"]["seed_eta"] < high}
    assert len(seen) == len(set(seen)) == n > 3 and set(seen) == expected
    assert page.errors() == []


def test_a_link_opens_its_window_with_its_crystals_and_clusters(folder: Path, browser: Any) -> None:
    view = max(Page.read(folder / "report.html").views, key=lambda view: len(view["kind"]))
    page = Opened(browser, folder / "report.html", view["link"])
    assert page.text("#window-link") == view["id"]
    counts = page.js(
        "const texts = [...document.querySelectorAll('#picture [data-t]')].map((e) => e.getAttribute('data-t'));"
        "return ['crystal', 'cluster'].map((word) => texts.filter((t) => t.includes(word + ' ')).length)"
    )
    assert counts == [len(view["crystals"]), len(view["kind"])]
    crystal = page.driver.find_element("css selector", "#picture polygon[data-t]")
    page.js("arguments[0].dispatchEvent(new PointerEvent('pointerover', {bubbles: true}))", crystal)
    assert page.text("#readout") == crystal.get_attribute("data-t") and "GeV" in page.text("#readout")
    assert page.errors() == []


def test_a_link_to_a_window_that_is_not_there_says_so(folder: Path, browser: Any) -> None:
    page = Opened(browser, folder / "report.html", "1:2:3:4")
    assert "1:2:3:4 is not among the" in page.text("#problem")


def test_two_datasets_follow_one_selection_and_their_parts_do_not_overlap(folder: Path, browser: Any) -> None:
    one, two = (str(folder / "data" / f"{name}.parquet") for name in ("electrons", "photons"))
    run("report", one, "--against", two, "-o", str(folder / "both.html"), "-q")
    page = Opened(browser, folder / "both.html", "distributions")
    low, high = page.drag("seed_eta", 15, 40)
    found = []
    for name in ("electrons", "photons"):
        columns = arrow_columns(folder / "data" / f"{name}.parquet")
        eta, sizes = columns["seed_eta"].to_numpy(), columns["ncls"].to_numpy().astype(int)
        kept = (eta >= low) & (eta < high)
        found += [int(kept.sum()), len(kept), int(sizes[kept].sum()), int(sizes.sum())]
    assert numbers(page.text("#counts")) == found
    overlapping = page.js(
        "const texts = [...document.querySelectorAll(`[data-key='nVtx'] svg text`)];"
        "const boxes = texts.map((text) => text.getBoundingClientRect());"
        "return boxes.filter((a, i) => boxes.some((b, j) => i < j && a.left < b.right && b.left < a.right"
        " && a.top + 3 < b.bottom && b.top + 3 < a.bottom)).length"
    )
    assert overlapping == 0
    for part in ("overview", "windows"):
        page.js("location.hash = arguments[0]", part)
        until(lambda part=part: page.js("return !document.getElementById(arguments[0]).hidden", part))
    assert page.errors() == []


def test_markup_in_names_runs_nothing_and_adds_nothing(folder: Path, browser: Any, tmp_path: Path) -> None:
    source = tmp_path / "<img src=x onerror='window.broken=1'><script>window.broken=1<&script>.parquet"
    shutil.copy(folder / "data" / "electrons.parquet", source)
    other = str(folder / "data" / "photons.parquet")
    run("report", str(source), "--against", other, "-o", str(tmp_path / "r.html"), "-q")
    for part in ("overview", "distributions", "windows", "<img src=x onerror='window.broken=1'>"):
        page = Opened(browser, tmp_path / "r.html", part)
        assert page.js("return document.images.length") == 0 and page.js("return window.broken") is None
        assert source.name in page.text("h1") and page.errors() == []

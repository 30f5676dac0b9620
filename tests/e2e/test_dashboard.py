"""`make dashboard` as a person meets it: started, looked at in a real browser, ended with Ctrl-C.

Screenshots go to build/screenshots, to be looked at.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from harness.dashboard import services
from harness.records.store import Store

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SCREENSHOTS = ROOT / "build" / "screenshots"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
RUNS = 500


@pytest.fixture(scope="module")
def programs():
    try:
        services.server_program()
        services.omniboard_program()
    except services.ServiceError as error:
        pytest.skip(f"NO OMNIBOARD, THE DASHBOARD IS NOT TESTED: {error}")


@pytest.fixture(scope="module")
def store(tmp_path_factory, write_run):
    store = Store(tmp_path_factory.mktemp("store"))
    statuses = ["done", "done", "done", "failed", "running", "interrupted"]
    for seed in range(RUNS):
        write_run(store, seed, statuses[seed % len(statuses)], epochs=60, dataset=["cifar10", "svhn"][seed % 2])
    return store


class Dashboard:
    """`python -m harness.dashboard` as a process."""

    def __init__(self, root, *options, port=None):
        self.port = port or services.free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        command = [sys.executable, "-W", "ignore", "-m", "harness.dashboard.__main__", "--store", str(root)]
        self.process = subprocess.Popen(
            [*command, "--port", str(self.port), *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )

    def line(self):
        return self.process.stdout.readline()

    def get(self, path, **headers):
        request = urllib.request.Request(f"{self.address}{path}", headers=headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.read()

    def count(self):
        return json.loads(self.get("/sacred/api/v1/Runs/count"))["count"]

    def end(self):
        self.process.send_signal(signal.SIGINT)
        output, _ = self.process.communicate(timeout=60)
        return output


@pytest.fixture(scope="module")
def dashboard(store, programs):
    started = Dashboard(store.root)
    assert started.line() == f"{RUNS} runs at {started.address} (Ctrl-C ends)\n"
    yield started
    if started.process.poll() is None:
        started.end()


@pytest.fixture(scope="module")
def browser():
    api = pytest.importorskip("playwright.sync_api", reason="NO PLAYWRIGHT: THE DASHBOARD IS NOT LOOKED AT")
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("NO CHROMIUM: THE DASHBOARD IS NOT LOOKED AT (apt-get install chromium)")
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    with api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield started
        started.close()


@pytest.fixture
def page(browser, dashboard):
    page = browser.new_context(viewport={"width": 1600, "height": 900}).new_page()
    page.asked, page.went_wrong = set(), []
    page.on("request", lambda request: page.asked.add(request.url.split("/")[2]))
    page.on("pageerror", lambda error: page.went_wrong.append(str(error)))
    page.goto(dashboard.address)
    page.get_by_text(f"{RUNS} experiments").wait_for()
    page.locator(".public_fixedDataTableRow_main").nth(3).wait_for()
    yield page
    assert page.asked == {f"127.0.0.1:{dashboard.port}"}, "nothing is fetched from elsewhere"
    assert page.went_wrong == []
    page.context.close()


def cells(page):
    """The texts of the run list's visible rows."""
    rows = page.locator(".public_fixedDataTableRow_main").all()
    return [[cell for cell in row.inner_text().split("\n") if cell.strip(" ►")] for row in rows]


def test_the_run_list_shows_the_results_without_any_set_up(page):
    page.screenshot(path=SCREENSHOTS / "omniboard_list.png")
    header, first = cells(page)[0], next(row for row in cells(page)[1:] if "COMPLETED" in row)
    expected = ["Run", "Dataset", "Method", "Seed", "Profile", "Variant", "T", "Lambda", "Status", "Test Error"]
    assert [name.strip(" ↑") for name in header][:11] == [*expected, "Test Perplexity"]
    assert first[0].partition("-conas-")[0] == first[1]
    assert [first[2], first[4], first[5]] == ["conas", "laptop", "COMPLETED"]
    assert "OSError: disk full" in next(row for row in cells(page)[1:] if "FAILED" in row)


def test_five_hundred_runs_can_be_scrolled_through(page):
    page.mouse.move(700, 500)
    seen = set()
    for _ in range(60):
        seen |= {(row[0], row[2]) for row in cells(page)[1:] if len(row) > 4}
        page.mouse.wheel(0, 450)
        page.wait_for_timeout(50)
    page.screenshot(path=SCREENSHOTS / "omniboard_scrolled.png")
    assert len(seen) == RUNS


def test_a_curve_and_a_cell_open(page):
    page.locator(".public_fixedDataTableRow_main", has_text="COMPLETED").first.get_by_text("conas", exact=True).click()
    page.locator(".js-plotly-plot .scatterlayer path.js-line").first.wait_for(state="attached")
    assert page.locator(".legendtext").all_text_contents() == [
        "oneshot.train_loss",
        "final.train_loss",
        "final.valid_error →",
    ]
    assert page.locator(".y2title").text_content() == "error (%)"
    page.screenshot(path=SCREENSHOTS / "omniboard_curve.png")
    page.get_by_text("Artifacts", exact=True).click()
    page.get_by_text("cell_normal.png", exact=True).click()
    picture = page.locator("img[src*='cell_normal.png']")
    picture.wait_for()
    page.wait_for_function("image => image.complete && image.naturalWidth > 300", arg=picture.element_handle())
    page.screenshot(path=SCREENSHOTS / "omniboard_cell.png")
    page.get_by_text("record.json", exact=True).click()
    page.get_by_text('"schema_version"').wait_for()
    page.get_by_text("Captured Out", exact=True).click()
    page.locator("pre", has_text="'epoch': 60").wait_for()
    page.screenshot(path=SCREENSHOTS / "omniboard_output.png")


def test_a_failed_run_says_why(page):
    page.locator(".public_fixedDataTableRow_main", has_text="FAILED").first.get_by_text("conas", exact=True).click()
    page.get_by_text("Fail Trace", exact=True).click()
    page.locator(".tab-content pre", has_text="OSError: disk full").wait_for()
    page.screenshot(path=SCREENSHOTS / "omniboard_failed.png")


def test_a_layout_that_a_person_changed_is_kept(page, dashboard):
    page.get_by_role("button", name="Show/Hide Columns").click()
    page.locator("label", has_text="Search Seconds").click()
    page.locator(".public_fixedDataTable_header", has_text="Search Seconds").wait_for(state="hidden")
    page.goto(dashboard.address)
    page.get_by_text(f"{RUNS} experiments").wait_for()
    assert "Search Seconds" not in cells(page)[0]


def test_only_this_machine_can_connect(dashboard):
    listening = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    mine = {address for _, address, _, state, *_ in listening if state == "0A"}
    assert f"0100007F:{dashboard.port:04X}" in mine
    assert f"00000000:{dashboard.port:04X}" not in mine
    assert not any(
        line.split()[1].endswith(f":{dashboard.port:04X}")
        for line in Path("/proc/net/tcp6").read_text().splitlines()[1:]
    )


@pytest.mark.parametrize("headers", [{"Origin": "http://elsewhere.example"}, {"Host": "elsewhere.example"}])
def test_other_web_sites_are_refused(dashboard, headers):
    with pytest.raises(urllib.error.HTTPError, match="403"):
        dashboard.get("/sacred/api/v1/Runs", **headers)


def test_a_port_that_is_taken_is_one_line(store, dashboard):
    other = Dashboard(store.root, "--mongo-url", "mongodb://127.0.0.1:1/x", port=dashboard.port)
    output, _ = other.process.communicate(timeout=60)
    assert other.process.returncode == 1
    assert output.count("\n") == 1


def test_new_runs_appear_and_ctrl_c_ends_everything_and_the_database_may_be_deleted(tmp_path, write_run, programs):
    store = Store(tmp_path)
    write_run(store)
    first = Dashboard(tmp_path)
    assert "1 runs at" in first.line()
    write_run(store, seed=1)
    limit = time.monotonic() + 60
    while first.count() != 2:
        assert time.monotonic() < limit
        time.sleep(0.5)
    assert first.end() == "dashboard ended\n"
    assert first.process.returncode == 0
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", first.port)) != 0
    shutil.rmtree(tmp_path / "database")
    second = Dashboard(tmp_path)
    assert "2 runs at" in second.line()
    assert second.count() == 2
    second.end()


def test_an_existing_database_is_used(tmp_path, write_run, programs, mongo_url):
    write_run(Store(tmp_path))
    started = Dashboard(tmp_path, "--mongo-url", mongo_url)
    assert "1 runs at" in started.line()
    assert started.count() == 1
    started.end()
    assert not (tmp_path / "database").exists()

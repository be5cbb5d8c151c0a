"""Materialize the six assets in the real web UI, in headless Chromium, on a new stack.

Requires Linux, Chromium and its driver (Debian: apt-get install chromium chromium-driver), and the
extra `ui`. Selenium gets the paths of both programs, so that it downloads none.
"""

import argparse
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import requests
from selenium.common.exceptions import WebDriverException
from selenium.webdriver import ActionChains, Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.by import By

ASSETS = {"raw_products_csv", "dynamodb_products", "redshift_products"}
OUTPUT = "detailed_orders_csv"
CHECKED = "redshift_orders?view=checks"
ASSETS |= {"s3_orders", "redshift_orders", OUTPUT}
FLAGS = ["headless=new", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run"]
FLAGS += ["disable-background-networking", "disable-component-update", "disable-sync"]
PAGE = {"width": 1600, "height": 900, "deviceScaleFactor": 1, "mobile": False}
MATERIALIZE = "//button[contains(., 'Materialize all')]"
SWITCH = "//label[contains(@class, 'switch') or .//input[@type='checkbox']]"
# An asset's box in the graph that contains a text; outlines of groups have no 'Latest event'.
BOX = "//*[local-name()='foreignObject'][.//*[.='{}']][.//*[.='{}']][.//*[.='Latest event']]"


def until(seen: Callable[[], Any], expected: str, seconds: float = 60) -> None:
    """Wait until `seen` returns something true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(OSError, WebDriverException):  # absent, covered, or being redrawn
            if seen():
                return
        time.sleep(0.2)
    raise RuntimeError(f"Not seen within {seconds:.0f} s: {expected}")


@contextmanager
def served(directory: Path) -> Iterator[str]:
    """Run `aws-orders dev` on a new state directory, yield the UI's URL, and stop it by SIGTERM."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [Path(sys.executable).parent / "aws-orders", "dev", "--port", str(port)]
    command += ["--state", directory / "state"]
    with (directory / "dev.log").open("wb") as log:
        dev = subprocess.Popen(command, stdout=log, stderr=log)

    def answers() -> bool:
        if dev.poll() is not None:
            raise RuntimeError(f"aws-orders dev ended unexpectedly with status {dev.returncode}")
        return requests.get(f"http://127.0.0.1:{port}/server_info", timeout=5).ok

    try:
        until(answers, "an answer from the UI", seconds=120)
        yield f"http://127.0.0.1:{port}"
    finally:
        dev.send_signal(signal.SIGTERM)
        status = dev.wait(timeout=60)
    if status != 128 + signal.SIGTERM:
        raise RuntimeError(f"SIGTERM ended aws-orders dev with status {status}, not 143")


def remaining_processes(directory: Path) -> list[bytes]:
    """Return the command lines of processes that name the directory, as argument or variable."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # the process has ended, or belongs to another user
            command = (process / "cmdline").read_bytes()
            found += [command] * (bytes(directory) in command + (process / "environ").read_bytes())
    return found


def browser(profile: Path) -> Chrome:
    """Start headless Chromium with an empty profile; leaving its context stops it."""
    options = ChromeOptions()
    options.binary_location = shutil.which("chromium") or shutil.which("google-chrome") or ""
    for flag in [*FLAGS, f"user-data-dir={profile}"]:
        options.add_argument(f"--{flag}")
    return Chrome(options, ChromeService(shutil.which("chromedriver") or "/usr/bin/chromedriver"))


def query_api(url: str, query: str) -> Any:
    """Query the API and return its data."""
    return requests.post(f"{url}/graphql", json={"query": query}, timeout=30).json()["data"]


def click(chrome: Chrome, path: str) -> None:
    """Click the element at `path` as soon as it can be clicked."""
    found = partial(chrome.find_element, By.XPATH, path)
    until(lambda: found().click() is None, f"an element to click at {path}")


def check_sensor(url: str, chrome: Chrome) -> None:
    """Switch a sensor off and on, and verify its status in the API."""
    query = "{sensorOrError(sensorSelector: {%s}) {... on Sensor {sensorState {status}}}}"
    place = 'repositoryLocationName: "aws_orders", repositoryName: "__repository__"'
    chrome.get(f"{url}/locations/aws_orders/sensors/orders_landed")

    def switched(status: str) -> bool:
        answer = query_api(url, query % f'{place}, sensorName: "orders_landed"')["sensorOrError"]
        if answer == {"sensorState": {"status": status}}:
            return True
        # The page shows a change later than the API. Do not click again before that.
        if chrome.find_element(By.XPATH, f"{SWITCH}//input").is_selected() == (status == "STOPPED"):
            chrome.find_element(By.XPATH, SWITCH).click()
            time.sleep(3)
        return False

    for status in ("STOPPED", "RUNNING"):
        until(partial(switched, status), f"orders_landed {status.lower()} after a click")


def check_assets(url: str, chrome: Chrome) -> None:
    """Materialize the six assets by a click, and verify them on the page and in the API."""
    find = partial(chrome.find_element, By.XPATH)

    def all_show(text: str) -> bool:
        return all(find(BOX.format(asset, text)).is_displayed() for asset in ASSETS)

    def one_good_run() -> bool:
        query = "{runsOrError(filter: {statuses: SUCCESS}) {... on Runs {results {%s}}}}"
        runs = query_api(url, query % "assets {key {path}}")["runsOrError"]["results"]
        return [{asset["key"]["path"][-1] for asset in run["assets"]} for run in runs] == [ASSETS]

    chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", PAGE)
    chrome.get(f"{url}/asset-groups")
    if query_api(url, "{shouldShowNux}")["shouldShowNux"]:  # Dagster's welcome page
        click(chrome, "//button[.='Skip']")
    # Make room and expand the groups. Next to the button, a click closes the menu, and a double
    # click fits the graph to the page.
    click(chrome, "//button[contains(., 'Hide navigation')]")
    click(chrome, "//button[.='' and .//*[@aria-label='panel_show_right']]")
    click(chrome, "(//button[.//*[@aria-label='settings']])[last()]")
    click(chrome, "//*[@role='menuitem'][contains(., 'Expand all groups')]")
    until(lambda: all_show("Never materialized"), "the six assets, never materialized")
    next_to = ActionChains(chrome).move_to_element_with_offset(find(MATERIALIZE), 0, 80)
    next_to.click().pause(1).double_click().pause(1).perform()
    click(chrome, MATERIALIZE)
    until(lambda: all_show("Materialized"), "the six assets, materialized", seconds=120)
    until(one_good_run, "one run in the API that succeeded and materialized the six assets")
    chrome.execute_script("document.activeElement.blur()")
    time.sleep(1)  # until the colours have faded


def check_pages(url: str, chrome: Chrome, pictures: Path | None) -> None:
    """Verify an asset's checks, the output's chart, and its table of column sources."""
    pages = {
        "checks": (f"{CHECKED}&checkDetail=totals_add_up", "//*[.='sql_for_all_rows']"),
        "output": (f"{OUTPUT}?view=overview", "//img[starts-with(@src, 'data:image/svg')]"),
        "columns": (f"{OUTPUT}?view=overview", "//td[.='raw_products_csv.product_category']"),
    }
    for name, (page, sign) in pages.items():
        chrome.get(f"{url}/assets/{page}")
        find = partial(chrome.find_element, By.XPATH, sign)
        until(lambda find=find: find().is_displayed(), f"{sign} on {page}")
        chrome.execute_script("arguments[0].scrollIntoView({block: 'center'})", find())
        time.sleep(2)
        if pictures:
            chrome.save_screenshot(str(pictures / f"{name}.png"))


def main() -> int:
    """Run the test; return 1 if it fails."""
    parser = argparse.ArgumentParser(prog="python -m ui_check", description=__doc__)
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="directory for screenshots")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ui-check-") as name:
        directory = Path(name)
        os.environ["UI_CHECK"] = (
            name  # inherited by all processes, so that `remaining_processes` finds them
        )
        try:
            with served(directory) as url, browser(directory / "profile") as chrome:
                check_assets(url, chrome)
                if options.pictures:
                    chrome.save_screenshot(str(options.pictures / "lineage.png"))
                check_pages(url, chrome, options.pictures)
                check_sensor(url, chrome)
            until(
                lambda: not remaining_processes(directory), "the end of all processes", seconds=10
            )
        except (RuntimeError, WebDriverException, subprocess.TimeoutExpired) as error:
            log = (directory / "dev.log").read_text(errors="replace")[-3000:]
            print(
                f"{log}\n{error}\nProcesses: {remaining_processes(directory)}\n0 passed, 1 failed"
            )
            return 1
    print("1 passed, 0 failed")
    return 0


sys.exit(main())

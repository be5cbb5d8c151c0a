"""`make run` where a first run may happen: users, folders, and what cannot work."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from aws_orders_tests.install.conftest import ORDINARY, ROOT, Place, own

NAMES = {
    "blanks and letters beyond ASCII": "my orders' Ünïcode 订单",
    "200 characters": "d" * 200,
}
EACH_NAME = pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)


def succeeded(done: subprocess.CompletedProcess[str]) -> None:
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "detailed_orders.csv: 100 rows" in done.stdout
    assert "Traceback" not in said


def refused(done: subprocess.CompletedProcess[str], *texts: str) -> None:
    """Assert that it failed with one line, besides make's own, that has all the texts."""
    lines = [line for line in done.stderr.splitlines() if not line.startswith("make: ***")]
    assert done.returncode in (1, 2)
    assert len(lines) == 1, lines
    assert all(text in lines[0] for text in texts), lines


def test_an_ordinary_user_can_start_from_a_checkout_that_is_read_only(installed: Place) -> None:
    before = sorted(installed.checkout.rglob("*"))
    done = installed.make("run", HOME=str(installed.home))
    succeeded(done)
    assert "Installing" not in done.stdout
    assert sorted(installed.checkout.rglob("*")) == before


@EACH_NAME
def test_any_path_will_do(installed: Place, workplace: Path, name: str) -> None:
    place = installed.copy(workplace / name)
    if ROOT:
        os.chown(place.home, ORDINARY, ORDINARY)
        own(place.home / "venv", ORDINARY)
    # No HOME either: nothing here depends on one.
    succeeded(place.make("run"))


NO_NETWORK = """
import fcntl, os, socket, struct, sys
with socket.socket() as one:  # loopback is down in a new network namespace
    fcntl.ioctl(one, 0x8914, struct.pack("16sh", b"lo", 1))
os.execvp(sys.argv[1], sys.argv[1:])
"""

if ROOT and sys.platform == "linux":

    def test_root_can_start_below_a_folder_of_mode_0700_without_network(
        installed: Place, tmp_path: Path
    ) -> None:
        assert any(parent.stat().st_mode & 0o077 == 0 for parent in tmp_path.parents)
        place = installed.copy(tmp_path / "place")
        done = place.make("local", user=0)
        assert done.returncode == 0, done.stdout + done.stderr
        unshare = ("unshare", "--net", sys.executable, "-c", NO_NETWORK)
        succeeded(place.make("run", user=0, before=unshare))

    def test_root_can_use_what_a_user_made_and_a_user_is_refused_what_root_made(
        installed: Place,
    ) -> None:
        succeeded(installed.make("run", user=0))
        (installed.home / "state" / "lock").chmod(0o600)
        os.chown(installed.home / "state" / "lock", 0, 0)
        refused(installed.make("run"), "state/lock: Permission denied", "STATE=DIR")
        os.chown(installed.home / "state" / "lock", ORDINARY, ORDINARY)

    def test_a_user_without_a_name_is_refused(installed: Place, workplace: Path) -> None:
        nameless = 54321
        state = workplace / "nameless"
        state.mkdir()
        os.chown(state, nameless, nameless)
        done = installed.make(f"STATE={state}", "run", user=nameless)
        refused(done, "54321", "/etc/passwd")

    def test_root_without_its_capabilities_is_refused(installed: Place, tmp_path: Path) -> None:
        before = ("setpriv", "--bounding-set=-setuid", "--inh-caps=-setuid")
        done = installed.make(f"STATE={tmp_path / 'state'}", "run", user=0, before=before)
        refused(done, "capabilities", "SETUID", "ordinary user")

    def test_a_checkout_that_cannot_be_written_is_refused_without_other_folders(
        installed: Place,
    ) -> None:
        done = installed.make("VENV=.venv", "STATE=.aws_orders", "run")
        refused(done, "/.venv", "Permission denied", "make VENV=DIR STATE=DIR")


def test_a_state_that_cannot_be_one_is_refused(installed: Place, workplace: Path) -> None:
    file = workplace / "file"
    file.write_text("")
    for state in (file, file / "below", Path("/proc/state")):
        refused(installed.make(f"STATE={state}", "run"), str(state), "make STATE=DIR")
    assert file.read_text() == ""


def test_a_folder_with_other_things_is_not_made_an_environment(
    installed: Place, workplace: Path
) -> None:
    other = workplace / "other"
    other.mkdir()
    (other / "thesis.txt").write_text("mine")
    if ROOT:
        own(other, ORDINARY)
    refused(installed.make(f"VENV={other}", "run"), str(other), "make VENV=DIR")
    assert [path.name for path in other.iterdir()] == ["thesis.txt"]

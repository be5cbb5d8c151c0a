"""One real installation from a copy of the checkout, and how to start it elsewhere as others."""

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent.parent
ROOT = os.geteuid() == 0
NOT_COPIED = (".git", ".venv*", ".aws_orders", "__pycache__", ".*_cache", ".hypothesis")
# An ordinary user, whom every system has.
ORDINARY = pwd.getpwnam("daemon").pw_uid if ROOT else os.geteuid()


def python() -> str:
    """Return a Python that ordinary users may run: root's may be below a folder of mode 0700."""
    for name in (sys._base_executable, "/usr/bin/python3"):  # type: ignore[attr-defined]
        program = Path(name).resolve()
        if not ROOT or all(parent.stat().st_mode & 0o001 for parent in program.parents):
            return str(program)
    raise AssertionError("no Python here that ordinary users may run: apt-get install python3-venv")


@dataclass(frozen=True)
class Place:
    """A checkout, and a home with the virtual environment and the state."""

    checkout: Path
    home: Path

    def make(
        self, *words: str, user: int = ORDINARY, before: tuple[str, ...] = (), **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run make with nothing in its environment but a PATH and what is given here."""
        folders = [f"VENV={self.home}/venv", f"STATE={self.home}/state"]
        return subprocess.run(
            [*before, "make", *folders, f"PYTHON={python()}", *words],
            cwd=self.checkout,
            env={"PATH": "/usr/local/bin:/usr/bin:/bin", **environment},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
            user=user if ROOT else None,
            group=user if ROOT else None,
            extra_groups=[] if ROOT else None,
        )

    def copy(self, folder: Path) -> "Place":
        """Return this place again below `folder`, its files linked, without the state."""
        copied = Place(folder / "checkout", folder / "home")
        shutil.copytree(self.checkout, copied.checkout, symlinks=True, copy_function=os.link)
        venv = copied.home / "venv"
        shutil.copytree(self.home / "venv", venv, symlinks=True, copy_function=os.link)
        return copied


def own(path: Path, user: int) -> None:
    """Give a folder and all below it to a user."""
    for folder, _, names in os.walk(path):
        for name in (".", *names):
            os.chown(Path(folder, name), user, user, follow_symlinks=False)


@pytest.fixture(scope="session")
def workplace() -> Iterator[Path]:
    """Return a folder that everybody may enter, unlike pytest's own."""
    with tempfile.TemporaryDirectory(prefix="aws-orders-", dir="/var/tmp") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture(scope="session")
def installed(workplace: Path) -> Place:
    """Install in a new home from a checkout that the user cannot write to, and run once."""
    place = Place(workplace / "first" / "checkout", workplace / "first" / "home")
    ignore = shutil.ignore_patterns(*NOT_COPIED)
    shutil.copytree(PROJECT, place.checkout, ignore=ignore)
    place.home.mkdir()
    if ROOT:
        own(place.home, ORDINARY)
    for path in (place.checkout, *place.checkout.rglob("*")):
        path.chmod(path.stat().st_mode & ~0o222)
    done = place.make("run", HOME=str(place.home))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "packages ..." in done.stdout
    assert "detailed_orders.csv: 100 rows" in done.stdout
    return place

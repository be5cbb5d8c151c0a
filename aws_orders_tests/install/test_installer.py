"""install.py: what it does when there is no uv, no network, or no fitting Python."""

import os
import runpy
import subprocess
from pathlib import Path

import pytest

from aws_orders_tests.install.conftest import PROJECT, python


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder whose virtual environment the tests share: pip takes seconds to make."""
    return tmp_path_factory.mktemp("installer")


def install(tmp_path: Path, *arguments: str, uv: str) -> subprocess.CompletedProcess[str]:
    """Run install.py with a `uv` of ours first on the PATH."""
    program = tmp_path / "bin" / "uv"
    program.parent.mkdir(exist_ok=True)
    program.write_text(f"#!/bin/sh\n{uv}\n")
    program.chmod(0o755)
    return subprocess.run(
        [python(), PROJECT / "install.py", tmp_path / "venv", *arguments],
        env={**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_where_uv_fails_pip_installs_and_only_once(folder: Path) -> None:
    (folder / "thing").mkdir()
    (folder / "thing" / "thing.py").write_text('"""A thing."""\n__version__ = "1"\n')
    description = '[build-system]\nrequires = ["flit_core"]\nbuild-backend = "flit_core.buildapi"\n'
    description += '[project]\nname = "thing"\ndynamic = ["version", "description"]\n'
    (folder / "thing" / "pyproject.toml").write_text(description)
    done = install(folder, str(folder / "thing"), uv="echo no index here; exit 2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "packages ... failed after" in done.stdout
    assert "with pip" in done.stdout
    assert subprocess.run([folder / "venv/bin/python", "-c", "import thing"]).returncode == 0
    again = install(folder, str(folder / "thing"), uv="exit 2")
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")


def test_where_nothing_can_be_installed_the_reasons_are_shown(folder: Path) -> None:
    done = install(folder, str(folder / "nowhere"), uv="echo uv has no index; exit 2")
    assert done.returncode == 1
    assert "uv has no index" in done.stderr
    assert str(folder / "nowhere") in done.stderr
    assert done.stderr.splitlines()[-1].startswith("aws_orders: the packages cannot be installed")
    assert "Traceback" not in done.stderr
    again = install(folder, str(folder / "nowhere"), uv="exit 2")
    assert again.returncode == 1


def test_an_environment_whose_certificates_are_unknown_is_tried_with_uvs_own(
    tmp_path: Path,
) -> None:
    uv = 'test -z "$UV_SYSTEM_CERTS" || { echo invalid peer certificate; exit 2; }'
    done = install(tmp_path, "thing", uv=uv)
    assert done.returncode == 0
    assert "uv's own certificates" in done.stdout
    assert "pip" not in done.stdout


def test_an_old_python_is_refused_in_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    main = runpy.run_path(str(PROJECT / "install.py"))["main"]
    monkeypatch.setattr("sys.version_info", (3, 10, 13, "final", 0))
    assert main(str(tmp_path / "venv"), ["thing"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "3.11 or newer" in line
    assert "3.10.13" in line
    assert "make PYTHON=" in line
    assert not (tmp_path / "venv").exists()

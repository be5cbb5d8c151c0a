"""Install packages into a virtual environment with uv, or with pip if uv fails.

Usage: python3 install.py VENV INSTALL-ARGUMENT ...

It does nothing if the same arguments were installed before from the same pyproject.toml and
constraints.txt. The Makefile calls it. It must be able to run on an old python3, to report that it
is too old: so its syntax is Python 3.6's, and it uses only the standard library.
"""

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time

PROJECT = os.path.dirname(os.path.abspath(__file__))
STAMPS = ".installed"  # file in the environment: what was installed from which inputs
INPUTS = ("pyproject.toml", "constraints.txt")
SYSTEM_CERTIFICATES = {"UV_SYSTEM_CERTS": "1", "UV_NATIVE_TLS": "1"}  # the new and the old name


class InstallError(Exception):
    """The packages cannot be installed; the message says why and what to do, in one line."""


def main(venv, arguments):
    """Install, unless it was done before; return the exit status."""
    try:
        check_python()
        os.chdir(PROJECT)
        if not is_installed(venv, arguments):
            print(f"Installing into {venv}, once:", flush=True)
            install(venv, arguments)
            record(venv, arguments)
    except InstallError as refusal:
        print(f"aws_orders: {refusal}", file=sys.stderr)
        return 1
    return 0


def check_python():
    """Raise InstallError if this Python is too old."""
    if sys.version_info < (3, 11):
        found = ".".join(map(str, sys.version_info[:3]))
        raise InstallError(
            f"Python 3.11 or newer is needed, but {sys.executable} is {found}. "
            "Choose another one: make PYTHON=python3.12 ..."
        )


def install(venv, arguments):
    """Create the environment and install; print each step with its seconds."""
    check_writable(venv)
    uv = shutil.which("uv")
    make_environment(venv, with_pip=uv is None)
    python = os.path.join(venv, "bin", "python")
    pip = [python, "-I", "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    errors = []
    if uv is None:
        uv = os.path.join(venv, "bin", "uv")
        errors += step("uv", [*pip, "--retries", "1", "--constraint", "constraints.txt", "uv"])
    if not errors:
        command = [uv, "pip", "install", "--python", python, *arguments]
        # The system's certificates include a company proxy's; uv's own need no ca-certificates.
        errors = step("packages", command, SYSTEM_CERTIFICATES)
        if errors and "certificate" in errors[0]:
            errors += step("packages, with uv's own certificates", command)
            errors = errors if len(errors) > 1 else []
        if not errors:
            return
    # pip's configuration can name an index that uv does not know.
    make_environment(venv, with_pip=True)
    error = step("packages, with pip: a minute or two", [*pip, *arguments])
    if error:
        print("\n\n".join([*errors, *error]), file=sys.stderr)
        raise InstallError("the packages cannot be installed; the installers' errors are above.")


def check_writable(venv):
    """Raise InstallError if an environment of ours cannot be at `venv`."""
    advice = "Choose other folders: make VENV=DIR STATE=DIR ..."
    try:
        os.makedirs(venv, exist_ok=True)
    except OSError as error:
        raise InstallError(f"{venv} cannot be created ({error.strerror}). {advice}") from None
    if not os.access(venv, os.W_OK):
        raise InstallError(f"{venv} is not writable. {advice}")
    if os.listdir(venv) and not os.path.exists(os.path.join(venv, "pyvenv.cfg")):
        raise InstallError(f"{venv} is not empty, and not a virtual environment. {advice}")


def make_environment(venv, with_pip):
    """Create a virtual environment, or add pip to an existing one."""
    program = os.path.join(venv, "bin", "pip" if with_pip else "python")
    if os.path.exists(program):
        return
    if with_pip and importlib.util.find_spec("ensurepip") is None:
        raise InstallError(
            "This Python has no venv module. On Debian: apt-get install python3-venv"
        )
    options = [] if with_pip else ["--without-pip"]
    error = step("virtual environment", [sys.executable, "-m", "venv", *options, venv])
    if error:
        print(*error, file=sys.stderr)
        raise InstallError(
            f"{venv} cannot be created; venv's error is above. Try again after: make clean"
        )


def step(name, command, more=None):
    """Run a command and print its seconds; return its errors: one text, or none if it succeeded."""
    started = time.monotonic()
    print(f"  {name} ...", end="", flush=True)
    done = subprocess.run(
        command,
        env=environment(more or {}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        universal_newlines=True,
    )
    seconds = time.monotonic() - started
    if done.returncode == 0:
        print(f" {seconds:.1f} s", flush=True)
        return []
    print(f" failed after {seconds:.1f} s", flush=True)
    return [f"{name}: {done.stdout.strip() or done.returncode}"]


def environment(more):
    """Return the environment of an installer."""
    found = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    # A user's defaults that do not work in a virtual environment.
    found.update(PIP_USER="0", PIP_REQUIRE_VIRTUALENV="0", **more)
    # Without a writable home, uv would create its cache in the working directory.
    if not os.access(os.path.expanduser("~"), os.W_OK):
        found["UV_NO_CACHE"] = "1"
    return found


def stamps(venv):
    """Return the digest of the inputs of each installation, by its arguments."""
    try:
        with open(os.path.join(venv, STAMPS), encoding="utf-8") as file:
            found = json.load(file)
    except (OSError, ValueError):
        found = {}
    return found


def digest():
    """Return a digest of what an installation depends on: the project's path and its inputs."""
    found = hashlib.sha256(os.fsencode(PROJECT))
    for name in INPUTS:
        with open(os.path.join(PROJECT, name), "rb") as file:
            found.update(file.read())
    return found.hexdigest()


def is_installed(venv, arguments):
    """Return whether these arguments were installed from the present inputs."""
    runs = os.path.exists(os.path.join(venv, "bin", "python"))
    return runs and stamps(venv).get(" ".join(arguments)) == digest()


def record(venv, arguments):
    """Record an installation; drop the records of other versions of the project."""
    now = digest()
    found = {words: was for words, was in stamps(venv).items() if was == now}
    found[" ".join(arguments)] = now
    path = os.path.join(venv, STAMPS)
    with open(path + ".new", "w", encoding="utf-8") as file:
        json.dump(found, file)
    os.replace(path + ".new", path)


if __name__ == "__main__":
    sys.exit(main(os.path.abspath(sys.argv[1]), sys.argv[2:]))

"""The error of the stack: one exception, with a message of one line for the user."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class StackError(Exception):
    """The stack cannot be started, found or deleted; the message says what to do."""


class DirectoryError(StackError):
    """A file in the state directory cannot be read or written."""


@contextmanager
def usable(state: Path) -> Iterator[None]:
    """Turn an OSError into a DirectoryError that names the file and suggests another directory."""
    try:
        yield
    except OSError as error:
        raise DirectoryError(
            f"{error.filename or state}: {error.strerror}. "
            "Choose a directory that you can write to, with --state DIR."
        ) from error

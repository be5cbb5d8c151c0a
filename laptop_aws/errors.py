"""Why the laptop's AWS cannot be started, found or removed: one error, one line for the user."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class StackError(Exception):
    """The stack cannot be started, found or removed; the message says what to do."""


@contextmanager
def usable(state: Path) -> Iterator[None]:
    """Report a file that cannot be read or written below `state` in one line, as a StackError."""
    try:
        yield
    except OSError as error:
        raise StackError(
            f"{error.filename or state}: {error.strerror}. "
            "Use a directory that you may write to: --state DIR, or make STATE=DIR."
        ) from error

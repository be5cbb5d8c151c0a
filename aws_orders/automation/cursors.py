"""Reads the cursors in which sensors keep their state between ticks. Pure."""

from typing import TypeVar

from pydantic import BaseModel, ValidationError

Cursor = TypeVar("Cursor", bound=BaseModel)


def read_cursor(text: str | None, initial: Cursor) -> Cursor:
    """Return the cursor of the previous tick, from its JSON.

    Args:
        text: The stored text; None before the first tick.
        initial: Returned if there is no cursor or another version of the platform wrote it.
    """
    try:
        return type(initial).model_validate_json(text) if text else initial
    except ValidationError:
        return initial

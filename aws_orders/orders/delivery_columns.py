"""The columns of deliveries: their names in the temporary table, and the names to report. Pure.

See `rows.header` for the checks of a header.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from aws_orders.contract import Table

FILES_SHOWN = 10


def stage_columns(header: Sequence[str], table: Table) -> tuple[str, ...]:
    """Return the columns of the temporary table that a file with this header is copied into.

    Columns that are not in the contract get a name from their position, because the name in the
    file may be empty, repeated, too long, or the name of a system column.
    """
    prefix = "ignored_"
    while any(name.startswith(prefix) for name in table.names):
        prefix = f"_{prefix}"
    return tuple(
        name if name in table.names else f"{prefix}{position}"
        for position, name in enumerate(header, start=1)
    )


def file_columns(header: Sequence[str]) -> tuple[str, ...]:
    """Return the file's column names for display; a column without a name gets its position."""
    return tuple(
        name or f"(column {position}, no name)" for position, name in enumerate(header, start=1)
    )


def unknown_columns(
    files: Iterable[tuple[tuple[str, ...], Sequence[str]]], known: Sequence[str]
) -> dict[str, list[str]]:
    """Return, for each column that the contract does not have, the first files that have it.

    Args:
        files: Headers, each with the keys of its files.
        known: The contract's columns.
    """
    found: dict[str, list[str]] = defaultdict(list)
    for header, keys in files:
        for name in dict.fromkeys(file_columns(header)):  # without repeated names
            if name not in known:
                found[name] += keys[: FILES_SHOWN - len(found[name])]
    return dict(found)

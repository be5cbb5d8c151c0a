"""PostgreSQL's complaints about a row, in Redshift's words and codes.

Belongs here: the translation. Does not belong here: where it is recorded, or what then happens.
"""

import re
from dataclasses import dataclass

from aws_orders.local.redshift.errors import RedshiftError


@dataclass(frozen=True, slots=True)
class LoadError:
    """What is wrong with a row, without the file it stands in."""

    line: int
    column: str
    code: int
    message: str
    position: int


_CONTEXT = re.compile(
    r'^COPY .*?, line (?P<line>\d+)(?:, column (?P<column>.*?))?(?:: "(?P<value>.*)")?$',
    re.MULTILINE | re.DOTALL,
)
_COLUMN = re.compile(r'column "(?P<column>.*?)"')
_NOT_NUMERIC = re.compile(r"[^0-9+\-.]")
_TYPES = {
    "int2": "Short",
    "int4": "Integer",
    "int8": "Long",
    "numeric": "Decimal",
    "float4": "Float",
    "float8": "Double",
}


def translate(failure: RedshiftError, types: dict[str, str]) -> LoadError | None:
    """Return the load error behind PostgreSQL's error, or None if no row is to blame.

    ``types`` gives the columns' types by PostgreSQL's names for them.
    """
    context = _CONTEXT.search(failure.context)
    if context is None:
        return None
    column = context["column"] or ""
    if not column and (named := _COLUMN.search(failure.message)):
        column = named["column"]
    found = _words(failure, types.get(column, ""), context["value"] or "")
    if found is None:
        return None
    code, text, position = found
    if failure.message.startswith("missing data"):
        column = ""  # of the line, not of the first column it lacks
    return LoadError(int(context["line"]), column, code, text, position)


def _words(failure: RedshiftError, kind: str, value: str) -> tuple[int, str, int] | None:
    match failure.sqlstate:
        case "22P02" if kind == "bool":
            return 1210, "Unknown boolean format", 0
        case "22P02":
            wrong = _NOT_NUMERIC.search(value)
            at = wrong.start() if wrong else 0
            text = f"Invalid digit, Value '{value[at : at + 1]}', Pos {at}, Type: "
            return 1207, text + _TYPES.get(kind, kind), at
        case "22003":
            return 1204, f"Overflow, Type: {_TYPES.get(kind, kind)}", 0
        case "22001":
            return 1204, "String length exceeds DDL length", 0
        case "22007" | "22008" if kind == "date":
            return 1205, "Invalid Date Format", 0
        case "22007" | "22008":
            return 1206, "Invalid timestamp format or value", 0
        case "22021":
            codes = " ".join(re.findall(r"0x([0-9a-f]{2})", failure.message))
            return 1220, f"Invalid UTF8 hex sequence: {codes} (error 4)", 0
        case "22P04":
            return _broken_line(failure.message)
        case "23502":
            return 1213, "Missing data for not-null field", 0
    return None


def _broken_line(message: str) -> tuple[int, str, int]:
    if message.startswith("extra data"):
        return 1202, "Extra column(s) found", 0
    if message.startswith("missing data"):
        return 1214, "Delimiter not found", 0
    if message.startswith("unterminated CSV"):
        return 1216, "Invalid quote formatting for CSV", 0
    return 1216, message[:1].upper() + message[1:], 0

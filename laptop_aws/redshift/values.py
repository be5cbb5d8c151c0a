"""Which values a column accepts, and how each is converted for PostgreSQL.

The forms of a value that AWS documents are accepted. Other forms that PostgreSQL knows are
rejected, because a load that works only on the laptop would hide an error. `csv_reader` splits
files into fields; system/rejected_rows.sql checks lengths, ranges and dates.
https://docs.aws.amazon.com/redshift/latest/dg/t_preparing-input-data.html
https://docs.aws.amazon.com/redshift/latest/dg/copy-parameters-data-conversion.html
"""

import re
from collections.abc import Callable, Sequence

from laptop_aws.redshift.plan import Column, Copy

Clean = Callable[[str], str | None]

_BLANKS = " \t\n\v\f\r"
"""White space; a no-break space or another Unicode space is data."""

_TYPES = {
    "int2": "Short",
    "int4": "Integer",
    "int8": "Long",
    "float4": "Float",
    "float8": "Double",
    "numeric": "Decimal",
}
_INTEGER = r"[-+]?[0-9]+"
_DECIMAL = r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)"
# AWS documents the exponential format only for floating-point columns.
_FLOAT = rf"{_DECIMAL}(?:[eE][-+]?[0-9]+)?|[-+]?(?i:inf(?:inity)?|nan)"
_NUMBERS = {
    kind: re.compile(pattern)
    for kinds, pattern in (
        (("int2", "int4", "int8"), _INTEGER),
        (("numeric",), _DECIMAL),
        (("float4", "float8"), _FLOAT),
    )
    for kind in kinds
}
_INTEGER_START = re.compile(rf"[{_BLANKS}]*[-+]?[0-9]*")
_DECIMAL_START = re.compile(rf"[{_BLANKS}]*[-+]?[0-9]*(?:\.[0-9]*)?")
# https://docs.aws.amazon.com/redshift/latest/dg/r_Boolean_type.html
_BOOLEANS = {"t", "true", "y", "yes", "1", "f", "false", "n", "no", "0"}
# PostgreSQL's special dates and times, such as "today": not accepted in a file.
_WORDS = ("today", "tomorrow", "yesterday", "now", "epoch", "infinity", "allballs")
_MOMENT = re.compile(rf"(?i)(?<![a-z])(?:{'|'.join(_WORDS)})(?![a-z])")


class FieldError(Exception):
    """A field that its column rejects: the load error's code, reason and position in the field."""

    def __init__(self, code: int, reason: str, position: int = 0) -> None:
        super().__init__(code, reason, position)
        self.code = code
        self.reason = reason
        self.position = position


def cleaner(copy: Copy, column: Column) -> Clean:
    """Return a function that converts a field into the text that PostgreSQL loads.

    It returns None for NULL and raises FieldError for a field that the column rejects.
    """
    empty = "" if column.text and not copy.empty_as_null else None
    convert = _text(copy, column) if column.text else _value(copy, column)

    def clean(field: str) -> str | None:
        if not field:
            return empty
        if field == copy.null_as:
            return None
        if not field.isascii() or "\0" in field:
            field = _valid(field, copy.replacement)
        return convert(field)

    return clean


def _text(copy: Copy, column: Column) -> Clean:
    cut = column.length if copy.truncate_columns else None

    def convert(field: str) -> str | None:
        if copy.blanks_as_null and not field.strip(_BLANKS):
            return None
        if cut is not None and len(field) * 4 > cut:
            return field.encode()[:cut].decode(errors="ignore")
        return field

    return convert


def _value(copy: Copy, column: Column) -> Clean:
    """Return the conversion for columns that are not text; a blank field is NULL there."""
    kind = column.kind
    scale = None if copy.round_decimals else column.scale
    number = _NUMBERS.get(kind)

    def convert(field: str) -> str | None:
        if number and scale is None and number.fullmatch(field):
            return field
        bare = field.strip(_BLANKS)
        if not bare:
            return None
        if number:
            if not number.fullmatch(bare):
                raise _invalid_digit(field, kind)
            return bare if scale is None else _truncated(bare, scale)
        if kind == "bool" and bare.lower() not in _BOOLEANS:
            raise FieldError(1210, "Unknown boolean format")
        if kind.startswith(("date", "time")) and _MOMENT.search(bare):
            raise (
                FieldError(1205, "Invalid Date Format")
                if kind == "date"
                else FieldError(1206, "Invalid timestamp format or value")
            )
        return field

    return convert


def _invalid_digit(field: str, kind: str) -> FieldError:
    start = (_INTEGER_START if kind.startswith("int") else _DECIMAL_START).match(field)
    place = start.end() if start else 0
    wrong = field[place : place + 1]
    return FieldError(
        1207, f"Invalid digit, Value '{wrong}', Pos {place}, Type: {_TYPES[kind]}", place
    )


def _truncated(number: str, scale: int) -> str:
    """Return a number without its excess decimals, which COPY drops unless it has ROUNDEC."""
    whole, _, decimals = number.partition(".")
    return f"{whole}.{decimals[:scale]}0" if len(decimals) > scale else number


def _valid(field: str, replacement: str) -> str:
    """Return the field with invalid bytes replaced; raise FieldError without a replacement.

    https://docs.aws.amazon.com/redshift/latest/dg/copy-parameters-data-conversion.html
    """
    wrong = [c for c in field if "\udc80" <= c <= "\udcff" or c == "\0"]
    if not wrong:
        return field
    if not replacement:
        codes = " ".join(f"{ord(c) & 0xFF:02x}" for c in wrong[:4])
        raise FieldError(1220, f"Invalid UTF8 hex sequence: {codes} (error 4)")
    return field.translate(dict.fromkeys(map(ord, wrong), replacement))


# --- Values that only PostgreSQL accepts, in whole files ----------------------------------------


class PostgresOnly:
    """Finds values in whole records that PostgreSQL would load and Redshift rejects.

    It may report a value that is not one; the rows are then read one by one. To be fast, it maps
    similar characters to one, and searches all columns for whole fields of such a form or for
    special dates between blanks.
    """

    def __init__(self, columns: Sequence[Column], delimiter: str, quote: str) -> None:
        kinds = {column.kind for column in columns}
        self._booleans = "bool" in kinds
        simple = bytearray(bytes(range(256)).lower())
        for characters, one in (
            (f"{_BLANKS}{delimiter}{quote}", ","),
            ("123456789.", "1"),
            ("_", "e"),
            ("+", "-"),
        ):
            for character in characters.encode():
                simple[character] = ord(one)
        self._simple = bytes(simple)
        patterns = list[bytes]()
        if not kinds.isdisjoint(_NUMBERS):
            patterns += [
                rb"[01]++e[01e-]*+,",  # 1e3, 1_000
                rb"0x[01a-f]*+(?:p-?+[01]*+)?+,",  # 0x1F, 0x1p3
                rb"0[ob][01e]*+,",
                rb"nan,|inf(?:inity)?,",
            ]
        if any(kind.startswith(("date", "time")) for kind in kinds):
            patterns.append(rb"(?:" + "|".join(_WORDS).encode() + rb")[^a-z]")
        self._pattern = re.compile(rb",-?+(?:" + b"|".join(patterns) + rb")")
        self._any = bool(patterns)

    def found_in(self, records: bytes) -> bool:
        """Return whether these records have, or may have, such a value."""
        if self._booleans:  # PostgreSQL accepts "on" and any prefix of "true"
            return True
        if not self._any:
            return False
        return self._pattern.search(b"," + records.translate(self._simple)) is not None

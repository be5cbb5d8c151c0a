"""An independent CSV reader, to compare the project's readers with.

Written from RFC 4180 and AWS's page on COPY's CSV parameter, not from the project's code: one
byte after another, the whole file in memory, no regular expressions.

A malformed record ends at the first LF after its fault, or at the end of the file. The fault is
the wrong character; of quotes that never close within the limit, the opening one.
https://docs.aws.amazon.com/redshift/latest/dg/copy-parameters-data-format.html
"""

from dataclasses import dataclass

MAX_RECORD = 4 * 1024 * 1024


@dataclass(frozen=True)
class Row:
    """A well-formed record, and the physical line of its first character (the first is 1)."""

    line: int
    fields: tuple[bytes, ...]


@dataclass(frozen=True)
class Malformed:
    """A malformed record, and the physical line of its first character."""

    line: int


def read(
    data: bytes, delimiter: bytes = b",", quote: bytes = b'"', limit: int = MAX_RECORD
) -> list[Row | Malformed]:
    """Return what stands in a file, header included; a byte order mark is skipped."""
    at = 3 if data.startswith(b"\xef\xbb\xbf") else 0
    records: list[Row | Malformed] = []
    line = 1
    while at < len(data):
        fields, fault, end = _record(data, at, delimiter, quote, limit)
        if fault is not None:
            records.append(Malformed(line))
            while fault < len(data) and data[fault] != ord("\n"):
                fault += 1
            end = fault + 1
        else:
            records.append(Row(line, tuple(fields)))
        line += data[at:end].count(b"\n")
        at = end
    return records


def _record(
    data: bytes, start: int, delimiter: bytes, quote: bytes, limit: int
) -> tuple[list[bytes], int | None, int]:
    """Return a record's fields, its fault or None, and where the next record starts."""
    state, field, fields, opened, at = "start", bytearray(), list[bytes](), 0, start
    blanks = [blank for blank in (b" ", b"\t") if blank not in (delimiter, quote)]
    while True:
        byte = data[at : at + 1]
        ending = 1 if byte in (b"\n", b"") else 2 if data[at : at + 2] == b"\r\n" else 0
        if state == "quoted":
            doubled = byte == quote == data[at + 1 : at + 2]
            if not byte or at + doubled >= start + limit:
                return [], opened, 0  # never closed
            if doubled:
                field += quote
                at += 1
            elif byte == quote:
                state = "closed"
            else:
                field += byte
        elif byte == delimiter or ending:
            if at > start + limit:
                return [], start + limit, 0
            fields.append(bytes(field))
            if ending:
                return fields, None, at + ending
            state, field = "start", bytearray()
        elif at >= start + limit:
            return [], start + limit, 0  # too long
        elif byte == quote and state == "start" and not bytes(field).strip(b" \t"):
            state, field, opened = "quoted", bytearray(), at
        elif state == "closed" and byte in blanks:
            pass
        elif byte in (quote, b"\r") or state == "closed":
            return [], at, 0
        else:
            field += byte
            if byte not in blanks:
                state = "unquoted"
        at += 1

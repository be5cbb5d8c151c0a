"""The two CSV readers compared with an independent one, for any bytes and buffer sizes.

The environment variable CSV_FILES sets the number of files (default 2,000).
test_loading_differential.py compares COPY itself with the same reader.
"""

import csv
import io
import os

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from aws_orders_tests import csv_oracle
from laptop_aws.redshift.csv_reader import (
    MAX_RECORD,
    Grammar,
    Malformed,
    ReadDifferentlyError,
    Record,
    records,
    same_for_postgres,
)

FILES = int(os.environ.get("CSV_FILES", "2000"))
thoroughly = settings(
    max_examples=FILES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.large_base_example],
)

# D stands for the delimiter, Q for the quote.
PIECES = [
    "D", "D", "D", "Q", "Q", "QQ", "QD", "DQ", "Q\n", "\nQ", "QDQ", " Q", "Q ", "\n", "\n", "\r\n",
    "\r", "\t", " ", "a", "17", "é", "🙂", "\\", "\\Q", "\\.", "\0", "x=Q",
]  # fmt: skip
pieces = st.sampled_from(PIECES)
COMMON = ',"'
# By line number: a record's fields, or None for a malformed one.
Rows = list[tuple[int, tuple[bytes, ...] | None]]
dialects = st.sampled_from([COMMON, COMMON, COMMON, '\t"', "|%", ";'", ' "', ", ", "^]", "\\-"])


def written(parts: list[str], dialect: str) -> bytes:
    delimiter, quote = dialect[0], dialect[1]
    found = [{"D": delimiter, "Q": quote}.get(c, c) for part in parts for c in part]
    return "".join(found).encode()


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def read_slowly(
    data: bytes, dialect: str = COMMON, size: int = 2**18, limit: int = MAX_RECORD
) -> Rows:
    """Return the lines of all records with their fields; none for a malformed one."""
    found = records(cut(data, size), Grammar(*dialect), limit=limit)
    return [(r.line, fields(r) if isinstance(r, Record) else None) for r in found]


def fields(record: Record) -> tuple[bytes, ...]:
    return tuple(field.encode("utf-8", "surrogateescape") for field in record.fields)


def read_independently(data: bytes, dialect: str = COMMON, limit: int = MAX_RECORD) -> Rows:
    found = csv_oracle.read(data, dialect[0].encode(), dialect[1].encode(), limit)
    return [(r.line, getattr(r, "fields", None)) for r in found]


def accepted(
    data: bytes, dialect: str = COMMON, size: int = 2**18, limit: int = MAX_RECORD
) -> bytes | None:
    """Return the bytes for PostgreSQL, or None if it would read them differently."""
    try:
        return b"".join(same_for_postgres(cut(data, size), Grammar(*dialect), limit))
    except ReadDifferentlyError:
        return None


@thoroughly
@given(
    st.lists(pieces, max_size=60),
    dialects,
    st.sampled_from([1, 2, 3, 7, 64, 2**18]),
    st.sampled_from([8, 16, 64, MAX_RECORD]),
)
@example(['a"'], COMMON, 1, MAX_RECORD)
@example(['"a', "\n", "b"], COMMON, 2, MAX_RECORD)
@example(['"aaaaaa"', '"', "\n", "b"], COMMON, 1, 8)
@example(["aaaaaaaa", "\r\n", "b"], COMMON, 1, 8)
def test_any_file_is_read_as_by_an_independent_reader(
    parts: list[str], dialect: str, size: int, limit: int
) -> None:
    data = written(parts, dialect)
    expected = read_independently(data, dialect, limit)
    assert read_slowly(data, dialect, size, limit) == expected
    handed_over = accepted(data, dialect, size, limit)
    if handed_over is not None:
        assert handed_over[: len(data)] == data
        assert handed_over[len(data) :] in (b"", b"\n", b"\r\n")
        # A reader as lenient as PostgreSQL's reads the remaining files correctly.
        text = io.StringIO(data.decode(), newline="")
        lenient = csv.reader(text, delimiter=dialect[0], quotechar=dialect[1])
        assert [tuple(f.encode() for f in row) or (b"",) for row in lenient] == [
            row for _, row in expected
        ]


@settings(parent=thoroughly, max_examples=max(3, FILES // 1000))
@given(st.lists(pieces, min_size=20, max_size=60), st.integers(0, 200))
def test_a_file_of_megabytes_is_read_as_by_an_independent_reader(
    parts: list[str], shift: int
) -> None:
    piece = written(parts, COMMON)
    data = b"x" * shift + piece * (600_000 // len(piece))
    assert read_slowly(data) == read_independently(data)


LINE_ENDS = ("\n", "\r\n")
values = st.text(st.sampled_from('a ,"\r\n\t\\é\0'), max_size=8)


@settings(parent=thoroughly, max_examples=max(200, FILES // 10))
@given(st.lists(st.lists(values, min_size=2, max_size=4), max_size=30), st.sampled_from(LINE_ENDS))
def test_well_formed_files_take_the_fast_path(rows: list[list[str]], line_end: str) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator=line_end, quoting=csv.QUOTE_ALL).writerows(rows)
    data = text.getvalue().encode()
    assert accepted(data) == data
    assert [row for _, row in read_slowly(data)] == [
        tuple(value.encode() for value in row) for row in rows
    ]


LONG = MAX_RECORD - len("1,")
Q = b'"'
# By what is long in the second row: the file's rows, and whether the row loads.
LIMITS = {
    "plain, as long as a record may be": (b"1," + b"x" * LONG, True),
    "plain, and a byte too long": (b"1," + b"x" * (LONG + 1), False),
    "quoted, as long as a record may be": (b"1," + Q + b"x" * (LONG - 2) + Q, True),
    "quoted, and a byte too long": (b"1," + Q + b"x" * (LONG - 1) + Q, False),
    "blanks after quotes, and a byte too long": (b"1," + Q * 2 + b" " * (LONG - 1), False),
    "plain, three times as long": (b"1," + b"x" * (3 * MAX_RECORD), False),
}


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("what", LIMITS)
def test_a_record_may_be_4_mib_long(what: str, end: bytes) -> None:
    row, loads = LIMITS[what]
    found = list(
        records(cut(end.join([b"a,b", row, b"c,d", b""]), 2**18), Grammar(",", Q.decode()))
    )
    assert [type(record) for record in found] == [Record, Record if loads else Malformed, Record]
    assert [record.line for record in found] == [1, 2, 3]
    assert isinstance(found[2], Record)
    assert fields(found[2]) == (b"c", b"d")
    assert loads or accepted(end.join([b"a,b", row, b"c,d", b""])) is None


@pytest.mark.parametrize("lines", [10, 200_000])
def test_an_unclosed_quote_rejects_one_row(lines: int) -> None:
    rows = [b"%d,some text of a row that is not short,1" % number for number in range(lines)]
    rows[3] = b'3,"some text,1'
    found = list(records(cut(b"\n".join(rows), 2**18), Grammar(",", '"')))
    assert [r.line for r in found if isinstance(r, Malformed)] == [4]
    assert len(found) == lines
    assert accepted(b"\n".join(rows)) is None


def test_lines_are_counted_within_fields_and_behind_faults() -> None:
    data = b'a,"1\n2\n3",b\nc,"d\ne"f,g\n"h\ni"\nj"\nk'
    assert [(line, row is None) for line, row in read_slowly(data)] == [
        (1, False), (4, True), (6, False), (8, True), (9, False)
    ]  # fmt: skip


# A record, its faulty field, and the text of the field before the fault.
FAULTS = {
    '1,27" wide,x': (2, "27"),
    '1,a"b",x': (2, "a"),
    '1,="x",x': (2, "="),
    '1,\\"x\\",x': (2, "\\"),
    '1,"a"b",x': (2, '"a"'),
    '1,"a\\"b",x': (2, '"a\\"'),
    '1,"a" b,x': (2, '"a" '),
    '1,"a" "b",x': (2, '"a" '),
    '1, "a"b,x': (2, ' "a"'),
    '1,x,"never': (3, ""),
    '1,x,  "never': (3, "  "),
    "1,a\rb,x": (2, "a"),
    "1,x,a\r": (3, "a"),
    '1,"a"\r,x': (2, '"a"'),
    '"': (1, ""),
    '"""': (1, ""),
}


@pytest.mark.parametrize("row", FAULTS)
def test_a_fault_is_reported_with_its_field_and_position(row: str) -> None:
    data = f"é,ok,ok\n{row}\n2,ok,ok\n".encode()
    if row.endswith("\r"):
        data = f"é,ok,ok\n{row}".encode()
    before, bad, *after = records([data], Grammar(",", '"'))
    assert isinstance(before, Record)
    assert (before.fields, [getattr(record, "fields", None) for record in after]) == (
        ["é", "ok", "ok"], [["2", "ok", "ok"]] if data.endswith(b"\n") else []
    )  # fmt: skip
    number, value = FAULTS[row]
    assert bad == Malformed(
        2, row.removesuffix("\r"), number, value, len(value), 1214,
        "Invalid quote formatting for CSV",
    )  # fmt: skip
    assert accepted(data) is None

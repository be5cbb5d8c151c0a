"""The strict CSV parser: records, faults and counts do not depend on how the bytes are cut."""

import csv
import io
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aws_orders.rows.records import (
    BARE_QUOTE,
    FAULTS_KEPT,
    LONE_CR,
    MAX_RECORD_BYTES,
    NOT_CLOSED,
    PIECE_BYTES,
    TEXT_AFTER_QUOTE,
    TOO_LONG,
    Malformed,
    count_records,
    scan,
    split_fields,
)
from aws_orders_tests import csv_oracle
from aws_orders_tests.searches import search

Rows = list[tuple[int, list[bytes]] | tuple[int, int, str]]


def rows(data: bytes, size: int = PIECE_BYTES) -> Rows:
    """Return (line, fields) of each valid record, (line, column, reason) of each malformed one."""
    found: Rows = []
    for piece in scan(data[start : start + size] for start in range(0, len(data), size)):
        if isinstance(piece, Malformed):
            found.append((piece.line, piece.column, piece.reason))
        else:
            found.extend((line, split_fields(record)) for line, record in piece)
    return found


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", []),
        (b"\n", [(1, [b""])]),
        (b"a,b", [(1, [b"a", b"b"])]),
        (b",\n,b\n", [(1, [b"", b""]), (2, [b"", b"b"])]),
        (b"a\r\nb\nc\r\n", [(1, [b"a"]), (2, [b"b"]), (3, [b"c"])]),
        (b'"a""b","c\r\nd,"\ne', [(1, [b'a"b', b"c\r\nd,"]), (3, [b"e"])]),
        (b'1, "a"\t ,b\n2,\t"c" \n', [(1, [b"1", b"a", b"b"]), (2, [b"2", b"c"])]),
        (b"1, a ,\t\n", [(1, [b"1", b" a ", b"\t"])]),
        (b'"","""",""""""\n', [(1, [b"", b'"', b'""'])]),
        (
            b'1,27" wide\n2,b\n3,24" wide\n',
            [(1, 2, BARE_QUOTE), (2, [b"2", b"b"]), (3, 2, BARE_QUOTE)],
        ),
        (b'1,="a"\n2,b', [(1, 2, BARE_QUOTE), (2, [b"2", b"b"])]),
        (b'1,\\"a\\"\n2,b', [(1, 2, BARE_QUOTE), (2, [b"2", b"b"])]),
        (b'1,"a\\"b"\n2,b', [(1, 2, TEXT_AFTER_QUOTE), (2, [b"2", b"b"])]),
        (b'1,"a"b,"c\n2,b', [(1, 2, TEXT_AFTER_QUOTE), (2, [b"2", b"b"])]),
        (b'1,"a\nb"c\n2,b', [(1, 2, TEXT_AFTER_QUOTE), (3, [b"2", b"b"])]),
        (b'1,"a\n2,b\n3,c', [(1, 2, NOT_CLOSED), (2, [b"2", b"b"]), (3, [b"3", b"c"])]),
        (b'1,"a\n2,"b\n3,c\n', [(1, 2, TEXT_AFTER_QUOTE), (3, [b"3", b"c"])]),
        (b'1,"a\nb","c\n2,b\n', [(1, 3, NOT_CLOSED), (3, [b"2", b"b"])]),
        (b"1,a\rb\n2,b\r", [(1, 2, LONE_CR), (2, 2, LONE_CR)]),
        (b'1,"a"\r', [(1, 2, LONE_CR)]),
        (b"a\0b\n", [(1, [b"a\0b"])]),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_records_and_faults_do_not_depend_on_where_the_pieces_are_cut(
    data: bytes, expected: Rows, size: int
) -> None:
    assert rows(data, size) == expected


fields = st.lists(st.text('ab ",\n\r\té', max_size=6), min_size=2, max_size=4)


@given(st.lists(fields, max_size=8), st.sampled_from(["\n", "\r\n"]), st.integers(1, 9))
def test_what_a_csv_writer_writes_is_read_back(
    records: list[list[str]], line_end: str, size: int
) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator=line_end, quoting=csv.QUOTE_ALL).writerows(records)
    found = rows(text.getvalue().encode(), size)
    assert [[field.decode() for field in row[1]] for row in found] == records  # type: ignore[union-attr]


@given(st.lists(st.sampled_from([b'"', b",", b"\n", b"\r", b" ", b"a"]), max_size=40))
def test_every_byte_belongs_to_one_piece(letters: list[bytes]) -> None:
    data = b"".join(letters)
    pieces = list(scan([data]))
    assert b"".join(piece.data for piece in pieces).removesuffix(b"\n") == data.removesuffix(b"\n")
    assert [piece.line for piece in pieces] == [
        1 + sum(piece.lines for piece in pieces[:number]) for number in range(len(pieces))
    ]


@pytest.mark.parametrize(
    ("field", "reason"),
    [(b'"' + b"x" * 2 * MAX_RECORD_BYTES, NOT_CLOSED), (b"x" * 2 * MAX_RECORD_BYTES, TOO_LONG)],
)
def test_a_record_beyond_4_mb_is_malformed_and_the_next_line_is_read(
    field: bytes, reason: str
) -> None:
    assert rows(b"1," + field + b"\n2,b\n") == [(1, 2, reason), (2, [b"2", b"b"])]


def test_a_field_that_spans_many_pieces_is_one_record() -> None:
    field = b"a,\n" * (PIECE_BYTES // 2)
    assert rows(b'1,"' + field + b'"\n2,b\n') == [
        (1, [b"1", field]),
        (PIECE_BYTES // 2 + 2, [b"2", b"b"]),
    ]


def test_the_count_leaves_the_header_out_and_includes_malformed_records() -> None:
    data = b'id,"name\n' + b'1,"a\nb"\n' + b'2,27"\n' * 20 + b"3,c"
    counted = count_records(data[start : start + 3] for start in range(0, len(data), 3))
    assert (counted.records, counted.malformed, len(counted.faults)) == (22, 20, FAULTS_KEPT)
    assert [fault.line for fault in counted.faults] == list(range(4, 4 + FAULTS_KEPT))


@pytest.mark.parametrize("data", [b"", b"id,name", b"id,name\r\n"])
def test_a_file_without_rows_counts_none(data: bytes) -> None:
    assert count_records([data]).records == 0


MARKS = ['"', '"', '""', ",", ",", '",', ',"', '"\n', '\n"', ' "', '" ', "\n", "\n", "\r\n", "\r"]
LETTERS = ["\t", " ", "a", "17", "é", "🙂", "\\", '\\"', "\0", '="']
texts = st.lists(st.sampled_from([*MARKS, *LETTERS]), max_size=60)


@search(2000)
@given(texts, st.sampled_from([1, 2, 7, 64, PIECE_BYTES]))
def test_an_independent_reader_finds_the_same_records(parts: list[str], size: int) -> None:
    data = "".join(parts).encode()
    expected = [(row.line, getattr(row, "fields", None)) for row in csv_oracle.read(data)]
    found = [(row[0], tuple(row[1]) if len(row) == 2 else None) for row in rows(data, size)]
    assert found == expected


@search(3)
@given(texts.map("".join), st.integers(1, 5), st.randoms(use_true_random=False))
def test_an_independent_reader_finds_the_same_records_in_megabytes(
    text: str, megabytes: int, random: Random
) -> None:
    lines = [text, "1,a\n", '"b\nc",d\r\n', '2,27" wide\n', '3,"x"y\n', "4," + "z" * 9999 + "\n"]
    data = "".join(random.choices(lines, k=megabytes * 300)).encode()
    expected = [(row.line, getattr(row, "fields", None)) for row in csv_oracle.read(data)]
    found = [(row[0], tuple(row[1]) if len(row) == 2 else None) for row in rows(data)]
    assert found == expected

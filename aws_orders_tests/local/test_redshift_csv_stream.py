"""Files as one stream, whatever the size of the pieces they come in."""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aws_orders.local.redshift import csv_stream


class Trickle:
    """Content that comes a few bytes at a time."""

    def __init__(self, data: bytes, size: int) -> None:
        self._file, self._size = io.BytesIO(data), size

    def read(self, amount: int) -> bytes:
        return self._file.read(min(amount, self._size))


def joined(*files: bytes, header: int = 0, size: int = 3) -> bytes:
    contents = [(str(number), Trickle(data, size)) for number, data in enumerate(files)]
    return b"".join(csv_stream.joined(contents, header, csv_stream.LineMap()))


@pytest.mark.parametrize("size", [3, 4, 5, 100])
def test_files_of_both_line_endings_become_one(size):
    files = b"h\r\n1\r\n2\r\n", b"h\n3\n4", b"\xef\xbb\xbfh\r\n5\r", b"h", b"", b"h\n6"
    assert joined(*files, header=1, size=size) == b"1\n2\n3\n4\n5\n6\n"


@given(st.lists(st.lists(st.text('ab",\r\n'), min_size=2, max_size=2)), st.integers(3, 9))
@settings(deadline=None)
def test_fields_come_through_as_they_were(rows, size):
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows(rows)
    stream = joined(text.getvalue().encode(), size=size)
    assert list(csv.reader(io.StringIO(stream.decode(), newline=""))) == rows


def test_a_file_that_ends_inside_quotes_does_not_swallow_the_next():
    assert joined(b'1,"a\n', b"2,b\n") == b'1,"a\n'


def test_a_line_of_the_stream_is_found_in_its_file():
    lines = csv_stream.LineMap()
    contents = [(name, Trickle(data, 9)) for name, data in [("a", b"h\n1\n2"), ("b", b"h\n3\n")]]
    list(csv_stream.joined(contents, 1, lines))
    assert [lines.locate(line) for line in (1, 2, 3)] == [("a", 2), ("a", 3), ("b", 2)]

"""Records of a file found by physical line."""

import pytest

from aws_orders.rows.lookup import records_at_lines


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ([1], ["1,a"]),
        ([2], ['2,"b\nc"']),
        ([3], ['2,"b\nc"']),
        ([1, 3, 4], ["1,a", '2,"b\nc"', "3,\\xe9"]),
        ([2, 2], ['2,"b\nc"', '2,"b\nc"']),
        ([4, 9], ["3,\\xe9", ""]),
        ([8, 9], ["", ""]),
        ([5, 6], ["4,a\rb", "5,z"]),
    ],
)
def test_records_are_found_by_line_across_quoted_newlines(
    wanted: list[int], expected: list[str]
) -> None:
    lines = [b"1,a\r\n", b'2,"b\n', b'c"\n', b"3,\xe9\n", b"4,a\rb\n", b"5,z\n"]
    found = list(records_at_lines(lines, wanted))
    assert [record.text for record in found] == expected
    whole = [record for record in found if "\r" not in record.text]
    assert all(len(record.fields) == (2 if record.text else 0) for record in whole)

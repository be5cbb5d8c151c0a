"""Spans: how several objects become one."""

from hypothesis import given
from hypothesis import strategies as st

from aws_orders.resources.objects import spans
from aws_orders_tests.objects import stored


@given(
    sizes=st.lists(st.integers(3, 60), min_size=1, max_size=6),
    limit=st.integers(1, 20),
)
def test_spans_cover_every_byte_once_and_only_the_first_header(
    sizes: list[int], limit: int
) -> None:
    parts = [stored(str(number), size) for number, size in enumerate(sizes)]
    pieces = spans(parts, repeated=3, limit=limit)
    assert all(0 < piece.end - piece.start <= limit for piece in pieces)
    joined = [(piece.key, byte) for piece in pieces for byte in range(piece.start, piece.end)]
    assert joined == [
        (part.key, byte)
        for number, part in enumerate(parts)
        for byte in range(3 if number else 0, part.size)
    ]

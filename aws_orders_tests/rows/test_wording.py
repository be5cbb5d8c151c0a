"""Numbers with their nouns."""

import pytest

from aws_orders.rows.wording import counted


@pytest.mark.parametrize(
    ("number", "noun", "plural", "expected"),
    [
        (0, "row", "", "0 rows"),
        (1, "row", "", "1 row"),
        (2000, "row", "", "2,000 rows"),
        (1, "delivery", "deliveries", "1 delivery"),
        (2, "delivery", "deliveries", "2 deliveries"),
    ],
)
def test_a_noun_is_in_singular_after_one(
    number: int, noun: str, plural: str, expected: str
) -> None:
    assert counted(number, noun, plural) == expected

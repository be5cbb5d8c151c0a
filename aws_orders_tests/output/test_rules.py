"""The results of rules as sentences."""

import pytest

from aws_orders.output.rules import ORDER_RULES

(UNIQUE,) = [rule for rule in ORDER_RULES if rule.name == "order_ids_are_unique"]


@pytest.mark.parametrize(
    ("faults", "rows", "expected"),
    [
        (0, 0, "0 of 0 orders have a duplicate id."),
        (1, 1, "1 of 1 order has a duplicate id."),
        (1, 110, "1 of 110 orders has a duplicate id."),
        (2000, 11000, "2,000 of 11,000 orders have a duplicate id."),
    ],
)
def test_a_result_states_what_failed(faults: int, rows: int, expected: str) -> None:
    assert UNIQUE.result(faults, rows, "order") == expected

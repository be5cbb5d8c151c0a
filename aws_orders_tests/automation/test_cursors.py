"""The cursors of the sensors."""

from datetime import date

import pytest

from aws_orders.automation.cursors import read_cursor
from aws_orders.automation.s3_events import DailyListing, QueueCursor

INITIAL = QueueCursor(run_key="initial")


def test_a_cursor_is_read_back() -> None:
    listing = DailyListing(day=date(2026, 3, 1), digest="d")
    cursor = QueueCursor(run_key="k", receipts=("r",), pending_listing=listing)
    assert read_cursor(cursor.model_dump_json(), INITIAL) == cursor


@pytest.mark.parametrize("text", [None, "", "no json", "7", '{"receipts": 7}'])
def test_without_a_readable_cursor_the_initial_one_is_returned(text: str | None) -> None:
    assert read_cursor(text, INITIAL) == INITIAL

"""Which ended runs are reported."""

from datetime import UTC, datetime

from aws_orders.alerts.policy import (
    AlertCursor,
    OngoingFailure,
    Outcome,
    is_reported,
    read_cursor,
    update_failures,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def ended(
    *refreshed: str, run_id: str = "r1", not_refreshed: tuple[str, ...] = (), **failed: str
) -> Outcome:
    return Outcome(run_id, "refresh_all", NOON, failed, frozenset(refreshed), not_refreshed)


def test_a_failure_is_ongoing_until_the_asset_is_refreshed_and_its_runs_are_counted() -> None:
    broken = update_failures({}, ended(a="no"))
    broken = update_failures(broken, ended("b", a="no"))
    assert broken == {"a": OngoingFailure(since=NOON, runs=2)}
    assert update_failures(broken, ended("a", "b")) == {}


def test_the_success_of_another_asset_is_not_a_recovery() -> None:
    broken = {"a": OngoingFailure(since=NOON)}
    assert update_failures(broken, ended("b")) == broken


def test_a_run_is_reported_if_something_starts_to_fail_or_recovers() -> None:
    once = update_failures({}, ended(a="no"))
    twice = update_failures(once, ended(a="no"))
    assert is_reported({}, once)
    assert not is_reported(once, twice)
    assert is_reported(twice, update_failures(twice, ended("a")))


def test_a_cursor_is_read_back_and_any_other_text_is_not_a_cursor() -> None:
    cursor = AlertCursor(position=7, broken={"a": OngoingFailure(since=NOON)})
    assert read_cursor(cursor.model_dump_json()) == cursor
    assert [read_cursor(None), read_cursor("no json"), read_cursor("{}")] == [None] * 3

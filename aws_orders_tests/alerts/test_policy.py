"""Which ended runs are reported."""

from datetime import UTC, datetime

from aws_orders.alerts.policy import Broken, Cursor, Outcome, read_cursor, weigh

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def ended(
    *refreshed: str, run_id: str = "r1", left: tuple[str, ...] = (), **failed: str
) -> Outcome:
    return Outcome(run_id, "refresh_all", NOON, failed, frozenset(refreshed), left)


def test_what_fails_stands_as_broken_until_it_is_refreshed_and_its_failures_are_counted() -> None:
    broken = weigh({}, ended(a="no"))
    broken = weigh(broken, ended("b", a="no"))
    assert broken == {"a": Broken(since=NOON, runs=2)}
    assert weigh(broken, ended("a", "b")) == {}


def test_another_assets_success_mends_nothing() -> None:
    broken = {"a": Broken(since=NOON)}
    assert weigh(broken, ended("b")) == broken


def test_a_cursor_is_read_back_and_somebody_elses_text_is_none() -> None:
    cursor = Cursor(position=7, broken={"a": Broken(since=NOON)})
    assert read_cursor(cursor.model_dump_json()) == cursor
    assert [read_cursor(None), read_cursor("no json"), read_cursor("{}")] == [None] * 3

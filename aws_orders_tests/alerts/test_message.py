"""What an alert says."""

import pytest

from aws_orders.alerts.message import Message, Place, compose, excerpt
from aws_orders.alerts.policy import Broken, Outcome, weigh
from aws_orders_tests.alerts.test_policy import NOON, ended

PLACE = Place("shop", "https://dagster.example/")


def told(before: dict[str, Broken], run: Outcome, place: Place = PLACE) -> Message:
    return compose(before, weigh(before, run), run, place)


def test_a_failure_says_what_why_where_and_what_was_left() -> None:
    message = told({}, ended("s3_orders", left=("detailed_orders_csv",), redshift_orders="line 7"))
    assert message == Message(
        "FAILED: redshift_orders (shop)",
        "A run of refresh_all in shop ended at 2026-03-01 12:00:00 UTC.\n\n"
        "FAILED: redshift_orders\n  line 7\n\n"
        "Not refreshed for that reason: detailed_orders_csv\n\n"
        "https://dagster.example/runs/r1\n\n"
        "Further failures of the same are not told, its recovery is.\n",
    )


def test_a_recovery_says_since_when_and_how_often_it_had_failed() -> None:
    message = told({"a": Broken(since=NOON, runs=9)}, ended("a"), Place("shop"))
    assert message == Message(
        "RECOVERED: a (shop)",
        "A run of refresh_all in shop ended at 2026-03-01 12:00:00 UTC.\n\n"
        "RECOVERED: a, broken since 2026-03-01 12:00:00 UTC (failed runs: 9)\n\n"
        "Run r1\n",
    )


def test_a_run_that_mends_one_asset_and_breaks_others_tells_of_all() -> None:
    message = told({"a": Broken(since=NOON)} | {"z": Broken(since=NOON)}, ended("a", b="x", c="y"))
    assert message.subject == "FAILED: b and 1 more (shop)"
    for part in ("FAILED: b\n  x", "FAILED: c\n  y", "RECOVERED: a,", "as told before: z"):
        assert part in message.body


@pytest.mark.parametrize("name", ["ö" * 300, "a\nb", "x" * 300])
def test_a_subject_is_short_ascii_on_one_line(name: str) -> None:
    subject = told({}, ended(**{name: "no"})).subject
    assert len(subject) < 100
    assert subject.isascii()
    assert subject.isprintable()


@pytest.mark.parametrize("letters", ["x", "-", "=", "@", "a.", "Aa1-", "a@", "://", "token "])
def test_a_long_error_is_cut_and_says_so(letters: str) -> None:
    # Long enough to take minutes by a pattern that takes the square of a line's length.
    line = letters * (50_000 // len(letters))
    shown = excerpt("\n".join([line] * 40)).splitlines()
    assert len(shown) == 16
    assert max(map(len, shown)) < 310
    assert shown[-1] == "  (25 more lines)"

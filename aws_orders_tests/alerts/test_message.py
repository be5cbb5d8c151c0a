"""What an alert says."""

from typing import Any

import pytest

from aws_orders.alerts.message import Installation, Message, compose, excerpt
from aws_orders.alerts.policy import OngoingFailure, Outcome, update_failures
from aws_orders_tests.alerts.test_policy import NOON, ended

SHOP = Installation("shop", "https://dagster.example/")


def notification(
    before: dict[str, OngoingFailure], run: Outcome, installation: Installation = SHOP
) -> Message:
    return compose(before, update_failures(before, run), run, installation)


def test_a_failure_names_the_asset_the_error_the_run_and_what_is_not_refreshed() -> None:
    message = notification(
        {}, ended("s3_orders", not_refreshed=("detailed_orders_csv",), redshift_orders="line 7")
    )
    assert message == Message(
        "FAILED: redshift_orders (shop)",
        "A run of refresh_all in shop ended at 2026-03-01 12:00:00 UTC.\n\n"
        "FAILED: redshift_orders\n  line 7\n\n"
        "Not refreshed because of this: detailed_orders_csv\n\n"
        "https://dagster.example/runs/r1\n\n"
        "You are notified again when it recovers.\n",
    )


def test_a_recovery_states_since_when_and_in_how_many_runs_it_failed() -> None:
    message = notification(
        {"a": OngoingFailure(since=NOON, runs=9)}, ended("a"), Installation("shop")
    )
    assert message == Message(
        "RECOVERED: a (shop)",
        "A run of refresh_all in shop ended at 2026-03-01 12:00:00 UTC.\n\n"
        "RECOVERED: a (failing since 2026-03-01 12:00:00 UTC, in 9 runs)\n\n"
        "Run r1\n",
    )


def test_a_run_with_a_recovery_and_failures_reports_all_of_them() -> None:
    message = notification(
        {"a": OngoingFailure(since=NOON)} | {"z": OngoingFailure(since=NOON)},
        ended("a", b="x", c="y"),
    )
    assert message.subject == "FAILED: b and 1 more (shop)"
    for part in ("FAILED: b\n  x", "FAILED: c\n  y", "RECOVERED: a (", "(already reported): z"):
        assert part in message.body


@pytest.mark.parametrize("name", ["ö" * 300, "a\nb", "x" * 300])
def test_a_subject_is_short_ascii_on_one_line(name: str) -> None:
    failed: dict[str, Any] = {name: "no"}
    subject = notification({}, ended(**failed)).subject
    assert len(subject) < 100
    assert subject.isascii()
    assert subject.isprintable()


@pytest.mark.parametrize("letters", ["x", "-", "=", "@", "a.", "Aa1-", "a@", "://", "token "])
def test_a_long_error_is_shortened_and_states_by_how_much(letters: str) -> None:
    # Long enough that a pattern with quadratic time takes minutes.
    line = letters * (50_000 // len(letters))
    shown = excerpt("\n".join([line] * 40)).splitlines()
    assert len(shown) == 16
    assert max(map(len, shown)) < 310
    assert shown[-1] == "  (25 more lines)"

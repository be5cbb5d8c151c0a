"""Previews never fail a load: what cannot be shown is replaced by a sentence."""

from collections.abc import Callable
from typing import Any, NoReturn

import pytest
from botocore.exceptions import ClientError

from aws_orders.errors import DataError
from aws_orders.reporting import charts as chart
from aws_orders.reporting import previews as preview
from aws_orders_tests.conftest import ORDERS_CSV, Platform

HEADER = ORDERS_CSV.splitlines()[0]


def raising(error: BaseException) -> Callable[..., NoReturn]:
    def fail(*_: Any, **__: Any) -> NoReturn:
        raise error

    return fail


DENIED = ClientError(
    {"Error": {"Code": "AccessDenied", "Message": "m", "Place": "s3://b/k"}},  # type: ignore[typeddict-unknown-key]
    "GetObject",
)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (DENIED, "s3://b/k: AWS denies access."),
        (DataError("No.", where="w", expected="e", found="f", fix="x"), "w: No."),
        (ValueError("ada@example.org"), "(ValueError)"),
        (RecursionError(), "(RecursionError)"),
    ],
)
def test_a_preview_that_fails_is_a_sentence(error: Exception, words: str) -> None:
    text = preview.rendered(raising(error))
    assert text.startswith("Not shown: ")
    assert words in text
    assert "ada@" not in text


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_is_not_swallowed(interrupt: type[BaseException]) -> None:
    with pytest.raises(interrupt):
        preview.rendered(raising(interrupt()))


def test_an_archived_delivery_that_was_loaded_does_not_fail_the_refresh(platform: Platform) -> None:
    platform.set_feeds(orders="")
    platform.deliver("z.csv", ORDERS_CSV)
    platform.refresh()
    body = ORDERS_CSV.encode()
    key = "input/orders/z.csv"
    platform.s3.put_object(Bucket=platform.bucket, Key=key, Body=body, StorageClass="GLACIER")
    shown = platform.refresh("refresh_orders")["s3_orders"]["preview"]
    assert shown.startswith(f"Not shown: s3://{platform.bucket}/{key}: The object is archived")


@pytest.mark.parametrize(
    "body", [b"\x1f\x8bno", b"\0" * 9, "x".encode("utf-16"), b'"' * 70_000, b"x" * 300_000]
)
@pytest.mark.parametrize("name", ["z.csv", "z.csv.gz"])
def test_an_unreadable_delivery_does_not_fail_the_asset_that_lists_it(
    platform: Platform, body: bytes, name: str
) -> None:
    platform.deliver(name, body)
    result = platform.materialize("refresh_orders")
    assert result.asset_materializations_for_node("s3_orders")


def test_dates_beyond_pythons_range_are_shown(platform: Platform) -> None:
    rows = f"{HEADER},order_date\n8,A,a@example.org,1,1,1,1,20260-01-31\n"
    platform.set_feeds(orders="")
    platform.deliver("far.csv", rows)
    report = platform.refresh()
    assert "20260-01-31" in report["redshift_orders"]["preview"]
    assert "revenue_by_month" in report["detailed_orders_csv"]


@pytest.mark.parametrize(
    "broken", [(chart, "by_category"), (chart, "by_month"), (preview, "markdown_table")], ids=str
)
def test_no_preview_and_no_chart_fails_a_refresh(
    platform: Platform, monkeypatch: pytest.MonkeyPatch, broken: tuple[Any, str]
) -> None:
    if broken[1] == "markdown_table":
        monkeypatch.setattr("aws_orders.orders.assets.markdown_table", raising(ValueError("no")))
    monkeypatch.setattr(*broken, raising(ValueError("no")))
    platform.refresh()

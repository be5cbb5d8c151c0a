"""Which objects are deliveries, how they are grouped, and what a listing sums up to."""

import json

import pytest

from aws_orders.orders.deliveries import (
    DeliverySummary,
    Shape,
    copy_manifest,
    group_by_shape,
    is_delivery,
)
from aws_orders.resources.objects import StoredObject
from aws_orders_tests.objects import stored


@pytest.mark.parametrize(
    ("key", "size", "expected"),
    [
        ("input/orders/a.csv", 1, True),
        ("input/orders/2026/b.csv.gz", 1, True),
        ("input/orders/folder/", 0, False),
        ("input/orders/empty.csv", 0, False),
        ("input/orders/a.csv.bak", 1, False),
    ],
)
def test_deliveries_are_csv_files_that_are_not_empty(key: str, size: int, expected: bool) -> None:
    assert is_delivery(stored(key, size)) is expected


def test_the_digest_changes_only_with_keys_and_etags() -> None:
    def digest(*objects: StoredObject) -> str:
        summary = DeliverySummary()
        for one in objects:
            summary.add(one)
        return summary.digest

    base = digest(stored("a.csv"), stored("b.csv"))
    assert digest(stored("a.csv"), stored("b.csv")) == base
    assert digest(stored("a.csv", 9), stored("b.csv"), stored("note.txt")) == base
    assert digest(stored("a.csv", etag="f"), stored("b.csv")) != base
    assert digest(stored("a.csv")) != base


def test_deliveries_group_by_header_and_compression() -> None:
    one, two, three, four = map(stored, ("1.csv", "2.csv.gz", "3.csv", "4.csv"))
    ab, ba = ("a", "b"), ("b", "a")
    assert group_by_shape([(one, ab), (two, ab), (three, ba), (four, ab)]) == {
        Shape(ab, gzip=False): [one, four],
        Shape(ab, gzip=True): [two],
        Shape(ba, gzip=False): [three],
    }


def test_the_manifest_makes_every_file_mandatory() -> None:
    entries = json.loads(copy_manifest(["s3://b/é 1.csv", "s3://b/2.csv"]))["entries"]
    assert entries == [
        {"url": "s3://b/é 1.csv", "mandatory": True},
        {"url": "s3://b/2.csv", "mandatory": True},
    ]

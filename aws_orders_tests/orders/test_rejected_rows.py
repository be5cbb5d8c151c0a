"""Rejected rows: quarantined if allowed, reported, and loaded once they are corrected."""

import csv
import io

import pytest

from aws_orders_tests.conftest import ORDERS_CSV, Platform

QUARANTINE = {"on_bad_rows": "quarantine", "max_bad_share": 0.5}
HEADER = ORDERS_CSV.splitlines()[0]
GOOD = f"{HEADER}\n11,A,a@example.org,1,1,1,1\n12,B,b@example.org,1,1,1,1\n"
BAD = GOOD + '13,"C\nc",c@example.org,1,much,1,1\n14,D,d@example.org,1,2,3,6\n15,E,e@example.org\n'


@pytest.fixture
def orders(platform: Platform) -> Platform:
    """Return a platform without an orders feed, its products loaded."""
    platform.set_feeds(orders="")
    platform.refresh("refresh_products")
    return platform


def quarantined(platform: Platform) -> dict[str, list[dict[str, str]]]:
    """Return the rows of each quarantine file, by its key."""
    files = filter(lambda key: key.startswith("quarantine/"), platform.keys())
    return {key: list(csv.DictReader(io.StringIO(platform.read(key), newline=""))) for key in files}


def loaded(platform: Platform) -> list[int]:
    return [row[0] for row in platform.query("SELECT order_id FROM orders ORDER BY order_id")]


def test_bad_rows_are_quarantined_with_reasons_and_good_rows_are_published(
    orders: Platform,
) -> None:
    orders.deliver("bad.csv", BAD)
    orders.deliver("good.csv", ORDERS_CSV)
    report = orders.refresh("refresh_orders", redshift_orders=QUARANTINE)["redshift_orders"]
    assert loaded(orders) == [1, 2, 3, 11, 12, 14]
    assert (report["rows_loaded"], report["rows_quarantined"]) == (6, 2)
    assert report["quarantine_files"] == [f"s3://{orders.bucket}/quarantine/1.csv"]
    (rows,) = quarantined(orders).values()
    first, second = rows
    assert first["delivery"] == second["delivery"] == "input/orders/bad.csv"
    assert (first["column"], first["value"]) == ("price", "much")
    assert first["row"] == '13,"C\nc",c@example.org,1,much,1,1'
    assert "Invalid digit" in first["reason"]
    assert (second["line"], second["row"]) == ("7", "15,E,e@example.org")
    assert orders.detailed.count("\n") == 7
    recorded = orders.query(
        "SELECT load_id, delivery, column_name FROM orders_rejected ORDER BY line"
    )
    assert recorded[0] == (1, "input/orders/bad.csv", "price")
    assert len(recorded) == 2


def test_the_check_warns_until_the_delivery_is_corrected(orders: Platform) -> None:
    orders.deliver("bad.csv", BAD)
    for _ in range(2):
        found = orders.checks("refresh_orders", redshift_orders=QUARANTINE)
        check = found["no_rows_are_quarantined"]
        assert (check.passed, check.metadata["violations"].value) == (False, 2)
        assert "input/orders/bad.csv" in str(check.metadata["examples"].value)
    orders.deliver("bad.csv", GOOD)
    assert orders.checks("refresh_orders")["no_rows_are_quarantined"].passed
    assert quarantined(orders) == {}
    assert orders.query("SELECT * FROM orders_rejected") == []
    assert loaded(orders) == [11, 12]


def test_a_redelivery_keeps_the_quarantined_rows_of_other_files(orders: Platform) -> None:
    orders.deliver("bad.csv", BAD)
    orders.deliver("other.csv", GOOD)
    orders.refresh("refresh_orders", redshift_orders=QUARANTINE)
    orders.deliver("other.csv", ORDERS_CSV)
    orders.refresh("refresh_orders", redshift_orders=QUARANTINE)
    (rows,) = quarantined(orders).values()
    assert [row["delivery"] for row in rows] == ["input/orders/bad.csv"] * 2
    assert loaded(orders) == [1, 2, 3, 11, 12, 14]


def test_more_bad_rows_than_allowed_fail_the_load_and_change_nothing(orders: Platform) -> None:
    orders.deliver("bad.csv", BAD)
    error = orders.fault(
        "refresh_orders", redshift_orders={"on_bad_rows": "quarantine", "max_bad_share": 0.39}
    )
    assert "2 rows cannot be loaded (40.00% of all rows; the limit is 39.00%)" in error
    assert "line 7" in error
    assert orders.query("SELECT * FROM orders_loads") == []
    assert quarantined(orders) == {}


def test_by_default_a_bad_row_fails_the_load_and_the_error_names_the_first_ten(
    orders: Platform,
) -> None:
    orders.deliver("bad.csv", HEADER + "\n" + "1,A,a@example.org,1,much,1,1\n" * 25)
    error = orders.fault("refresh_orders")
    assert error.count("column price: 'much' (Invalid digit") == 10
    assert "bad.csv, line 2" in error
    assert "bad.csv, line 11" in error
    assert "on_bad_rows: quarantine" in error


def test_a_full_refresh_replaces_the_quarantine(orders: Platform) -> None:
    orders.deliver("bad.csv", BAD)
    orders.refresh("refresh_orders", redshift_orders=QUARANTINE)
    orders.deliver("more.csv", GOOD)
    orders.refresh("refresh_orders", redshift_orders=QUARANTINE | {"full_refresh": True})
    assert [len(rows) for rows in quarantined(orders).values()] == [2]
    assert len(orders.query("SELECT * FROM orders_rejected")) == 2

"""Refreshes along the whole path: the output, repeated refreshes, and changes of the input."""

import gzip

import pytest

from aws_orders_tests.conftest import ORDERS_CSV, PRODUCTS_CSV, Platform

DETAILED = (
    "order_id,customer_name,customer_email,product_id,product_name,product_category,"
    "product_brand,price,quantity,total\n"
    "1,Ada Dahl,ada@example.org,2,Tent,Outdoor,Ostrava,10.01,3,30.02\n"
    '2,Emre Ito,emre@example.org,3,"Rug, round",Home,,5.00,1,5.00\n'
    '3,"Brandt, Olga",olga@example.org,1,Kettle,Kitchen,Hale,0.10,10,1.00\n'
)
HEADER = ORDERS_CSV.splitlines()[0]


def test_every_order_is_published_once_with_its_product_and_money_rounded_to_the_cent(
    platform: Platform,
) -> None:
    report = platform.refresh()
    assert platform.detailed == DETAILED
    assert platform.unmatched == HEADER + ",order_date\n"
    assert {name: metadata.get("dagster/row_count") for name, metadata in report.items()} == {
        "raw_products_csv": 3,
        "dynamodb_products": 3,
        "s3_orders": 3,
        "redshift_products": 3,
        "redshift_orders": 3,
        "detailed_orders_csv": 3,
    }


def test_a_second_refresh_changes_nothing_and_writes_no_product(platform: Platform) -> None:
    platform.refresh()
    tables = platform.query("SELECT * FROM orders ORDER BY order_id")
    report = platform.refresh()
    assert platform.detailed == DETAILED
    assert platform.query("SELECT * FROM orders ORDER BY order_id") == tables
    assert report["dynamodb_products"]["written"] == 0
    assert report["dynamodb_products"]["unchanged"] == 3
    assert report["raw_products_csv"]["changed"] is False
    assert report["s3_orders"]["feed_received"] is False
    assert report["s3_orders"]["dagster/row_count"] == 3


def test_a_run_leaves_no_temporary_object_on_s3(platform: Platform) -> None:
    platform.refresh()
    assert platform.keys() == [
        "input/orders/feed.csv",
        "output/detailed_orders.csv",
        "output/unmatched_orders.csv",
        "raw/products.csv",
    ]


def test_orders_of_unknown_products_are_unmatched_and_counted(platform: Platform) -> None:
    strangers = "4,Juno Sato,juno@example.org,99,1.00,1,1.00\n5,Noor Vega,n@example.org,,2,2,4\n"
    platform.feed("orders", ORDERS_CSV + strangers)
    report = platform.refresh()
    assert platform.detailed == DETAILED
    assert platform.unmatched == (
        f"{HEADER},order_date\n4,Juno Sato,juno@example.org,99,1.00,1,1.00,\n"
        "5,Noor Vega,n@example.org,,2.00,2,4.00,\n"
    )
    assert report["detailed_orders_csv"]["unmatched_orders"] == 2


def test_without_any_matched_order_only_a_header_is_published(platform: Platform) -> None:
    platform.feed("orders", f"{HEADER}\n4,Juno Sato,juno@example.org,99,1.00,1,1.00\n")
    platform.refresh()
    assert platform.detailed == DETAILED.splitlines(keepends=True)[0]


def test_a_changed_product_changes_its_orders_and_a_removed_one_makes_them_unmatched(
    platform: Platform,
) -> None:
    platform.refresh()
    platform.feed("products", PRODUCTS_CSV.replace("Tent", "Tarp").replace("1,Kettle", "4,Kettle"))
    report = platform.refresh("refresh_products")
    assert report["dynamodb_products"]["written"] == 2
    assert report["dynamodb_products"]["deleted"] == 1
    assert ",Tarp," in platform.detailed
    assert "Brandt" not in platform.detailed
    assert "Brandt" in platform.unmatched


def test_deliveries_of_others_are_loaded_like_the_feed(platform: Platform) -> None:
    platform.deliver("2026/11/late one+%é.csv", f"{HEADER}\n7,Kofi Abt,k@example.org,1,2,2,4\n")
    platform.deliver("notes.txt", "not a delivery")
    platform.deliver("folder/", "")
    report = platform.refresh()
    assert report["redshift_orders"]["new_deliveries"] == 2
    assert report["s3_orders"]["other_objects"] == 2
    assert "7,Kofi Abt,k@example.org,1,Kettle,Kitchen,Hale,2.00,2,4.00\n" in platform.detailed


def test_columns_in_another_order_load_correctly(platform: Platform) -> None:
    rows = [line.split(",") for line in (HEADER, "1,Ada Dahl,ada@example.org,2,10.00,3,30.00")]
    platform.feed("orders", "".join(",".join(reversed(row)) + "\n" for row in rows))
    platform.refresh()
    assert "1,Ada Dahl,ada@example.org,2,Tent,Outdoor,Ostrava,10.00,3,30.00\n" in platform.detailed


def test_an_unknown_column_is_skipped_and_reported(platform: Platform) -> None:
    platform.feed("orders", f"coupon,{HEADER}\nX9,1,Ada Dahl,ada@example.org,2,10.00,3,30.00\n")
    report = platform.refresh()
    assert report["redshift_orders"]["unknown_columns"] == {"coupon": ["input/orders/feed.csv"]}
    assert "1,Ada Dahl,ada@example.org,2,Tent,Outdoor,Ostrava,10.00,3,30.00\n" in platform.detailed


def test_deliveries_of_one_shape_are_one_copy(platform: Platform) -> None:
    for number in range(10, 20):
        platform.deliver(f"{number}.csv", f"{HEADER}\n{number},A,a@example.org,1,1,1,1\n")
    report = platform.refresh()
    # One more for the feed, which is a separate load.
    assert report["redshift_orders"]["copy_statements"] == 2
    assert report["redshift_orders"]["dagster/row_count"] == 13


def test_the_same_order_in_two_files_is_kept_twice_and_published_in_a_stable_order(
    platform: Platform,
) -> None:
    platform.deliver("again.csv", ORDERS_CSV.replace("Ada", "Zoe"))
    found = platform.checks()["order_ids_are_unique"]
    assert (found.passed, found.metadata["violations"].value) == (False, 3)
    first = platform.detailed
    assert first.count("\n1,") == 2
    platform.refresh()
    assert platform.detailed == first


def test_without_an_orders_feed_the_deliveries_alone_are_loaded(platform: Platform) -> None:
    platform.set_feeds(orders="")
    platform.deliver("a.csv", ORDERS_CSV)
    assert platform.refresh()["redshift_orders"]["dagster/row_count"] == 3


def test_without_deliveries_the_orders_table_is_empty(platform: Platform) -> None:
    platform.set_feeds(orders="")
    assert platform.refresh()["redshift_orders"]["dagster/row_count"] == 0


def test_a_gzipped_delivery_loads_like_a_plain_one(platform: Platform) -> None:
    platform.set_feeds(orders="")
    platform.deliver("a.csv.gz", gzip.compress(ORDERS_CSV.encode()))
    platform.refresh()
    assert platform.detailed == DETAILED


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_byte_order_marks_line_ends_and_quoted_newlines_load_correctly(
    platform: Platform, ending: str
) -> None:
    text = ORDERS_CSV.replace("\n", ending).replace("Brandt, Olga", "Brandt,\nOlga")
    platform.feed("orders", b"\xef\xbb\xbf" + text.encode())
    report = platform.refresh()
    assert report["s3_orders"]["dagster/row_count"] == 3
    assert platform.detailed == DETAILED.replace("Brandt, Olga", "Brandt,\nOlga")


def test_rows_removed_from_the_feed_are_removed_from_the_output(platform: Platform) -> None:
    platform.refresh()
    platform.feed("orders", "\n".join(ORDERS_CSV.splitlines()[:2]) + "\n")
    platform.refresh("refresh_orders")
    assert platform.detailed == "".join(DETAILED.splitlines(keepends=True)[:2])


def test_metadata_has_the_place_of_each_asset(platform: Platform) -> None:
    report = platform.refresh()
    bucket, schema = platform.bucket, platform.redshift.schema_name
    places = {
        name: metadata.get("dagster/uri") or metadata.get("dagster/table_name")
        for name, metadata in report.items()
    }
    assert places == {
        "raw_products_csv": f"s3://{bucket}/raw/products.csv",
        "dynamodb_products": f"dynamodb://{bucket}",
        "s3_orders": f"s3://{bucket}/input/orders/",
        "redshift_products": f"dev.{schema}.products",
        "redshift_orders": f"dev.{schema}.orders",
        "detailed_orders_csv": f"s3://{bucket}/output/detailed_orders.csv",
    }
    assert all(metadata["seconds"] > 0 for metadata in report.values())
    assert report["detailed_orders_csv"]["bytes"] == len(platform.detailed.encode())

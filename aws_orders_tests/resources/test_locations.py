"""Locations: what a URL or a path names, and how it appears in messages."""

import ast
from pathlib import Path

import pytest

import aws_orders
from aws_orders.errors import DataError
from aws_orders.resources.locations import (
    HttpUrl,
    LocalFile,
    S3Object,
    mask_urls,
    parse_location,
    without_secrets,
)
from aws_orders_tests.conftest import ORDERS_CSV, PRODUCTS_CSV, Platform

ODD_NAMES = ["a#2.csv", "a?b=c.csv", "50%.csv", "%20.csv", "a+b c.csv", "d//e.csv", "PO# 7?.csv"]


@pytest.mark.parametrize("name", [*ODD_NAMES, "/leading.csv", "s3://b/k.csv", "é.csv"])
def test_everything_after_the_bucket_is_the_key(name: str) -> None:
    assert parse_location(f"s3://bucket/{name}") == S3Object("bucket", name)


@pytest.mark.parametrize("name", [*ODD_NAMES, "a:b.csv", "C:\\a.csv", "http:/a.csv", "~a.csv"])
def test_a_text_without_a_scheme_is_a_path(name: str) -> None:
    assert parse_location(name) == LocalFile(Path(name))


@pytest.mark.parametrize("name", ["a b.csv", "50%.csv", "a#b.csv", "a?b.csv", "é+.csv"])
def test_a_file_url_names_its_path(name: str) -> None:
    path = Path("/tmp") / name
    assert parse_location(path.as_uri()) == LocalFile(path)
    assert parse_location(f"FILE://localhost{path}") == LocalFile(path)


def test_a_web_address_is_not_changed() -> None:
    url = "HTTPS://h/a%20b?sig=%2B#x"
    assert parse_location(url) == HttpUrl(url)


@pytest.mark.parametrize(
    "text", ["", "s3://", "s3://bucket", "s3://bucket/", "s3:///key", "ftp://h/p", "file://h/p"]
)
def test_a_text_that_is_not_a_location_is_rejected(text: str) -> None:
    with pytest.raises(DataError, match="expected"):
        parse_location(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://u:p@h:1/a?sig=1#f", "https://h:1/a"),
        ("http://u:p@ss@[::1/a?sig", "http://[::1/a"),
        ("s3://b/a?b#c@d", "s3://b/a?b#c@d"),
        ("/a?b#c", "/a?b#c"),
    ],
)
def test_messages_show_no_password_and_no_signature(text: str, shown: str) -> None:
    assert without_secrets(text) == shown
    assert mask_urls(f"no '{text}'") == f"no '{shown}'"


@pytest.mark.parametrize("name", ODD_NAMES)
def test_feeds_with_any_name_are_read(platform: Platform, name: str) -> None:
    right, wrong = PRODUCTS_CSV.encode(), b"wrong"
    for cut in "#?":
        if name.partition(cut)[1]:
            key = f"in/{name.partition(cut)[0]}"
            platform.s3.put_object(Bucket=platform.bucket, Key=key, Body=wrong)
    platform.s3.put_object(Bucket=platform.bucket, Key=f"in/{name}", Body=right)
    orders = platform.directory / name.replace("//", "_")
    orders.write_text(ORDERS_CSV)
    platform.set_feeds(products=f"s3://{platform.bucket}/in/{name}", orders=str(orders))
    platform.refresh("refresh_products")
    assert platform.refresh("refresh_orders")["s3_orders"]["dagster/row_count"] == 3


def test_no_other_module_parses_urls() -> None:
    package = Path(aws_orders.__file__).parent
    for path in package.rglob("*.py"):
        if path.name != "locations.py" and "local" not in path.parts:
            text = path.read_text()
            names = {n.attr for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Attribute)}
            names |= {n.id for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Name)}
            assert not names & {"urlsplit", "urlparse"}, path
            assert '"s3://").' not in text, path

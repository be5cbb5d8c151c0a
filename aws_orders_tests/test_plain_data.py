"""Deliveries, objects and product rows as plain data."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aws_orders.contract import PRODUCTS
from aws_orders.orders.deliveries import Listing, Shape, copy_manifest, group_by_shape, is_delivery
from aws_orders.products.products_file import CHUNK_ROWS, read_products, row_digest
from aws_orders.resources.objects import StoredObject, spans

HEADER = b"product_id,product_name,product_category,brand\n"


def stored(key: str, size: int = 1, etag: str = "e") -> StoredObject:
    return StoredObject(key, etag, size, datetime(2026, 11, 23, tzinfo=UTC))


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
def test_deliveries_are_csv_files_that_hold_something(key: str, size: int, expected: bool) -> None:
    assert is_delivery(stored(key, size)) is expected


def test_the_listings_digest_changes_with_keys_and_etags_alone() -> None:
    def digest(*objects: StoredObject) -> str:
        listing = Listing()
        for one in objects:
            listing.add(one)
        return listing.digest

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


@given(
    sizes=st.lists(st.integers(3, 60), min_size=1, max_size=6),
    limit=st.integers(1, 20),
)
def test_spans_cover_every_byte_once_and_the_header_only_in_front(
    sizes: list[int], limit: int
) -> None:
    parts = [stored(str(number), size) for number, size in enumerate(sizes)]
    pieces = spans(parts, repeated=3, limit=limit)
    assert all(0 < piece.end - piece.start <= limit for piece in pieces)
    joined = [(piece.key, byte) for piece in pieces for byte in range(piece.start, piece.end)]
    assert joined == [
        (part.key, byte)
        for number, part in enumerate(parts)
        for byte in range(3 if number else 0, part.size)
    ]


def test_products_are_read_in_chunks_with_their_physical_lines() -> None:
    rows = (b"%d,name,a,b\n" % number for number in range(CHUNK_ROWS + 1))
    chunks = list(read_products(iter([HEADER, *rows]), PRODUCTS, "f"))
    assert [len(chunk) for chunk in chunks] == [CHUNK_ROWS, 1]
    assert list(chunks[1].index) == [CHUNK_ROWS + 2]


def test_ids_are_read_as_plain_digits_and_unknown_columns_left_out() -> None:
    lines = [b"note,brand,product_category,product_id,product_name\n", b"x,b,c, +007 ,n\n"]
    (chunk,) = read_products(iter(lines), PRODUCTS, "f")
    assert chunk.to_dict("records") == [
        {"product_id": "7", "product_name": "n", "product_category": "c", "brand": "b"}
    ]


text = st.text(st.characters(exclude_characters="\x00\r\n", codec="utf-8"), max_size=20)


@given(st.dictionaries(st.integers(0, 10**17), st.tuples(text, text), max_size=20))
def test_any_text_survives_reading(products: dict[int, tuple[str, str]]) -> None:
    def quoted(value: str) -> str:
        return '"' + value.replace('"', '""') + '"'

    lines = [HEADER] + [
        f"{key},{quoted('n' + name)},{quoted(category)},\n".encode()
        for key, (name, category) in products.items()
    ]
    if not products:
        return
    rows = [
        row for chunk in read_products(lines, PRODUCTS, "f") for row in chunk.to_dict("records")
    ]
    assert {int(row["product_id"]): row["product_name"][1:] for row in rows} == {
        key: name for key, (name, _) in products.items()
    }
    assert [row["product_category"] for row in rows] == [c for _, c in products.values()]


def test_digests_tell_rows_apart_whatever_the_columns_order() -> None:
    assert row_digest({"a": "1", "b": "2"}) == row_digest({"b": "2", "a": "1"})
    assert row_digest({"a": "1", "b": "2"}) != row_digest({"a": "12", "b": ""})

"""Reading of products files: chunks, values and digests of rows."""

from hypothesis import given
from hypothesis import strategies as st

from aws_orders.contract import PRODUCTS
from aws_orders.products.products_file import CHUNK_ROWS, read_products, row_digest

HEADER = b"product_id,product_name,product_category,brand\n"


def test_products_are_read_in_chunks_with_their_physical_lines() -> None:
    rows = (b"%d,name,a,b\n" % number for number in range(CHUNK_ROWS + 1))
    chunks = list(read_products(iter([HEADER, *rows]), PRODUCTS, "f"))
    assert [len(chunk) for chunk in chunks] == [CHUNK_ROWS, 1]
    assert list(chunks[1].index) == [CHUNK_ROWS + 2]


def test_ids_are_read_as_plain_digits_and_unknown_columns_are_skipped() -> None:
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


def test_digests_differ_by_row_and_not_by_the_order_of_columns() -> None:
    assert row_digest({"a": "1", "b": "2"}) == row_digest({"b": "2", "a": "1"})
    assert row_digest({"a": "1", "b": "2"}) != row_digest({"a": "12", "b": ""})

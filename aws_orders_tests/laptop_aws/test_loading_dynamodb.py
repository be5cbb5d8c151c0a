"""COPY from DynamoDB as AWS documents it: items, options, rows, and errors.

See https://docs.aws.amazon.com/redshift/latest/dg/t_Loading-data-from-dynamodb.html
"""

from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from aws_orders_tests.laptop_aws.conftest import ROLE, Workplace

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import WriteRequestTypeDef

Item = dict[str, dict[str, Any]]
TEXT = "tab\t back\\slash\nline\r \\N '' \"q\", | é"
# Items, options after READRATIO 50, rows of (id, name, price).
EXAMPLES: dict[str, tuple[list[Item], str, list[tuple[Any, ...]]]] = {
    "names match in any case, other attributes are left out": (
        [{"id": {"S": "1"}, "NAME": {"S": TEXT}, "Price": {"N": "5"}, "more": {"SS": ["x"]}}],
        "", [(1, TEXT, Decimal(5))]),
    "digits in text go into numbers, and numbers into text": (
        [{"id": {"S": "7"}, "name": {"N": "0.5"}, "price": {"S": "1.5"}}],
        "", [(7, "0.5", Decimal("1.50"))]),
    "a missing attribute is empty, or NULL in numbers": ([{"id": {"S": "1"}}], "", [(1, "", None)]),
    "a missing attribute is NULL with EMPTYASNULL": (
        [{"id": {"S": "1"}}], "EMPTYASNULL", [(1, None, None)]),
    "so is an empty one": (
        [{"id": {"S": "1"}, "name": {"S": ""}}], "EMPTYASNULL", [(1, None, None)]),
    "decimals are cut off": (
        [{"id": {"S": "1"}, "price": {"N": "20.259"}},
         {"id": {"S": "2"}, "price": {"N": "-0.999"}}],
        "", [(1, "", Decimal("20.25")), (2, "", Decimal("-0.99"))]),
    "ROUNDEC rounds them": (
        [{"id": {"S": "1"}, "price": {"N": "20.255"}}], "ROUNDEC", [(1, "", Decimal("20.26"))]),
    "BLANKSASNULL": (
        [{"id": {"S": "1"}, "name": {"S": "  "}}], "BLANKSASNULL EMPTYASNULL", [(1, None, None)]),
    "TRUNCATECOLUMNS": (
        [{"id": {"S": "1"}, "name": {"S": "ü" * 3000}}], "TRUNCATECOLUMNS",
        [(1, "ü" * 2000, None)]),
    "what tells of load operations is taken": (
        [{"id": {"S": "1"}, "name": {"S": "a"}}],
        "COMPUPDATE OFF STATUPDATE OFF REGION 'us-east-1' TIMEFORMAT 'auto' DATEFORMAT 'auto'",
        [(1, "a", None)]),
    "NOLOAD loads nothing": ([{"id": {"S": "1"}}], "NOLOAD", []),
    "MAXERROR leaves out what is bad": (
        [{"id": {"S": "x"}}, {"id": {"S": "2"}, "name": {"BOOL": True}}, {"id": {"S": "3"}}],
        "MAXERROR 3", [(3, "", None)]),
    "no items": ([], "", []),
}  # fmt: skip


@pytest.fixture
def products(redshift: Workplace) -> Iterator[Workplace]:
    """Return the workplace and a writer for its DynamoDB table, which has the schema's name."""
    redshift.sql("CREATE TABLE products (id bigint, name varchar(4000), price decimal(12,2))")
    with closing(boto3.client("dynamodb")) as client:
        client.create_table(
            TableName=redshift.schema,
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        )
        yield redshift


def fill(place: Workplace, *items: Item) -> None:
    with closing(boto3.client("dynamodb")) as client:
        for start in range(0, len(items), 25):
            puts: list[WriteRequestTypeDef] = [
                {"PutRequest": {"Item": item}} for item in items[start : start + 25]
            ]
            client.batch_write_item(RequestItems={place.schema: puts})


def statement(place: Workplace, options: str) -> str:
    return f"COPY products FROM 'dynamodb://{place.schema}' IAM_ROLE '{ROLE}' {options}"


@pytest.mark.parametrize("shows", EXAMPLES)
def test_items_become_rows(products: Workplace, shows: str) -> None:
    items, options, rows = EXAMPLES[shows]
    fill(products, *items)
    products.sql(statement(products, f"READRATIO 50 {options}"))
    assert products.sql("SELECT * FROM products ORDER BY id") == rows


def test_a_column_list_selects_the_attributes_to_load(products: Workplace) -> None:
    fill(products, {"id": {"S": "1"}, "name": {"S": "a"}, "price": {"N": "2"}})
    products.sql(
        f"COPY products (\"price\", ID) FROM 'dynamodb://{products.schema}'"
        " IAM_ROLE default READRATIO AS 200"
    )
    assert products.sql("SELECT * FROM products") == [(1, None, Decimal(2))]


def test_more_than_a_page_of_items_is_loaded_each_once(products: Workplace) -> None:
    fill(products, *({"id": {"S": str(n)}, "name": {"S": "x" * 3000}} for n in range(1500)))
    products.sql(statement(products, "READRATIO 100"))
    assert products.sql("SELECT count(*), count(DISTINCT id) FROM products") == [(1500, 1500)]
    assert products.sql("SELECT pg_last_copy_count()") == [(1500,)]


@pytest.mark.parametrize(
    ("item", "column", "words"),
    [
        ({"id": {"S": "x"}}, "id", "Invalid digit, Value 'x', Pos 0, Type: Long"),
        ({"id": {"S": "1"}, "name": {"BOOL": True}}, "name", "BOOL"),
        ({"id": {"S": "1"}, "name": {"NULL": True}}, "name", "NULL"),
        ({"id": {"S": "1"}, "name": {"SS": ["a"]}}, "name", "SS"),
        ({"id": {"S": "1"}, "price": {"B": b"1"}}, "price", "B"),
        ({"id": {"S": "1"}, "name": {"M": {}}}, "name", "M"),
        ({"id": {"S": "1"}, "name": {"L": [{"S": "a"}]}}, "name", "L"),
        ({"id": {"S": "1"}, "name": {"S": "ü" * 2001}}, "name", "String length exceeds DDL length"),
        ({"id": {"S": "1"}, "price": {"N": "1e12"}}, "price", ""),
    ],
)
def test_an_item_that_cannot_be_loaded_is_recorded(
    products: Workplace, item: Item, column: str, words: str
) -> None:
    fill(products, item)
    error = products.fails(statement(products, "READRATIO 50"))
    assert "Load into table 'products' failed" in str(error)
    [(source, found, message)] = products.sql(
        "SELECT trim(file_name), trim(column_name), trim(error_message) FROM sys_load_error_detail"
        " WHERE query_id = pg_last_copy_id()"
    )
    assert (source, found) == (f"dynamodb://{products.schema}", column)
    assert words in message


@pytest.mark.parametrize(
    "option",
    [
        "ACCEPTINVCHARS",
        "AVRO 'auto'",
        "BZIP2",
        "CSV",
        "DELIMITER ','",
        "ENCRYPTED",
        "ESCAPE",
        "FILLRECORD",
        "FIXEDWIDTH 'id:3'",
        "FORMAT AS CSV",
        "GZIP",
        "IGNOREBLANKLINES",
        "IGNOREHEADER 1",
        "JSON 'auto'",
        "LZOP",
        "MANIFEST",
        "NULL AS 'x'",
        "QUOTE '%'",
        "REMOVEQUOTES",
        "ZSTD",
    ],
)
def test_an_option_that_redshift_lacks_for_dynamodb_is_named_in_the_error(
    products: Workplace, option: str
) -> None:
    fill(products, {"id": {"S": "1"}})
    words = str(products.fails(statement(products, f"READRATIO 50 {option}")))
    assert option.split()[0] in words or "CSV" in words
    assert products.sql("SELECT count(*) FROM products") == [(0,)]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("", "READRATIO"),
        ("READRATIO 0", "READRATIO"),
        ("READRATIO 201", "READRATIO"),
        ("READRATIO", "syntax error"),
        ("READRATIO 1.5", "syntax error"),
        ("READRATIO 50 READRATIO 50", "READRATIO"),
        ("READRATIO 50 SLOWLY", 'syntax error at or near "SLOWLY"'),
    ],
)
def test_an_invalid_statement_is_rejected(products: Workplace, options: str, words: str) -> None:
    assert words in str(products.fails(statement(products, options)))


def test_a_missing_table_is_named(products: Workplace) -> None:
    error = products.fails("COPY products FROM 'dynamodb://absent' IAM_ROLE default READRATIO 1")
    assert "absent" in str(error)

"""COPY from S3 and from DynamoDB, through the real server."""

import gzip
import json
from decimal import Decimal

import psycopg2
import pytest

from aws_orders_tests.local.conftest import ROLE

HEADER = "order_id,customer_name,price,placed_at\n"
CSV = "CSV IGNOREHEADER 1 ROUNDEC"


@pytest.fixture
def orders(redshift):
    redshift.sql(
        "CREATE TABLE orders (order_id bigint NOT NULL, customer_name varchar(10),"
        " price decimal(12,2), placed_at timestamp)"
    )
    return redshift


def rows(place, columns="order_id, customer_name, price"):
    return place.sql(f"SELECT {columns} FROM orders ORDER BY order_id")


def fails(place, options=CSV, key="in/"):
    with pytest.raises(psycopg2.Error) as caught:
        place.copy("orders", key, options)
    return str(caught.value).strip()


def manifest(place, *entries):
    listed = [{"url": place.url(key), "mandatory": must} for key, must in entries]
    place.put("runs/orders.manifest", json.dumps({"entries": listed}))


def test_what_the_platform_sends_loads(orders):
    orders.put("in/1.csv", "price,order_id,customer_name\n20.255,1,Ann\n")
    manifest(orders, ("in/1.csv", True))
    orders.sql(
        f"""COPY "orders" ("price", "order_id", "customer_name")
        FROM '{orders.url("runs/orders.manifest")}' IAM_ROLE '{ROLE}'
        MANIFEST FORMAT AS CSV IGNOREHEADER 1 EMPTYASNULL ROUNDEC TIMEFORMAT 'auto'
        DATEFORMAT 'auto' COMPUPDATE OFF STATUPDATE OFF REGION 'us-east-1'"""
    )
    assert rows(orders) == [(1, "Ann", Decimal("20.26"))]
    assert orders.connection.notices[-1] == (
        "INFO:  Load into table 'orders' completed, 1 record(s) loaded successfully.\n"
    )


def test_every_object_under_a_prefix_is_loaded_whatever_its_line_ends(orders):
    orders.put("in/1.csv", b"\xef\xbb\xbf" + HEADER.encode() + b"1,A,1,\n2,B,2,")
    orders.put("in/2.csv", HEADER.replace("\n", "\r\n") + '3,"a\r\nb",3,\r\n4,D,4,\r\n')
    orders.put("in/3.csv", HEADER + "5,E,5,\n6,F,6,\r\n")
    orders.put("in/4.csv", HEADER.strip())
    orders.copy("orders", "in/", CSV)
    names = ["A", "B", "a\r\nb", "D", "E", "F"]
    assert [name for _, name, _ in rows(orders)] == names
    assert orders.sql("SELECT pg_last_copy_count()") == [(6,)]


def test_empty_fields_are_null_unless_a_character_column_keeps_them(orders):
    orders.put("in/1.csv", HEADER + '1,,,\n2,"","",""\n')
    orders.copy("orders", "in/", CSV)
    assert rows(orders) == [(1, "", None), (2, "", None)]
    orders.sql("DELETE FROM orders")
    orders.copy("orders", "in/", f"{CSV} EMPTYASNULL")
    assert rows(orders) == [(1, None, None), (2, None, None)]


def test_gzip_is_unpacked_several_members_too(orders):
    members = gzip.compress((HEADER + "1,A,1,\n").encode()) + gzip.compress(b"2,B,2,\n")
    orders.put("in/1.gz", members)
    orders.copy("orders", "in/", f"{CSV} GZIP")
    assert len(rows(orders)) == 2
    orders.put("in/2.gz", "plain")
    assert "in/2.gz is not valid GZIP" in fails(orders, f"{CSV} GZIP")


def test_a_manifest_may_miss_what_is_not_mandatory_and_name_a_file_twice(orders):
    orders.put("in/1.csv", "1,A,1,\n")
    manifest(orders, ("in/1.csv", True), ("in/no.csv", False), ("in/1.csv", True))
    orders.copy("orders", "runs/orders.manifest", "CSV MANIFEST ROUNDEC")
    assert len(rows(orders)) == 2
    manifest(orders, ("in/1.csv", True), ("in/no.csv", True))
    words = fails(orders, "CSV MANIFEST ROUNDEC", "runs/orders.manifest")
    assert orders.url("in/no.csv") in words
    assert len(rows(orders)) == 2


@pytest.mark.parametrize(
    ("row", "column", "message"),
    [
        ("9,N,1x.5,", "price", "Invalid digit, Value 'x', Pos 1, Type: Decimal"),
        ("a,N,1,", "order_id", "Invalid digit, Value 'a', Pos 0, Type: Long"),
        ("99999999999999999999,N,1,", "order_id", "Overflow, Type: Long"),
        ("9,Bartholomew,1,", "customer_name", "String length exceeds DDL length"),
        (",N,1,", "order_id", "Missing data for not-null field"),
        ("9,N,1,,", "", "Extra column(s) found"),
        ("9,N", "", "Delimiter not found"),
        ("9,N,1,soon", "placed_at", "Invalid timestamp format or value"),
        ('9,"N,1,', "", "Invalid quote formatting for CSV"),
        (b"9,\xff,1,", None, "Invalid UTF8 hex sequence: ff (error 4)"),
    ],
)
def test_a_bad_row_is_recorded_with_its_file_and_line_and_nothing_is_loaded(
    orders, row, column, message
):
    bad = row if isinstance(row, bytes) else row.encode()
    orders.put("in/1.csv", HEADER + "1,A,1,\n")
    orders.put("in/2.csv", HEADER.encode() + b'2,"B\nB",2,\n' + bad)
    orders.put("in/3.csv", HEADER + "3,C,3,\n")
    assert fails(orders) == (
        "Load into table 'orders' failed.  Check 'sys_load_error_detail' system table for details."
    )
    [(url, line, found, text)] = orders.load_errors()
    assert (url, line, text) == (orders.url("in/2.csv"), 4, message)
    assert found == (column or "")
    assert rows(orders) == []
    assert orders.sql("SELECT pg_last_copy_count()") == [(0,)]


def test_a_load_error_carries_what_redshift_tells(orders):
    orders.put("in/1.csv", "1,A,x,\n")
    fails(orders, "CSV ROUNDEC")
    assert orders.sql(
        "SELECT user_id = current_user::regrole::oid::int, query_id = pg_last_copy_id(),"
        " database_name, table_id = 'orders'::regclass::oid::int, column_type, column_length,"
        " position, error_code, start_time <= getdate() + interval '1 second'"
        " FROM sys_load_error_detail WHERE session_id = pg_backend_pid()"
    ) == [(True, True, "dev", True, "numeric", "12,2", 0, 1207, True)]


def test_a_copy_in_a_transaction_goes_with_it(orders):
    orders.put("in/1.csv", "1,A,1,\n")
    orders.sql("BEGIN")
    orders.copy("orders", "in/")
    assert len(rows(orders)) == 1
    orders.sql("ROLLBACK")
    assert rows(orders) == []
    orders.sql("BEGIN ISOLATION LEVEL SERIALIZABLE")
    orders.sql('LOCK "orders"')
    orders.copy("orders", "in/")
    orders.sql("COMMIT")
    assert len(rows(orders)) == 1


@pytest.mark.parametrize("bad", ["row", "option", "prefix"])
def test_a_failed_copy_fails_the_transaction_and_its_error_outlives_it(orders, bad):
    orders.put("in/1.csv", "x,A,1,\n")
    orders.sql("BEGIN")
    orders.sql("INSERT INTO orders VALUES (7)")
    options = "CSV ROUNDEC NOLOAD" if bad == "option" else "CSV ROUNDEC"
    fails(orders, options, "none/" if bad == "prefix" else "in/")
    for statement in ("SELECT 1", f"COPY orders FROM '{orders.url('in/')}' IAM_ROLE default CSV"):
        with pytest.raises(psycopg2.errors.InFailedSqlTransaction):
            orders.sql(statement)
    orders.sql("ROLLBACK")
    assert rows(orders) == []
    assert len(orders.load_errors()) == (1 if bad == "row" else 0)


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("COPY orders FROM 's3://{bucket}/no/' IAM_ROLE default CSV ROUNDEC", "prefix 'no/'"),
        ("COPY orders FROM 's3://no-bucket/x' IAM_ROLE default CSV ROUNDEC", "bucket"),
        ("COPY orders FROM 's3://{bucket}/m' IAM_ROLE default CSV ROUNDEC MANIFEST", "manifest"),
        ("COPY nowhere FROM 's3://{bucket}/x' IAM_ROLE default CSV", "nonexistent table nowhere"),
        ("COPY orders (wrong) FROM 's3://{bucket}/x' IAM_ROLE default CSV", '"wrong"'),
        ("COPY orders FROM 's3://{bucket}/x' IAM_ROLE default CSV", "without ROUNDEC"),
        ("COPY orders FROM 's3://{bucket}/x' IAM_ROLE default CSV FILLRECORD", "FILLRECORD"),
        ("COPY orders FROM 'dynamodb://no' IAM_ROLE default READRATIO 1", "table 'no' does not"),
        ("SELECT 1; COPY orders FROM 's3://{bucket}/x' IAM_ROLE default CSV", "other statements"),
    ],
)
def test_what_cannot_be_done_is_said_and_the_session_goes_on(orders, statement, words):
    with pytest.raises(psycopg2.Error, match=words):
        orders.sql(statement.format(bucket=orders.bucket))
    assert orders.sql("SELECT 1") == [(1,)]


@pytest.fixture
def products(redshift):
    client = redshift.redshift.client("dynamodb")
    client.create_table(
        TableName=redshift.schema,
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    redshift.sql("CREATE TABLE products (id bigint, name varchar(4000), price decimal(12,2))")

    def load(*items, options=""):
        for start in range(0, len(items), 25):
            puts = [{"PutRequest": {"Item": item}} for item in items[start : start + 25]]
            client.batch_write_item(RequestItems={redshift.schema: puts})
        redshift.sql(
            f'COPY "products" ("id", "name", "price") FROM \'dynamodb://{redshift.schema}\''
            f" IAM_ROLE '{ROLE}' READRATIO 50 COMPUPDATE OFF STATUPDATE OFF"
            f" REGION 'us-east-1' {options}"
        )
        return redshift.sql("SELECT * FROM products ORDER BY id")

    yield load
    client.close()


def test_items_become_rows_by_name_and_strange_text_survives(products):
    text = "tab\t back\\slash\nline\r \\N ''"
    item = {"id": {"S": "1"}, "NAME": {"S": text}, "Price": {"N": "20.259"}, "more": {"SS": ["x"]}}
    # DECIMAL truncates, as on Redshift, without ROUNDEC.
    assert products(item) == [(1, text, Decimal("20.25"))]
    assert products({"id": {"S": "2"}, "price": {"N": "1.005"}}, options="EMPTYASNULL ROUNDEC") == [
        (1, text, Decimal("20.25")),
        (1, text, Decimal("20.26")),
        (2, None, Decimal("1.01")),
    ]


def test_a_missing_attribute_is_null_or_empty_as_asked(products):
    assert products({"id": {"S": "1"}}) == [(1, "", None)]


def test_more_than_a_page_of_items_is_loaded(redshift, products):
    items = [{"id": {"S": str(n)}, "name": {"S": "x" * 3000}} for n in range(1500)]
    assert len(products(*items)) == 1500
    assert redshift.sql("SELECT pg_last_copy_count()") == [(1500,)]


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({"id": {"S": "x"}}, "Invalid digit, Value 'x', Pos 0, Type: Long"),
        ({"id": {"S": "1"}, "name": {"BOOL": True}}, "Unsupported DynamoDB data type BOOL"),
    ],
)
def test_an_item_that_cannot_be_loaded_is_recorded(redshift, products, item, message):
    with pytest.raises(psycopg2.Error, match="Load into table 'products' failed"):
        products(item)
    [(source, _, _, text)] = redshift.load_errors()
    assert source == f"dynamodb://{redshift.schema}"
    assert text.startswith(message)

"""The text of composed SQL, which is the same on the laptop and on Redshift."""

from collections.abc import Iterator

import pytest
from psycopg2.extensions import connection
from psycopg2.sql import SQL, Composable

from aws_orders.contract import ORDERS, PRODUCTS
from aws_orders.output import sql
from aws_orders.resources.redshift import statements
from aws_orders_tests.conftest import Platform

ROLE = "arn:aws:iam::123456789012:role/warehouse"


@pytest.fixture
def quoting(platform: Platform) -> Iterator[connection]:
    """Open a connection, which quotes literals."""
    with platform.redshift.session() as session:
        yield session.connection


def test_tables_are_created_from_the_contract(quoting: connection) -> None:
    assert statements.create_table("shop", ORDERS).as_string(quoting) == (
        'CREATE TABLE IF NOT EXISTS "shop"."orders" (\n'
        '    "order_id" BIGINT NOT NULL,\n'
        '    "customer_name" VARCHAR(512),\n'
        '    "customer_email" VARCHAR(512),\n'
        '    "product_id" BIGINT,\n'
        '    "price" DECIMAL(12,2),\n'
        '    "quantity" INTEGER,\n'
        '    "total" DECIMAL(12,2),\n'
        '    "order_date" TIMESTAMP,\n'
        '    "load_id" BIGINT NOT NULL\n'
        ")"
    )


def test_a_stage_has_the_files_columns_in_the_files_order(quoting: connection) -> None:
    statement = statements.create_stage("stage", PRODUCTS, ["brand", 'odd "one"', "product_id"])
    assert statement.as_string(quoting) == (
        'CREATE TEMP TABLE "stage" (\n'
        '    "brand" VARCHAR(256),\n'
        '    "odd ""one""" VARCHAR(65535),\n'
        '    "product_id" BIGINT NOT NULL\n'
        ")"
    )


def test_deliveries_are_copied_by_manifest_with_the_columns_of_the_file(
    quoting: connection,
) -> None:
    statement = statements.copy_deliveries(
        "stage", ["total", "order_id"], "s3://b/x'y.manifest", ROLE, "eu-west-1", gzip=True
    )
    assert statement.as_string(quoting) == (
        'COPY "stage" ("total", "order_id")\n'
        "FROM 's3://b/x''y.manifest'\n"
        f"IAM_ROLE '{ROLE}' REGION 'eu-west-1'\n"
        "MANIFEST FORMAT AS CSV IGNOREHEADER 1 GZIP\n"
        "ROUNDEC EMPTYASNULL TIMEFORMAT 'auto' COMPUPDATE OFF STATUPDATE OFF"
    )


def test_products_are_copied_from_dynamodb_with_options_that_are_allowed_there(
    quoting: connection,
) -> None:
    statement = statements.copy_dynamodb("stage", ["product_id"], "products", "default", "")
    assert statement.as_string(quoting) == (
        'COPY "stage" ("product_id")\n'
        "FROM 'dynamodb://products'\n"
        "IAM_ROLE default\n"
        "READRATIO 50 EMPTYASNULL COMPUPDATE OFF STATUPDATE OFF"
    )


def test_the_join_is_sorted_by_all_its_columns(quoting: connection) -> None:
    assert sql.select_detailed("shop").as_string(quoting) == (
        "SELECT\n"
        '    "orders"."order_id" AS "order_id",\n'
        '    "orders"."customer_name" AS "customer_name",\n'
        '    "orders"."customer_email" AS "customer_email",\n'
        '    "orders"."product_id" AS "product_id",\n'
        '    "products"."product_name" AS "product_name",\n'
        '    "products"."product_category" AS "product_category",\n'
        '    "products"."brand" AS "product_brand",\n'
        '    "orders"."price" AS "price",\n'
        '    "orders"."quantity" AS "quantity",\n'
        '    "orders"."total" AS "total"\n'
        'FROM "shop"."orders" AS orders\n'
        'JOIN "shop"."products" AS products ON products.product_id = orders.product_id\n'
        'ORDER BY "order_id", "customer_name", "customer_email", "product_id", "product_name", '
        '"product_category", "product_brand", "price", "quantity", "total"'
    )


def test_quotes_inside_an_unloaded_query_are_doubled(quoting: connection) -> None:
    query = SQL("SELECT 'it''s'")
    statement = statements.unload(query, "s3://b/p_", ROLE, "", quoting).as_string(quoting)
    assert statement == (
        "UNLOAD ('SELECT ''it''''s''')\n"
        "TO 's3://b/p_'\n"
        f"IAM_ROLE '{ROLE}'\n"
        "FORMAT AS CSV HEADER PARALLEL OFF MANIFEST VERBOSE"
    )


@pytest.mark.parametrize(
    "statement",
    [
        statements.lock("shop", ORDERS),
        statements.delete_all("shop", ORDERS),
        statements.insert_from_stage("shop", ORDERS, "stage"),
        statements.copy_deliveries("stage", ["a"], "s3://b/m", ROLE, "", gzip=False),
        statements.copy_dynamodb("stage", ["a"], "t", ROLE, ""),
    ],
)
def test_no_statement_truncates_or_carries_keys(quoting: connection, statement: Composable) -> None:
    text = statement.as_string(quoting).upper()
    assert not {"TRUNCATE", "CREDENTIALS", "ACCESS_KEY_ID", "SESSION_TOKEN"} & set(text.split())

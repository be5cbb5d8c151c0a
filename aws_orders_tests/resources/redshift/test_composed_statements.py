"""Every function that composes SQL, with every combination of arguments."""

import inspect
import itertools
import re
from collections.abc import Callable, Iterator
from typing import Any

import psycopg2.extensions
import pytest
from psycopg2.sql import SQL, Composable

from aws_orders.contract import ORDERS, ORDERS_LOADS, ORDERS_REJECTED, PRODUCTS
from aws_orders.orders import sql as orders_sql
from aws_orders.output import rules
from aws_orders.output import sql as output_sql
from aws_orders.output.rules import ORDER_RULES, ORDERS_SCAN, PRODUCT_RULES, PRODUCTS_SCAN
from aws_orders.resources.redshift import statements
from aws_orders_tests.conftest import Platform
from aws_orders_tests.resources.redshift.statement_rules import complaints, inner, unread

# Arguments for the functions that compose SQL, by parameter; all combinations are tested.
VALUES: dict[str, list[Any]] = {
    "schema": ["shop", 'odd "schema"'],
    "table": [ORDERS, PRODUCTS, ORDERS_LOADS, ORDERS_REJECTED],
    "stage": ["stage"],
    "column": ["total", 'odd "one"'],
    "columns": [(*ORDERS.names, "delivery"), ("delivery", 'odd "one"', "product_id")],
    "manifest_uri": ["s3://bucket/it's/a.manifest"],
    "iam_role": ["default", "arn:aws:iam::123456789012:role/it's"],
    "region": ["", "eu-west-1"],
    "gzip": [False, True],
    "max_errors": [0, 10],
    "dynamodb_table": ["products"],
    "rows": [1, 3],
    "query": [output_sql.select_detailed("it's"), output_sql.select_unmatched("shop")],
    "uri": ["s3://bucket/it's/part_"],
}
# Functions that do not return a complete statement.
FRAGMENTS = {"names"}


def functions() -> dict[str, Callable[..., Composable]]:
    return {
        name: function
        for module in (statements, orders_sql, output_sql)
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__
        and not name.startswith("_")
        and name not in FRAGMENTS
    }


def rule_queries(schema: str) -> list[Composable]:
    """Return all queries of `rules`."""
    scans = [(PRODUCT_RULES, PRODUCTS_SCAN), (ORDER_RULES, ORDERS_SCAN)]
    asked = [rule.faulty for applied, _ in scans for rule in applied]
    asked += [text for text in vars(rules).values() if isinstance(text, SQL)]
    tallies = [rules.tally(schema, applied, scan) for applied, scan in scans]
    return [*tallies, *(rules.filled(text, schema) for text in asked)]


@pytest.fixture
def connection(platform: Platform) -> Iterator[psycopg2.extensions.connection]:
    """Open a connection, which quotes literals."""
    with platform.redshift.session() as session:
        yield session.connection


def written(name: str, connection: psycopg2.extensions.connection) -> list[str]:
    """Return the statements that a function composes from all combinations of arguments."""
    function = functions()[name]
    parameters = [p for p in inspect.signature(function).parameters if p != "context"]
    for parameter in parameters:
        assert parameter in VALUES, (
            f"{name} has the parameter {parameter}, and VALUES in this file has no value for "
            "it. Add one or more that are typical, and one with a quote if it is text; or add "
            f"{name} to FRAGMENTS, if it does not return a complete statement."
        )
    context = {"context": connection} if "context" in inspect.signature(function).parameters else {}
    texts = []
    for values in itertools.product(*(VALUES[parameter] for parameter in parameters)):
        arguments = dict(zip(parameters, values, strict=True))
        texts.append(function(**arguments, **context).as_string(connection))
    return [re.sub("%s", "1", re.sub("IN %s", "IN (1, 2)", text)) for text in texts]


@pytest.mark.parametrize("name", functions())
def test_statements_follow_redshifts_grammar_and_rules(
    connection: psycopg2.extensions.connection, name: str
) -> None:
    for text in written(name, connection):
        assert complaints(text) == []
        assert unread(text) == [], text
        if text.startswith("UNLOAD"):
            assert unread(inner(text)) == [], text


def test_the_queries_of_checks_follow_redshifts_grammar_and_rules(
    connection: psycopg2.extensions.connection,
) -> None:
    for query in rule_queries('odd "schema"'):
        text = query.as_string(connection)
        assert complaints(text) == []
        assert unread(text) == [], text

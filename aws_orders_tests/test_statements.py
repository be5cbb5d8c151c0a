"""Every statement that the platform can send, held against Redshift's rules and grammar.

Real Redshift is not within reach of the tests. The statements are those of `sql`, its functions
called with the arguments below, and those that runs on the laptop's stack really send. The rules
are AWS's, each with its page; the grammar is sqlfluff's reading of Redshift's dialect.
"""

import inspect
import itertools
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import psycopg2.extensions
import pytest
from psycopg2.sql import SQL, Composable
from sqlfluff.core import FluffConfig, Linter

from aws_orders.contract import ORDERS, ORDERS_LOADS, ORDERS_REJECTED, PRODUCTS
from aws_orders.doctor.live import prove
from aws_orders.doctor.warehouse import warehouse
from aws_orders.orders import sql as orders_sql
from aws_orders.output import rules
from aws_orders.output import sql as output_sql
from aws_orders.output.rules import ORDER_RULES, ORDERS_SCAN, PRODUCT_RULES, PRODUCTS_SCAN
from aws_orders.resources.redshift import resource, statements
from aws_orders_tests.conftest import ORDERS_CSV, PRODUCTS_CSV, Platform

# What to call the functions of `sql` with, by the parameter's name; all combinations are tried.
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
# Functions that return no whole statement.
FRAGMENTS = {"names"}

linter = Linter(config=FluffConfig(overrides={"dialect": "redshift"}))


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
    """Return all that `rules` asks."""
    scans = [(PRODUCT_RULES, PRODUCTS_SCAN), (ORDER_RULES, ORDERS_SCAN)]
    asked = [rule.faulty for applied, _ in scans for rule in applied]
    asked += [text for text in vars(rules).values() if isinstance(text, SQL)]
    tallies = [rules.tally(schema, applied, scan) for applied, scan in scans]
    return [*tallies, *(rules.filled(text, schema) for text in asked)]


@pytest.fixture
def connection(platform: Platform) -> Iterator[psycopg2.extensions.connection]:
    """Open a connection, which is what quotes literals."""
    with platform.redshift.session() as session:
        yield session.connection


def written(name: str, connection: psycopg2.extensions.connection) -> list[str]:
    """Return what a function of `sql` gives, for every combination of arguments."""
    function = functions()[name]
    parameters = [p for p in inspect.signature(function).parameters if p != "context"]
    for parameter in parameters:
        assert parameter in VALUES, (
            f"sql.{name} has the parameter {parameter}, and VALUES in this file has no value for "
            "it. Add one or more that are typical, and one with a quote if it is text; or add "
            f"{name} to FRAGMENTS, if it returns no whole statement."
        )
    context = {"context": connection} if "context" in inspect.signature(function).parameters else {}
    texts = []
    for values in itertools.product(*(VALUES[parameter] for parameter in parameters)):
        arguments = dict(zip(parameters, values, strict=True))
        texts.append(function(**arguments, **context).as_string(connection))
    return [re.sub("%s", "1", re.sub("IN %s", "IN (1, 2)", text)) for text in texts]


# --- Rules for one statement --------------------------------------------------------------------

STRING = re.compile(r"'(?:[^']|'')*'")
NAME = re.compile(r'"(?:[^"]|"")*"')


def bare(text: str) -> str:
    """Return a statement in capitals, without what its strings and quoted names say."""
    return NAME.sub('""', STRING.sub("''", text)).upper()


def words(text: str) -> list[str]:
    return re.findall(r"[A-Z_]+|\d+|[*]", bare(text))


# https://docs.aws.amazon.com/redshift/latest/dg/copy-parameters-data-source-dynamodb.html
NOT_FROM_DYNAMODB = set(
    """
    CSV FORMAT DELIMITER FIXEDWIDTH AVRO JSON PARQUET ORC ESCAPE FILLRECORD IGNOREBLANKLINES
    IGNOREHEADER NULL QUOTE REMOVEQUOTES ACCEPTINVCHARS MANIFEST ENCRYPTED GZIP BZIP2 LZOP ZSTD
    """.split()  # noqa: SIM905 - forty quotes would hide them
)
# https://docs.aws.amazon.com/redshift/latest/dg/copy-parameters-authorization.html
KEYS = {"CREDENTIALS", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN"}


def complaints(text: str) -> list[str]:
    """Return what is wrong with a statement that real Redshift gets."""
    said, found = words(text), []

    def rule(holds: object, complaint: str) -> None:
        if not holds:
            found.append(f"{complaint}: {text}")

    first = said[0]
    rule(not KEYS & set(said), "only IAM_ROLE may authorise")
    # TRUNCATE commits what is pending; VACUUM and ALTER TABLE APPEND need no transaction around
    # them. https://docs.aws.amazon.com/redshift/latest/dg/r_TRUNCATE.html
    rule(first not in ("TRUNCATE", "VACUUM", "ALTER"), "ends or forbids a transaction")
    rule(not re.search(r"SELECT\s+[*]|[.][*]", bare(text)), "columns must be listed")
    # psycopg2 writes backslashes so, and UNLOAD would have to quote them twice.
    rule(not re.search(r"\bE'", bare(text)), "escape strings are not for Redshift")
    # https://docs.aws.amazon.com/redshift/latest/dg/t_Defining_constraints.html
    rule(not {"PRIMARY", "FOREIGN", "REFERENCES", "UNIQUE"} & set(said), "not enforced, yet used")
    rule(not {"FLOAT", "REAL", "DOUBLE"} & set(said), "inexact")
    if first == "INSERT":
        rule(re.match(r'INSERT INTO [\w".]+ \(', bare(text)), "columns must be listed")
    if first in ("COPY", "UNLOAD"):
        rule(said.count("IAM_ROLE") == 1, "IAM_ROLE is required")
    if first == "COPY":
        rule(re.match(r'COPY ""\s*\(', bare(text)), "into a temporary table, columns listed")
        if "FROM 'dynamodb://" in text:
            forbidden = NOT_FROM_DYNAMODB & set(said)
            rule(not forbidden, f"not allowed from DynamoDB: {forbidden}")
            ratio = re.search(r"READRATIO (\d+)", bare(text))
            rule(ratio and 1 <= int(ratio[1]) <= 200, "READRATIO from 1 to 200 is required")
        else:
            # https://docs.aws.amazon.com/redshift/latest/dg/copy-parameters-data-source-s3.html
            rule("FROM 's3://" in text and "MANIFEST" in said, "a path is a prefix: use a manifest")
            rule("ROUNDEC" in said, "surplus decimals are cut off without ROUNDEC")
            rule("IGNOREALLERRORS" not in said, "rows would be skipped in silence")
    if first == "UNLOAD":
        # https://docs.aws.amazon.com/redshift/latest/dg/r_UNLOAD.html
        rule({"PARALLEL", "MANIFEST", "HEADER", "CSV"} <= set(said), "one order, one manifest")
        rule(not {"CLEANPATH", "ALLOWOVERWRITE"} & set(said), "deletes, or leaves, others' files")
        rule(not {"ESCAPE", "ADDQUOTES"} & set(said), "not allowed with CSV")
        found += complaints(inner(text))
        rule("LIMIT" not in words(inner(text)), "no LIMIT inside UNLOAD")
        rule("ORDER" in words(inner(text)), "its order must be its own")
    if first == "FETCH":
        # https://docs.aws.amazon.com/redshift/latest/dg/fetch.html
        count = re.search(r"FORWARD (\d+)", text)
        rule(count and int(count[1]) <= 1000, "a single-node cluster gives 1000 rows at most")
    return found


def inner(unload: str) -> str:
    """Return the query inside an UNLOAD, its quotes no longer doubled."""
    query = STRING.search(unload)
    assert query, unload
    return query[0][1:-1].replace("''", "'")


def unread(text: str) -> list[str]:
    """Return the parts of a statement that are not in Redshift's grammar, as sqlfluff reads it."""
    parsed = linter.parse_string(text)
    told = [str(violation) for violation in parsed.violations]
    if parsed.tree is None:
        return told or [text]
    return told + [part.raw for part in parsed.tree.recursive_crawl("unparsable")]


@pytest.mark.parametrize("name", functions())
def test_a_statement_is_in_redshifts_grammar_and_keeps_its_rules(
    connection: psycopg2.extensions.connection, name: str
) -> None:
    for text in written(name, connection):
        assert complaints(text) == []
        assert unread(text) == [], text
        if text.startswith("UNLOAD"):
            assert unread(inner(text)) == [], text


def test_the_rules_of_checks_are_in_redshifts_grammar_too(
    connection: psycopg2.extensions.connection,
) -> None:
    for query in rule_queries('odd "schema"'):
        text = query.as_string(connection)
        assert complaints(text) == []
        assert unread(text) == [], text


COPY = 'COPY "s" ("a") FROM \'s3://b/m\' IAM_ROLE default MANIFEST CSV ROUNDEC'
ITEMS = 'COPY "s" ("a") FROM \'dynamodb://t\' IAM_ROLE default READRATIO 50'
UNLOAD = (
    "UNLOAD ('SELECT a FROM t ORDER BY a') TO 's3://b/p' IAM_ROLE default "
    "CSV HEADER PARALLEL OFF MANIFEST"
)


@pytest.mark.parametrize(
    "text",
    [
        "TRUNCATE t",
        "VACUUM t",
        "ALTER TABLE t APPEND FROM s",
        'SELECT * FROM "t"',
        "INSERT INTO t SELECT a FROM s",
        "SELECT E'a\\\\b'",
        "CREATE TABLE t (a BIGINT PRIMARY KEY)",
        "CREATE TABLE t (a FLOAT)",
        "FETCH FORWARD 5000 FROM streamed",
        COPY.replace("IAM_ROLE default", "CREDENTIALS 'aws_access_key_id=x'"),
        COPY.replace("MANIFEST ", ""),
        COPY.replace(" ROUNDEC", ""),
        COPY.replace(' ("a")', ""),
        COPY.replace('"s"', '"shop"."orders"'),
        COPY + " IGNOREALLERRORS",
        ITEMS.replace("READRATIO 50", ""),
        ITEMS.replace("READRATIO 50", "READRATIO 500"),
        ITEMS + " CSV",
        ITEMS + " MANIFEST",
        UNLOAD.replace("MANIFEST", ""),
        UNLOAD.replace("SELECT a", "SELECT *"),
        UNLOAD.replace("ORDER BY a", ""),
        UNLOAD.replace("ORDER BY a", "ORDER BY a LIMIT 10"),
        UNLOAD + " CLEANPATH",
    ],
)
def test_the_rules_refuse_what_redshift_would_or_we_should_regret(text: str) -> None:
    assert complaints(text)


@pytest.mark.parametrize("text", [COPY, ITEMS, UNLOAD])
def test_the_rules_and_the_grammar_take_what_is_right(text: str) -> None:
    assert complaints(text) == []
    assert unread(text) == []


@pytest.mark.parametrize(
    "text",
    [
        COPY + " NOSUCHOPTION",
        UNLOAD.replace("CSV", "COMMA SEPARATED"),
        "LOCK EVERY TABLE",
        "CREATE TABLE t (a BIGINT NOT NOT NULL)",
        "INSERT INTO t (a,) VALUES (1)",
    ],
)
def test_the_grammar_refuses_what_is_none_of_redshifts(text: str) -> None:
    assert unread(text)


# --- What runs really send ----------------------------------------------------------------------

Sent = dict[int, list[str]]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Sent:
    """Record what is sent from now on, as bytes on the wire have it, by connection."""
    recorded: Sent = defaultdict(list)

    class Recorder(psycopg2.extensions.cursor):
        def execute(self, query: Any, arguments: Any = None) -> None:
            try:
                super().execute(query, arguments)
            finally:
                recorded[self.connection.info.backend_pid].append((self.query or b"").decode())

    opened = resource.connect

    def connect(*arguments: Any) -> psycopg2.extensions.connection:
        connection = opened(*arguments)
        connection.cursor_factory = Recorder
        return connection

    monkeypatch.setattr(resource, "connect", connect)
    return recorded


@pytest.fixture
def everything(platform: Platform, sent: Sent) -> Sent:
    """Have the platform do all that it can, and record what that sends."""
    platform.refresh()
    platform.deliver("more.csv", ORDERS_CSV.replace("order_id", "note,order_id"))
    platform.fault()  # a row is a field short
    platform.deliver("more.csv", ORDERS_CSV)
    platform.refresh("refresh_orders")
    platform.deliver("more.csv", ORDERS_CSV + "9,Ann,ann@example.org,77,1,1,1\n")
    platform.feed("products", PRODUCTS_CSV.replace("Kettle", "Teapot"))
    platform.refresh()
    platform.refresh("refresh_orders", redshift_orders={"full_refresh": True})
    with platform.redshift.session() as session, suppress(KeyError), session.transaction():
        raise KeyError
    list(warehouse(platform.redshift))
    list(prove(platform.settings, platform.s3, platform.dynamodb, platform.redshift))
    return sent


def kind(text: str) -> str:
    return words(text)[0]


def written_tables(text: str) -> list[str]:
    return re.findall(r"^(?:DELETE FROM|INSERT INTO|UPDATE|MERGE INTO) ([^\s(]+)", text)


def disorder(statements: list[str]) -> list[str]:
    """Return what is wrong with the order of one connection's statements."""
    found, inside, locked, cursors = [], False, set[str](), 0
    before: list[str] = []
    for position, text in enumerate(statements):
        if kind(text) == "COPY" and "MAXERROR" in words(text):
            # https://docs.aws.amazon.com/redshift/latest/dg/copy-parameters-data-load.html
            strict = re.sub(r" MAXERROR \d+$", "", text) in statements[:position]
            looked = any("sys_load_error_detail" in t for t in statements[position + 1 :][:2])
            if not (strict and looked):
                found.append(f"rows would be skipped in silence: {text}")
        if kind(text) in ("BEGIN", "COMMIT", "ROLLBACK"):
            inside, locked, before, cursors = kind(text) == "BEGIN", set(), [], 0
            continue
        if kind(text) == "LOCK":
            # A snapshot older than the lock lets two writers both insert.
            # https://docs.aws.amazon.com/redshift/latest/dg/c_serial_isolation.html
            if not inside or set(map(kind, before)) - {"LOCK"}:
                found.append(f"the lock comes too late, or outside a transaction: {text}")
            locked.update(re.findall(r"^LOCK TABLE (\S+)", text))
        found += [f"no lock on {t}: {text}" for t in written_tables(text) if t not in locked]
        if kind(text) == "COPY" and inside:
            found.append(f"it would take its snapshot before the lock: {text}")
        # https://docs.aws.amazon.com/redshift/latest/dg/declare.html
        cursors += kind(text) == "DECLARE"
        if kind(text) in ("DECLARE", "FETCH") and not (inside and cursors == 1):
            found.append(f"one cursor at a time, in a transaction: {text}")
        before.append(text)
    return found


def test_what_runs_send_is_in_redshifts_grammar_keeps_its_rules_and_locks_first(
    everything: Sent,
) -> None:
    texts = sorted({text for statements in everything.values() for text in statements})
    kinds = set(map(kind, texts))
    assert kinds >= {"BEGIN", "LOCK", "DELETE", "INSERT", "COMMIT", "ROLLBACK"}
    assert kinds >= {"CREATE", "COPY", "UNLOAD", "DECLARE", "FETCH", "SELECT", "DROP"}
    assert any("sys_load_error_detail" in text for text in texts)
    for text in texts:
        assert complaints(text) == []
        assert unread(text) == [], text
    assert [found for statements in everything.values() for found in disorder(statements)] == []


@pytest.mark.parametrize(
    "statements",
    [
        ["BEGIN", "DELETE FROM t", "COMMIT"],
        ["INSERT INTO t (a) VALUES (1)"],
        ["BEGIN", "SELECT count(1) FROM t", "LOCK TABLE t", "DELETE FROM t"],
        ["LOCK TABLE t", "DELETE FROM u"],
        ["BEGIN", "LOCK TABLE t", "COMMIT", "BEGIN", "DELETE FROM t"],
        ["BEGIN", COPY],
        [COPY, f"{COPY} MAXERROR 10", "SELECT pg_last_copy_count()"],
        [f"{COPY} MAXERROR 10", "SELECT query_id FROM sys_load_error_detail"],
        ["DECLARE c CURSOR FOR SELECT 1"],
        ["BEGIN", "DECLARE c CURSOR FOR SELECT 1", "DECLARE d CURSOR FOR SELECT 1"],
    ],
)
def test_the_order_of_statements_is_looked_at(statements: list[str]) -> None:
    assert disorder(statements)

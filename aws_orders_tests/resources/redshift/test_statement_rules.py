"""The rules and the grammar that statements are checked against reject what Redshift rejects."""

import pytest

from aws_orders_tests.resources.redshift.statement_rules import complaints, disorder, unread

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
def test_the_rules_reject_invalid_and_dangerous_statements(text: str) -> None:
    assert complaints(text)


@pytest.mark.parametrize("text", [COPY, ITEMS, UNLOAD])
def test_the_rules_and_the_grammar_accept_valid_statements(text: str) -> None:
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
def test_the_grammar_rejects_other_dialects(text: str) -> None:
    assert unread(text)


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
def test_the_rules_reject_a_dangerous_order_of_statements(statements: list[str]) -> None:
    assert disorder(statements)

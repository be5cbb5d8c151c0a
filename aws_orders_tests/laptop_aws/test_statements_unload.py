"""UNLOAD statements that fail: their errors, and that no file is left."""

import pytest

from aws_orders_tests.laptop_aws.conftest import Workplace


def error_of(redshift: Workplace, statement: str) -> str:
    """Return the error of the statement; nothing is written, and the session continues."""
    error = redshift.fails(statement)
    assert redshift.sql("SELECT 1") == [(1,)]
    assert redshift.keys() == []
    return str(error)


@pytest.mark.parametrize(
    "option",
    [
        "ADDQUOTES",
        "BZIP2",
        "ESCAPE",
        "FIXEDWIDTH '0:3'",
        "KMS_KEY_ID 'key'",
        "MASTER_SYMMETRIC_KEY 'key'",
        "PARTITION BY (a)",
        "ROWGROUPSIZE 32 MB",
        "ZSTD",
    ],
)
def test_an_option_that_is_not_supported_is_named_in_the_error(
    redshift: Workplace, option: str
) -> None:
    words = error_of(
        redshift,
        f"UNLOAD ('SELECT 1 AS a') TO 's3://{{bucket}}/out/p_' IAM_ROLE default CSV {option}",
    )
    assert option.split()[0] in words
    assert "not supported" in words


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("", "CSV"),
        ("FORMAT AS JSON", "JSON"),
        ("JSON", "JSON"),
        ("FORMAT AS ORC", "ORC"),
        ("CSV ALLOWOVERWRITE CLEANPATH", "CLEANPATH"),
        ("CSV MAXFILESIZE 4 MB", "5 MB"),
        ("CSV MAXFILESIZE 6.3 GB", "6.2 GB"),
        ("CSV MAXFILESIZE 5 TB", "syntax error"),
        ("CSV MAXFILESIZE", "syntax error"),
        ("CSV VERBOSE", "VERBOSE"),
        ("CSV HEADER HEADER", "HEADER"),
        ("CSV NULL", "syntax error"),
        ("CSV EXTENSION", "syntax error"),
        ("CSV PARALLEL SOMETIMES", "SOMETIMES"),
        ("CSV IGNOREHEADER 1", "IGNOREHEADER"),
        ("CSV QUICKLY", 'syntax error at or near "QUICKLY"'),
        ("CSV ACCESS_KEY_ID 'secret' SECRET_ACCESS_KEY 'secret'", "IAM_ROLE"),
    ],
)
def test_invalid_options_are_rejected(redshift: Workplace, options: str, words: str) -> None:
    message = error_of(
        redshift, f"UNLOAD ('SELECT 1') TO 's3://{{bucket}}/out/p_' IAM_ROLE default {options}"
    )
    assert words in message
    assert "secret" not in message.split("LINE 1")[0]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("SELECT 1 LIMIT 1", "Limit clause is not supported"),
        ("SELECT 1 ORDER BY 1 LIMIT 5 OFFSET 2", "Limit clause is not supported"),
        ("DELETE FROM pg_class", "SELECT"),
        ("SELECT 1; SELECT 2", "one SELECT"),
        ("COPY t TO STDOUT", "SELECT"),
        ("", "SELECT"),
        ("SELECT (1", "syntax error"),
        ("SELECT 1) TO PROGRAM ''id'' --", "syntax error"),
        ("SELECT nothing FROM nowhere", "nowhere"),
        ("SELECT 1/(n-5000) FROM generate_series(1, 9999) AS n", "division by zero"),
        ("SELECT 1/(n-99999), repeat(''x'', 99) FROM generate_series(1, 100000) AS n",
         "division by zero"),
        ("SELECT * FROM pg_authid", "permission denied"),
    ],
)  # fmt: skip
def test_a_query_that_cannot_be_unloaded_is_an_error_and_leaves_no_file(
    redshift: Workplace, query: str, words: str
) -> None:
    statement = f"UNLOAD ('{query}') TO 's3://{{bucket}}/out/p_' IAM_ROLE default CSV PARALLEL OFF"
    assert words in error_of(redshift, statement)


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UNLOAD ('SELECT 1') TO 's3://{bucket}/p_' CSV", "IAM_ROLE"),
        ("UNLOAD ('SELECT 1') TO 's3://no-such-bucket/p_' IAM_ROLE default CSV", "bucket"),
        ("UNLOAD ('SELECT 1') TO '/srv/p_' IAM_ROLE default CSV", "/srv/p_"),
        ("UNLOAD ('SELECT 1') TO 's3://' IAM_ROLE default CSV", "s3://"),
        ("UNLOAD (SELECT 1) TO 's3://{bucket}/p_' IAM_ROLE default CSV", "syntax error"),
        ("UNLOAD 'SELECT 1' TO 's3://{bucket}/p_' IAM_ROLE default CSV", "syntax error"),
        ("UNLOAD ('SELECT 1') FROM 's3://{bucket}/p_' IAM_ROLE default CSV", "syntax error"),
        ("UNLOAD ('SELECT 1')", "syntax error"),
        ("UNLOAD", "syntax error"),
    ],
)
def test_an_invalid_unload_is_rejected(redshift: Workplace, statement: str, words: str) -> None:
    assert words in error_of(redshift, statement)


def test_a_failed_unload_keeps_the_last_count_and_fails_its_transaction(
    redshift: Workplace,
) -> None:
    redshift.unload("SELECT 1 UNION ALL SELECT 2")
    bad = (
        "UNLOAD ('SELECT n FROM generate_series(1, 1500000) AS n') TO 's3://no-such/x_'"
        " IAM_ROLE default CSV PARALLEL OFF ALLOWOVERWRITE"
    )
    redshift.sql("BEGIN")
    assert "bucket" in str(redshift.fails(bad))
    assert redshift.fails("SELECT 1").pgcode == "25P02"
    redshift.sql("ROLLBACK")
    assert redshift.sql("SELECT pg_last_unload_count()") == [(2,)]

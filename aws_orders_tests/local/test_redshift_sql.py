"""Tokens and statements: text in, plain data or a syntax error out."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aws_orders.local.redshift.errors import RedshiftError, SqlSyntaxError
from aws_orders.local.redshift.statements import Copy, Unload, interpret
from aws_orders.local.redshift.tokens import tokenize

COPY = "COPY t FROM 's3://b/k' IAM_ROLE default CSV"
UNLOAD = "UNLOAD ('SELECT 1') TO 's3://b/p_' IAM_ROLE 'r' FORMAT AS CSV PARALLEL OFF"
DYNAMODB = "COPY t FROM 'dynamodb://p' IAM_ROLE default READRATIO 50"


@pytest.mark.parametrize(
    ("sql", "kinds_and_values"),
    [
        ("'it''s'", [("string", "it's")]),
        ("''", [("string", "")]),
        (r"E'a\'b\n\\'", [("string", "a'b\n\\")]),
        (r"'c:\'", [("string", "c:\\")]),
        ("$$a'b$$ $x$ $$ $x$", [("string", "a'b"), ("string", " $$ ")]),
        ('"a""b" Ab', [("name", 'a"b'), ("word", "ab")]),
        ("a--b\nc /* d /* e */ f */ g", [("word", "a"), ("word", "c"), ("word", "g")]),
        ("6.2 .5 1e3", [("number", "6.2"), ("number", ".5"), ("number", "1e3")]),
        ("größe$1", [("word", "größe$1")]),
        ("a;b", [("word", "a"), ("punctuation", ";"), ("word", "b")]),
        ("$1", [("punctuation", "$"), ("number", "1")]),
    ],
)
def test_sql_is_cut_into_tokens(sql, kinds_and_values):
    assert [(token.kind, token.value) for token in tokenize(sql)] == kinds_and_values


@pytest.mark.parametrize("sql", ["'a", '"a', "/* a /* b */", "E'a\\'", '"' + "a" * 5000])
def test_text_that_does_not_end_is_a_syntax_error(sql):
    with pytest.raises(SqlSyntaxError, match="unterminated"):
        list(tokenize(sql))


def test_a_copy_is_read_in_full():
    sql = """
        COPY "S"."orders stage" ("order_id", Name) FROM 's3://b/m' IAM_ROLE 'arn:aws:iam::1:role/x'
        MANIFEST FORMAT AS CSV IGNOREHEADER AS 1 EMPTYASNULL ROUNDEC TIMEFORMAT 'auto'
        DATEFORMAT AS 'auto' COMPUPDATE OFF STATUPDATE TRUE REGION 'us-east-1' GZIP MAXERROR 0;
    """
    assert interpret(sql) == Copy(
        table=("S", "orders stage"),
        columns=("order_id", "name"),
        source="s3://b/m",
        region="us-east-1",
        gzip=True,
        manifest=True,
        ignore_header=1,
        empty_as_null=True,
        round_decimals=True,
    )


def test_an_unload_is_read_in_full():
    sql = """
        UNLOAD ('SELECT x FROM t WHERE y = ''z'';') TO 's3://b/p_' IAM_ROLE default FORMAT CSV
        HEADER PARALLEL OFF MANIFEST VERBOSE MAXFILESIZE AS 0.5 GB ALLOWOVERWRITE REGION 'r'
    """
    assert interpret(sql) == Unload(
        query="SELECT x FROM t WHERE y = 'z'",
        prefix="s3://b/p_",
        region="r",
        header=True,
        manifest=True,
        verbose=True,
        max_file_bytes=512 * 1024**2,
        allow_overwrite=True,
    )


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 'COPY t FROM ''s3://b/k'''",
        "COPY t FROM STDIN WITH (FORMAT csv)",
        "COPY (SELECT trim(BOTH FROM 'x')) TO STDOUT",
        "CREATE TABLE copy (unload int)",
        "COPY t FROM 's3://",
        "",
    ],
)
def test_what_postgresql_understands_is_left_to_it(sql):
    assert interpret(sql) is None


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        (f"{COPY} BLANKSASNULL", "BLANKSASNULL in COPY from S3 is not supported"),
        (f"{COPY} FASTER", 'syntax error at or near "FASTER"'),
        (f"{COPY} CSV", "redundant options: CSV"),
        (f"{COPY} FORMAT AS CSV", "redundant options: CSV"),
        (f"{COPY} READRATIO 50", "READRATIO in COPY from S3"),
        (f"{COPY} MAXERROR 5", "MAXERROR above 0"),
        (f"{COPY} TIMEFORMAT 'YYYY'", "'YYYY'"),
        (f"{COPY} IGNOREHEADER", "end of input"),
        (f"{COPY} IGNOREHEADER 1.5", 'near "1.5"'),
        (f"{COPY} CREDENTIALS 'secret'", "CREDENTIALS is refused: only IAM_ROLE"),
        (f"{COPY} ACCESS_KEY_ID 'secret'", "ACCESS_KEY_ID is refused"),
        (f"{COPY}; SELECT 1", "together with other statements"),
        ("COPY t FROM 's3://b/k' CSV", "IAM_ROLE is required"),
        ("COPY t FROM 's3://b/k' IAM_ROLE default", "without FORMAT AS CSV"),
        ("COPY t FROM 's3://b/k' IAM_ROLE default FORMAT AS PARQUET", "FORMAT PARQUET"),
        ("COPY t FROM '/etc/passwd' IAM_ROLE default", "COPY from '/etc/passwd'"),
        (f"{DYNAMODB} CSV", "CSV in COPY from DynamoDB"),
        (f"{DYNAMODB} IGNOREHEADER 1", "IGNOREHEADER in COPY from DynamoDB"),
        (f"{DYNAMODB}0", "READRATIO must be between 1 and 200"),
        ("COPY t FROM 'dynamodb://p' IAM_ROLE default", "READRATIO is required"),
        (f"{UNLOAD} MAXFILESIZE 4 MB", "between 5 MB and 6.2 GB"),
        (f"{UNLOAD} CLEANPATH", "CLEANPATH in UNLOAD"),
        (UNLOAD.replace(" PARALLEL OFF", ""), "without PARALLEL OFF"),
        (UNLOAD.replace("SELECT 1", "SELECT 1 LIMIT 1"), "Limit clause"),
        (UNLOAD.replace("SELECT 1", "DELETE FROM t"), "one SELECT"),
    ],
)
def test_what_is_not_understood_is_an_error_that_names_it(sql, words):
    with pytest.raises(RedshiftError) as caught:
        interpret(sql)
    assert words in caught.value.message
    assert "secret" not in caught.value.message


PIECES = st.sampled_from(
    """COPY UNLOAD FROM TO ( ) , . ; ' '' " $$ -- /* */ E'\\ 's3://b/k' 'dynamodb://t' IAM_ROLE
    default CSV FORMAT AS MANIFEST VERBOSE IGNOREHEADER 1 6.2 MB READRATIO 'SELECT PARALLEL
    OFF""".split()  # noqa: SIM905
)


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(), st.lists(PIECES).map(" ".join), st.lists(PIECES).map("".join)))
def test_no_text_makes_the_parser_fail_in_another_way_than_its_own(sql):
    with suppress(SqlSyntaxError):
        list(tokenize(sql))
    for text in (sql, f"{COPY} {sql}", f"UNLOAD {sql}"):
        with suppress(RedshiftError):
            interpret(text)

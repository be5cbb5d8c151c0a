"""COPY statements that fail: the error names the fault or the feature, and nothing is loaded.

A feature of Redshift that is not supported is named; what Redshift rejects is rejected here too.
"""

import json
from typing import Any

import pytest

from aws_orders_tests.laptop_aws.conftest import Workplace

NOT_SUPPORTED = [
    "ACCEPTANYDATE",
    "BZIP2",
    "COMPROWS 1000",
    "ENCODING 'UTF16'",
    "ENCRYPTED",
    "ESCAPE",
    "EXPLICIT_IDS",
    "FILLRECORD",
    "FIXEDWIDTH 'id:3,name:20'",
    "IGNOREALLERRORS",
    "IGNOREBLANKLINES",
    "LZOP",
    "MASTER_SYMMETRIC_KEY 'key'",
    "REMOVEQUOTES",
    "SSH",
    "TRIMBLANKS",
    "ZSTD",
    "READRATIO 50",
]


@pytest.fixture
def beans(redshift: Workplace) -> Workplace:
    redshift.sql("CREATE TABLE beans (id int, name varchar(20))")
    redshift.put({"in/a": "1,a\n"})
    return redshift


def error_of(beans: Workplace, statement: str) -> str:
    """Return the error of the statement; nothing is loaded, and the session continues."""
    error = beans.fails(statement)
    assert beans.sql("SELECT count(*) FROM beans") == [(0,)]
    return str(error)


@pytest.mark.parametrize("option", NOT_SUPPORTED)
def test_an_option_that_is_not_supported_is_named_in_the_error(
    beans: Workplace, option: str
) -> None:
    name = option.split()[0]
    words = error_of(beans, f"COPY beans FROM 's3://{{bucket}}/in/' IAM_ROLE default CSV {option}")
    assert name in words
    assert "not supported" in words


@pytest.mark.parametrize(
    "kind", ["ORC", "AVRO 'auto'", "JSON 'auto'", "RCFILE", "SHAPEFILE", "SEQUENCEFILE"]
)
def test_a_format_that_is_not_supported_is_named_in_the_error(beans: Workplace, kind: str) -> None:
    for form in (f"FORMAT AS {kind}", f"FORMAT {kind}", kind):
        words = error_of(beans, f"COPY beans FROM 's3://{{bucket}}/in/' IAM_ROLE default {form}")
        assert kind.split()[0] in words


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("", "CSV"),
        ("DELIMITER '|'", "CSV"),
        ("DELIMITER '\\t' GZIP", "CSV"),
        ("CSV DATEFORMAT 'MM/DD/YYYY'", "MM/DD/YYYY"),
        ("CSV TIMEFORMAT 'epochsecs'", "epochsecs"),
        ("CSV TIMEFORMAT 'epochmillisecs'", "epochmillisecs"),
        ("CSV FASTER", 'syntax error at or near "FASTER"'),
        ("CSV CSV", "redundant"),
        ("CSV FORMAT AS CSV", "redundant"),
        ("CSV EMPTYASNULL EMPTYASNULL", "redundant"),
        ("QUOTE '%'", "CSV"),
        ("CSV QUOTE ''", "QUOTE"),
        ("CSV QUOTE '%%'", "QUOTE"),
        ("CSV DELIMITER '||'", "DELIMITER"),
        ("CSV DELIMITER 'é'", "DELIMITER"),
        ("CSV ACCEPTINVCHARS '^^'", "ACCEPTINVCHARS"),
        ("CSV IGNOREHEADER", "syntax error"),
        ("CSV IGNOREHEADER 'one'", "syntax error"),
        ("CSV IGNOREHEADER 1.5", "syntax error"),
        ("CSV MAXERROR", "syntax error"),
        ("CSV MAXERROR 100001", "MAXERROR"),
        ("CSV NULL", "syntax error"),
        ("CSV 'NULL'", "syntax error"),
        ("CSV; COPY", "syntax error"),
    ],
)
def test_invalid_options_are_rejected(beans: Workplace, options: str, words: str) -> None:
    statement = f"COPY beans FROM 's3://{{bucket}}/in/' IAM_ROLE default {options}"
    assert words in error_of(beans, statement)


@pytest.mark.parametrize(
    "keys",
    [
        "ACCESS_KEY_ID 'AKIAsecret' SECRET_ACCESS_KEY 'secret'",
        "ACCESS_KEY_ID 'AKIAsecret' SECRET_ACCESS_KEY 'secret' SESSION_TOKEN 'secret'",
        "CREDENTIALS 'aws_access_key_id=secret;aws_secret_access_key=secret'",
        "CREDENTIALS AS 'aws_iam_role=arn:secret'",
    ],
)
def test_keys_in_sql_are_not_supported_and_not_repeated_in_the_error(
    beans: Workplace, keys: str
) -> None:
    words = error_of(beans, f"COPY beans FROM 's3://{{bucket}}/in/' {keys} CSV")
    assert "IAM_ROLE" in words
    assert "secret" not in words.split("LINE 1")[0]


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("COPY beans FROM 's3://{bucket}/in/' CSV", "IAM_ROLE"),
        ("COPY beans FROM 's3://{bucket}/in/' IAM_ROLE CSV", "syntax error"),
        ("COPY beans FROM 's3://{bucket}/none' IAM_ROLE default CSV", "none"),
        ("COPY beans FROM 's3://no-such-bucket/in/' IAM_ROLE default CSV", "bucket"),
        ("COPY nowhere FROM 's3://{bucket}/in/' IAM_ROLE default CSV", "nowhere"),
        ("COPY no.where FROM 's3://{bucket}/in/' IAM_ROLE default CSV", "no"),
        ("COPY beans (id, colour) FROM 's3://{bucket}/in/' IAM_ROLE default CSV", "colour"),
        ("COPY beans (id, id) FROM 's3://{bucket}/in/' IAM_ROLE default CSV", "id"),
        ("COPY beans () FROM 's3://{bucket}/in/' IAM_ROLE default CSV", "syntax error"),
        ("COPY FROM 's3://{bucket}/in/' IAM_ROLE default CSV", "syntax error"),
        ("COPY beans FROM 's3://' IAM_ROLE default CSV", "s3://"),
        ("COPY beans FROM 'emr://j-1/out/part-*' IAM_ROLE default CSV", "emr://"),
        ("COPY beans FROM '/etc/passwd' IAM_ROLE default CSV", "/etc/passwd"),
        ("COPY beans FROM '/etc/passwd' CSV", "/etc/passwd"),
        ("COPY beans FROM PROGRAM 'id'", "PROGRAM"),
        ("COPY beans TO '/srv/beans'", "TO"),
    ],
)
def test_a_missing_or_unreadable_source_or_table_is_an_error(
    beans: Workplace, statement: str, words: str
) -> None:
    assert words in error_of(beans, statement)


@pytest.mark.parametrize(
    "text",
    [
        "no JSON",
        "{}",
        "[]",
        '{"entries": 1}',
        '{"entries": [1]}',
        '{"entries": [{"mandatory": true}]}',
        '{"entries": [{"url": 7}]}',
    ],
)
def test_an_invalid_manifest_is_an_error(beans: Workplace, text: str) -> None:
    beans.put({"m": text})
    statement = "COPY beans FROM 's3://{bucket}/m' IAM_ROLE default CSV MANIFEST"
    assert beans.url("m") in error_of(beans, statement)


def test_a_missing_mandatory_file_fails_the_load_and_is_named(beans: Workplace) -> None:
    entries = [
        {"url": beans.url("in/a"), "mandatory": True},
        {"url": beans.url("in/gone"), "mandatory": True},
    ]
    beans.put({"m": json.dumps({"entries": entries})})
    statement = "COPY beans FROM 's3://{bucket}/m' IAM_ROLE default CSV MANIFEST"
    assert beans.url("in/gone") in error_of(beans, statement)


@pytest.mark.parametrize("entries", [[], [{"url": "s3://{bucket}/gone", "mandatory": False}]])
def test_a_manifest_without_any_file_fails_whatever_is_mandatory(
    beans: Workplace, entries: list[dict[str, Any]]
) -> None:
    beans.put({"m": json.dumps({"entries": entries})})
    error_of(beans, "COPY beans FROM 's3://{bucket}/m' IAM_ROLE default CSV MANIFEST")


def test_a_file_that_is_not_gzip_is_named(beans: Workplace) -> None:
    statement = "COPY beans FROM 's3://{bucket}/in/' IAM_ROLE default CSV GZIP"
    assert beans.url("in/a") in error_of(beans, statement)


def test_a_table_without_the_insert_privilege_is_an_error(redshift: Workplace) -> None:
    redshift.put({"in/a": "1\n"})
    statement = "COPY pg_catalog.pg_auth_members FROM 's3://{bucket}/in/' IAM_ROLE default CSV"
    assert "permission denied" in str(redshift.fails(statement))


def test_an_omitted_column_that_needs_a_value_fails_the_load(redshift: Workplace) -> None:
    redshift.sql("CREATE TABLE t (id int, name varchar(9) NOT NULL)")
    redshift.put({"in/a": "1\n"})
    redshift.copy_fails("t (id)")
    assert redshift.sql("SELECT count(*) FROM t") == [(0,)]

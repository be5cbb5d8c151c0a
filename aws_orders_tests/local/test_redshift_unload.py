"""UNLOAD to S3, through the real server."""

import json

import psycopg2
import pytest

from aws_orders_tests.local.conftest import ROLE


def unload(place, query, prefix, options=""):
    quoted = query.replace("'", "''")
    place.sql(
        f"UNLOAD ('{quoted}') TO '{place.url(prefix)}' IAM_ROLE '{ROLE}'"
        f" FORMAT AS CSV PARALLEL OFF REGION 'us-east-1' {options}"
    )


def test_a_query_becomes_a_file_and_a_manifest(redshift):
    query = "SELECT 1::bigint AS id, 'a,b'::varchar(5) AS name, NULL::decimal(12,2) AS price"
    unload(redshift, query, "out/orders_", "HEADER MANIFEST VERBOSE")
    assert redshift.get("out/orders_000") == 'id,name,price\n1,"a,b",\n'
    url, meta = redshift.url("out/orders_000"), {"content_length": 23, "record_count": 2}
    numeric = {"base": "numeric", "precision": 12, "scale": 2}
    assert json.loads(redshift.get("out/orders_manifest")) == {
        "entries": [{"url": url, "meta": meta}],
        "schema": {
            "elements": [
                {"name": "id", "type": {"base": "bigint"}},
                {"name": "name", "type": {"base": "character varying", "max_length": 5}},
                {"name": "price", "type": numeric},
            ]
        },
        "meta": meta,
        "author": {"name": "Amazon Redshift", "version": "1.0.0"},
    }
    assert redshift.sql("SELECT pg_last_unload_count()") == [(1,)]
    assert redshift.connection.notices[-1] == (
        "INFO:  UNLOAD completed, 1 record(s) unloaded successfully.\n"
    )


def test_a_large_result_is_split_in_order_between_rows(redshift):
    query = "SELECT n, repeat('x', 90) AS filling FROM generate_series(1, 130000) AS n ORDER BY n"
    unload(redshift, query, "out/p_", "HEADER MANIFEST VERBOSE MAXFILESIZE 5 MB")
    manifest = json.loads(redshift.get("out/p_manifest"))
    parts = [redshift.get(f"out/p_{number:03d}") for number in range(3)]
    assert redshift.keys("out/") == ["out/p_000", "out/p_001", "out/p_002", "out/p_manifest"]
    lines = [part.splitlines() for part in parts]
    assert all(part[0] == "n,filling" for part in lines)
    numbers = [int(line.partition(",")[0]) for part in lines for line in part[1:]]
    assert numbers == list(range(1, 130001))
    assert [
        (e["meta"]["content_length"], e["meta"]["record_count"]) for e in manifest["entries"]
    ] == [(len(part), len(part.splitlines())) for part in parts]
    assert max(len(part) for part in parts) <= 5 * 1024**2
    assert manifest["meta"]["record_count"] == 130003


def test_a_file_larger_than_a_part_of_an_upload_arrives_whole(redshift):
    query = "SELECT n, repeat('y', 90) FROM generate_series(1, 200000) AS n ORDER BY n"
    unload(redshift, query, "out/big_")
    text = redshift.get("out/big_000")
    assert text == "".join(f"{n},{'y' * 90}\n" for n in range(1, 200001))
    assert redshift.s3.list_multipart_uploads(Bucket=redshift.bucket).get("Uploads", []) == []


@pytest.mark.parametrize(("options", "content"), [("HEADER", "id\n"), ("", "")])
def test_an_empty_result_is_an_empty_file_without_a_manifest(redshift, options, content):
    unload(redshift, "SELECT 1 AS id WHERE false", "out/e_", f"MANIFEST {options}")
    assert redshift.keys("out/") == ["out/e_000"]
    assert redshift.get("out/e_000") == content


def test_a_destination_with_objects_is_refused_unless_they_may_be_overwritten(redshift):
    redshift.put("out/x_000", "old")
    with pytest.raises(psycopg2.Error, match="Specified unload destination on S3 is not empty"):
        unload(redshift, "SELECT 1", "out/x_")
    assert redshift.get("out/x_000") == "old"
    unload(redshift, "SELECT 1", "out/x_", "ALLOWOVERWRITE")
    assert redshift.get("out/x_000") == "1\n"


def test_an_unload_sees_what_its_transaction_wrote(redshift):
    redshift.sql("CREATE TABLE t (a varchar(3))")
    redshift.sql("BEGIN")
    redshift.sql("INSERT INTO t VALUES ('o''k')")
    unload(redshift, "SELECT a FROM t WHERE a = 'o''k'", "out/t_")
    redshift.sql("ROLLBACK")
    assert redshift.get("out/t_000") == "o'k\n"


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("SELECT 1/(n-5000) FROM generate_series(1, 9999) AS n", "division by zero"),
        ("SELECT nothing FROM nowhere", "nowhere"),
        ("SELECT 1 LIMIT 1", "Limit clause"),
    ],
)
def test_a_query_that_fails_leaves_the_session_usable_and_no_file(redshift, query, words):
    with pytest.raises(psycopg2.Error, match=words):
        unload(redshift, query, "out/f_")
    assert redshift.sql("SELECT 1") == [(1,)]
    assert redshift.keys("out/") == []


def test_an_upload_that_fails_fails_the_transaction(redshift):
    redshift.sql("BEGIN")
    with pytest.raises(psycopg2.Error, match="bucket"):
        redshift.sql(
            "UNLOAD ('SELECT n FROM generate_series(1, 1500000) AS n') TO 's3://no-such/x_'"
            " IAM_ROLE default CSV PARALLEL OFF ALLOWOVERWRITE"
        )
    with pytest.raises(psycopg2.errors.InFailedSqlTransaction):
        redshift.sql("SELECT 1")
    redshift.sql("ROLLBACK")

"""UNLOAD as AWS documents it: a query, options, and the objects on S3.

See https://docs.aws.amazon.com/redshift/latest/dg/r_UNLOAD.html and its page of examples;
statements and data are our own.
"""

import gzip
import json
import re

import pytest

from aws_orders_tests.laptop_aws.conftest import Workplace

# Part names, extensions and manifests are as the page's parameters describe them.
EXAMPLES = {
    "CSV, one file": ("SELECT * FROM beans ORDER BY id", "CSV PARALLEL OFF", {
        "p_000": '1,"Santos, No. 2",4.50\n2,"say ""hm""",\n3,,0.10\n'}),
    "FORMAT AS CSV and PARALLEL FALSE": (
        "SELECT id FROM beans ORDER BY id DESC", "FORMAT AS CSV PARALLEL FALSE", {
        "p_000": "3\n2\n1\n"}),
    "HEADER": ("SELECT id, price AS \"Price, net\" FROM beans WHERE id = 1",
        "FORMAT CSV HEADER PARALLEL OFF", {"p_000": 'id,"Price, net"\n1,4.50\n'}),
    "NULL AS": ("SELECT name, price FROM beans WHERE id > 1 ORDER BY id",
        "CSV NULL AS 'none' PARALLEL OFF", {"p_000": '"say ""hm""",none\nnone,0.10\n'}),
    "NULL without AS, under a header": ("SELECT price FROM beans WHERE id = 2",
        "CSV HEADER NULL '\\N' PARALLEL OFF", {"p_000": "price\n\\N\n"}),
    "DELIMITER AS": ("SELECT 'a|b', 'c,d', 1", "CSV DELIMITER AS '|' PARALLEL OFF",
        {"p_000": '"a|b"|c,d|1\n'}),
    "quotes around line ends": ("SELECT 'a' || chr(10) || 'b', chr(13), ' c '",
        "CSV PARALLEL OFF", {"p_000": '"a\nb","\r", c \n'}),
    "a literal in the query": ("SELECT id FROM beans WHERE name = 'Santos, No. 2'",
        "CSV PARALLEL OFF", {"p_000": "1\n"}),
    "WITH, and a semicolon at the end": ("WITH few AS (SELECT 1 AS a) SELECT a, 'x;y' FROM few;",
        "CSV PARALLEL OFF", {"p_000": "1,x;y\n"}),
    "a comment at the end": ("SELECT 1 -- one", "CSV PARALLEL OFF", {"p_000": "1\n"}),
    "LIMIT within": ("SELECT id FROM beans WHERE id IN"
        " (SELECT id FROM beans ORDER BY id DESC LIMIT 2) ORDER BY id",
        "CSV PARALLEL OFF", {"p_000": "2\n3\n"}),
    "types": ("SELECT true, false, 7::bigint, 1.50::decimal(9,2), '2031-02-03'::date,"
        " '2031-02-03 04:05:06.7'::timestamp", "CSV PARALLEL OFF",
        {"p_000": "t,f,7,1.50,2031-02-03,2031-02-03 04:05:06.7\n"}),
    "an extension": ("SELECT 1", "CSV PARALLEL OFF EXTENSION 'csv'", {"p_000.csv": "1\n"}),
    "a manifest has no extension": ("SELECT 1", "CSV PARALLEL OFF EXTENSION 'csv' MANIFEST",
        {"p_000.csv": "1\n", "p_manifest": None}),
    "GZIP adds its own": ("SELECT 1", "CSV PARALLEL OFF GZIP", {"p_000.gz": "1\n"}),
    "an extension stands for GZIP's": ("SELECT 1", "GZIP EXTENSION 'csv.gz' CSV PARALLEL OFF",
        {"p_000.csv.gz": "1\n"}),
    "GZIP and HEADER": ("SELECT 1 AS a", "CSV PARALLEL OFF GZIP HEADER", {"p_000.gz": "a\n1\n"}),
    "no rows": ("SELECT 1 AS id WHERE false", "CSV PARALLEL OFF MANIFEST", {"p_000": ""}),
    "no rows under a header": ("SELECT 1 AS id WHERE false", "CSV HEADER PARALLEL OFF MANIFEST",
        {"p_000": "id\n"}),
    "all in lower case": ("select 1", "csv parallel off region as 'us-east-1' maxfilesize as 5 mb",
        {"p_000": "1\n"}),
    "sizes in MB by default": ("SELECT 1", "CSV PARALLEL OFF MAXFILESIZE 6200", {"p_000": "1\n"}),
    "sizes in GB, with decimals": ("SELECT 1", "CSV PARALLEL OFF MAXFILESIZE AS 6.2 GB",
        {"p_000": "1\n"}),
}  # fmt: skip


@pytest.fixture
def beans(redshift: Workplace) -> Workplace:
    redshift.sql("CREATE TABLE beans (id int, name varchar(20), price decimal(8,2))")
    redshift.sql(
        "INSERT INTO beans VALUES"
        " (1, 'Santos, No. 2', 4.5), (2, 'say \"hm\"', NULL), (3, NULL, 0.1)"
    )
    return redshift


def contents(place: Workplace, prefix: str = "out/") -> dict[str, str | None]:
    """Return the uncompressed objects under a prefix by the rest of the key; None for manifests."""
    found = {}
    for key in place.keys(prefix):
        data = place.get(key)
        text = (gzip.decompress(data) if key.endswith("gz") else data).decode()
        found[key.removeprefix(prefix)] = None if key.endswith("manifest") else text
    return found


def texts(place: Workplace) -> dict[str, str]:
    """Return the contents without the manifest."""
    found = {}
    for key, text in contents(place).items():
        if key != "p_manifest":
            assert text is not None, key
            found[key] = text
    return found


@pytest.mark.parametrize("shows", EXAMPLES)
def test_unload_writes_what_redshift_writes(beans: Workplace, shows: str) -> None:
    query, options, objects = EXAMPLES[shows]
    beans.unload(query, options)
    assert contents(beans) == objects


def test_a_query_can_be_dollar_quoted(beans: Workplace) -> None:
    beans.sql(
        "UNLOAD ($$SELECT name FROM beans WHERE name = 'Santos, No. 2'$$)"
        " TO 's3://{bucket}/out/p_' IAM_ROLE default CSV PARALLEL OFF"
    )
    assert contents(beans) == {"p_000": '"Santos, No. 2"\n'}


def test_unload_reports_the_number_of_rows(beans: Workplace) -> None:
    assert beans.sql("SELECT pg_last_unload_count()") == [(0,)]
    beans.unload("SELECT * FROM beans", "CSV HEADER PARALLEL OFF")
    assert beans.sql("SELECT pg_last_unload_count()") == [(3,)]
    message = "INFO:  UNLOAD completed, 3 record(s) unloaded successfully.\n"
    assert beans.connection.notices[-1] == message


@pytest.mark.parametrize("options", ["CSV", "CSV PARALLEL ON", "CSV HEADER PARALLEL TRUE GZIP"])
def test_parallel_writes_several_parts_named_for_slices(redshift: Workplace, options: str) -> None:
    query = "SELECT n, repeat('x', 40) AS filler FROM generate_series(1, 50000) AS n"
    redshift.unload(query, f"{options} MANIFEST VERBOSE")
    parts = texts(redshift)
    assert len(parts) > 1
    assert all(re.fullmatch(r"p_\d{4}_part_\d\d(\.gz)?", key) for key in parts)
    assert {"p_0000_part_00", "p_0001_part_00"} <= {key.removesuffix(".gz") for key in parts}
    lines = [text.splitlines() for text in parts.values()]
    if "HEADER" in options:
        assert [part.pop(0) for part in lines] == ["n,filler"] * len(parts)
    assert sorted(int(line.partition(",")[0]) for part in lines for line in part) == [
        *range(1, 50001)
    ]
    manifest = json.loads(redshift.get("out/p_manifest"))
    assert {entry["url"] for entry in manifest["entries"]} == {
        redshift.url(f"out/{key}") for key in parts
    }
    headers = len(parts) if "HEADER" in options else 0
    assert manifest["meta"]["record_count"] == 50000 + headers
    assert redshift.sql("SELECT pg_last_unload_count()") == [(50000,)]


def test_a_manifest_lists_the_files(beans: Workplace) -> None:
    beans.unload("SELECT * FROM beans", "CSV PARALLEL OFF MANIFEST")
    manifest = json.loads(beans.get("out/p_manifest"))
    assert [entry["url"] for entry in manifest["entries"]] == [beans.url("out/p_000")]
    assert "schema" not in manifest


def test_a_verbose_manifest_has_columns_sizes_and_counts_with_headers(beans: Workplace) -> None:
    query = "SELECT id::bigint AS id, name, price, 'x'::char(3) AS code, 1.5::real AS f FROM beans"
    beans.unload(query, "CSV HEADER PARALLEL OFF MANIFEST VERBOSE")
    meta = {"content_length": len(beans.get("out/p_000")), "record_count": 4}
    assert json.loads(beans.get("out/p_manifest")) == {
        "entries": [{"url": beans.url("out/p_000"), "meta": meta}],
        "schema": {
            "elements": [
                {"name": "id", "type": {"base": "bigint"}},
                {"name": "name", "type": {"base": "character varying", "max_length": 20}},
                {"name": "price", "type": {"base": "numeric", "precision": 8, "scale": 2}},
                {"name": "code", "type": {"base": "character", "max_length": 3}},
                {"name": "f", "type": {"base": "real"}},
            ]
        },
        "meta": meta,
        "author": {"name": "Amazon Redshift", "version": "1.0.0"},
    }


def test_maxfilesize_cuts_between_rows_and_keeps_their_order(redshift: Workplace) -> None:
    query = (
        "SELECT n, CASE WHEN n % 1000 = 0 THEN E'a\\nb' ELSE repeat('x', 90) END AS filler"
        " FROM generate_series(1, 120000) AS n ORDER BY n"
    )
    redshift.unload(query, "CSV HEADER PARALLEL OFF MAXFILESIZE 5 MB MANIFEST VERBOSE")
    parts = texts(redshift)
    assert [*parts] == ["p_000", "p_001", "p_002"]
    assert max(map(len, parts.values())) <= 5 * 1024**2
    assert all(text.startswith("n,filler\n") for text in parts.values())
    numbers = [int(n) for text in parts.values() for n in re.findall(r"^(\d+),", text, re.M)]
    assert numbers == [*range(1, 120001)]
    entries = json.loads(redshift.get("out/p_manifest"))["entries"]
    assert sum(entry["meta"]["record_count"] for entry in entries) == 120003
    assert [entry["meta"]["content_length"] for entry in entries] == [*map(len, parts.values())]


def test_a_file_larger_than_a_part_of_an_upload_is_complete(redshift: Workplace) -> None:
    redshift.unload("SELECT n, repeat('y', 90) FROM generate_series(1, 200000) AS n ORDER BY n")
    assert contents(redshift)["p_000"] == "".join(f"{n},{'y' * 90}\n" for n in range(1, 200001))
    assert redshift.s3.list_multipart_uploads(Bucket=redshift.bucket).get("Uploads", []) == []


def test_a_prefix_that_is_not_empty_is_rejected_and_unchanged(redshift: Workplace) -> None:
    redshift.put({"out/p_000": "old"})
    error = redshift.fails(
        "UNLOAD ('SELECT 1') TO 's3://{bucket}/out/p_' IAM_ROLE default CSV PARALLEL OFF"
    )
    assert "Specified unload destination on S3 is not empty" in str(error)
    assert "ALLOWOVERWRITE" in str(error)
    assert contents(redshift) == {"p_000": "old"}


def test_allowoverwrite_replaces_and_leaves_surplus_parts(redshift: Workplace) -> None:
    redshift.put({"out/p_000": "old", "out/p_001": "older"})
    redshift.unload("SELECT 1", "CSV PARALLEL OFF ALLOWOVERWRITE")
    assert contents(redshift) == {"p_000": "1\n", "p_001": "older"}


def test_cleanpath_removes_what_was_under_the_prefix_and_nothing_else(redshift: Workplace) -> None:
    redshift.put({"out/p_000": "old", "out/p_001": "older", "out/q_000": "other"})
    redshift.unload("SELECT 1", "CSV PARALLEL OFF CLEANPATH")
    assert contents(redshift) == {"p_000": "1\n", "q_000": "other"}


def test_cleanpath_removes_nothing_if_the_query_is_invalid(redshift: Workplace) -> None:
    redshift.put({"out/p_000": "old"})
    redshift.fails(
        "UNLOAD ('SELECT nothing FROM nowhere') TO 's3://{bucket}/out/p_'"
        " IAM_ROLE default CSV PARALLEL OFF CLEANPATH"
    )
    assert contents(redshift) == {"p_000": "old"}


def test_unload_sees_what_its_transaction_wrote_and_s3_keeps_it(redshift: Workplace) -> None:
    redshift.sql("BEGIN; CREATE TEMP TABLE t (a varchar(3)); INSERT INTO t VALUES ('o''k')")
    redshift.unload("SELECT a FROM t WHERE a = 'o''k'")
    redshift.sql("ROLLBACK")
    assert contents(redshift) == {"p_000": "o'k\n"}

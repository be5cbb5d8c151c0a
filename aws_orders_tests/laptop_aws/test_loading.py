"""COPY from S3 as AWS documents it: which files it reads, and how.

See https://docs.aws.amazon.com/redshift/latest/dg/r_COPY_command_examples.html and
https://docs.aws.amazon.com/redshift/latest/dg/copy-parameters-data-format.html; statements and
data are our own. test_values.py has the conversion of values.
"""

import gzip
import json
from typing import Any

import pytest

from aws_orders_tests.laptop_aws.conftest import Workplace

Files = dict[str, bytes | str]


def manifest(*entries: tuple[str, bool | None]) -> str:
    listed = [
        {"url": f"s3://{{bucket}}/{key}"} | ({} if must is None else {"mandatory": must})
        for key, must in entries
    ]
    return json.dumps({"entries": listed})


GRINDERS, KETTLES = (7, "Grinders", 'Small "burr" grinder'), (8, "Kettles", "Steel, or glass")
CSV = '7,Grinders,"Small ""burr"" grinder"\n8,Kettles,"Steel, or glass"\n'
# Options, files, rows of (id int, name varchar(20), kind varchar(40)).
FORMATS: dict[str, tuple[str, Files, list[tuple[Any, ...]]]] = {
    "CSV: quotes around commas, quotes doubled": ("CSV", {"in/a": CSV}, [GRINDERS, KETTLES]),
    "QUOTE AS another character": (
        "CSV QUOTE AS '%'",
        {"in/a": '7,Grinders,%Small "burr" grinder%\n8,Kettles,%Steel, or glass%'},
        [GRINDERS, KETTLES]),
    "QUOTE without AS, and doubled": (
        "FORMAT CSV QUOTE ''''", {"in/a": "7,'It''s, well',x\n"}, [(7, "It's, well", "x")]),
    "CSV with pipes": (
        "FORMAT AS CSV DELIMITER '|'", {"in/a": '7|a,b|"c|d"\n'}, [(7, "a,b", "c|d")]),
    "CSV with tabs": ("DELIMITER AS '\\t' CSV", {"in/a": "7\ta\tb\n"}, [(7, "a", "b")]),
    "an octal delimiter": ("CSV DELIMITER '\\174'", {"in/a": "7|a|b\n"}, [(7, "a", "b")]),
    "delimiter and quote": (
        "CSV DELIMITER ';' QUOTE '~'", {"in/a": '7;~a;~~b~;"c"\n'}, [(7, "a;~b", '"c"')]),
    "white space between delimiter and quotes is ignored": (
        "CSV", {"in/a": '7, "a, b" ,"c" \n'}, [(7, "a, b", "c")]),
    "white space without quotes is kept": ("CSV", {"in/a": "7, a , \n"}, [(7, " a ", " ")]),
    "line ends within quotes": (
        "CSV", {"in/a": '7,"two\nlines","cr\r\nlf"\n'}, [(7, "two\nlines", "cr\r\nlf")]),
    "Windows' line ends, and none at the end of a file": (
        "CSV", {"in/a": "7,a,b\r\n8,c,d\r\n", "in/b": "9,e,f", "in/c": "10,g,h\n"},
        [(7, "a", "b"), (8, "c", "d"), (9, "e", "f"), (10, "g", "h")]),
    "a byte order mark is not data": (
        "CSV", {"in/a": b"\xef\xbb\xbf7,a,b\n", "in/b": b"\xef\xbb\xbf8,c,d\n"},
        [(7, "a", "b"), (8, "c", "d")]),
    "an empty file has no rows": ("CSV", {"in/a": "", "in/b": "7,a,b\n"}, [(7, "a", "b")]),
    "GZIP": ("CSV GZIP", {"in/a.gz": gzip.compress(CSV.encode())}, [GRINDERS, KETTLES]),
    "GZIP of several members, in several files": (
        "GZIP CSV IGNOREHEADER 1", {
            "in/a.gz": gzip.compress(b"id,name,kind\n7,a,b\n") + gzip.compress(b"8,c,d\n"),
            "in/b.gz": gzip.compress(b"id,name,kind\n9,e,f\n")},
        [(7, "a", "b"), (8, "c", "d"), (9, "e", "f")]),
    "IGNOREHEADER skips the first line of every file": (
        "CSV IGNOREHEADER 1", {
            "in/a": "id,name,kind\n7,a,b\n", "in/b": "id,name,kind\r\n8,c,d\r\n", "in/c": "id"},
        [(7, "a", "b"), (8, "c", "d")]),
    "IGNOREHEADER AS 2": (
        "CSV IGNOREHEADER AS 2", {"in/a": "made today\nid,name,kind\n7,a,b\n", "in/b": "a line\n"},
        [(7, "a", "b")]),
    "COMPUPDATE and STATUPDATE OFF": (
        "CSV COMPUPDATE OFF STATUPDATE OFF", {"in/a": "7,a,b"}, [(7, "a", "b")]),
    "TRUE for ON, FALSE for OFF": (
        "CSV COMPUPDATE FALSE STATUPDATE TRUE", {"in/a": "7,a,b"}, [(7, "a", "b")]),
    "COMPUPDATE PRESET": ("CSV COMPUPDATE PRESET", {"in/a": "7,a,b"}, [(7, "a", "b")]),
    "COMPUPDATE and STATUPDATE alone": (
        "CSV STATUPDATE COMPUPDATE", {"in/a": "7,a,b"}, [(7, "a", "b")]),
    "REGION": ("CSV REGION 'us-east-1'", {"in/a": "7,a,b"}, [(7, "a", "b")]),
    "REGION AS, MAXERROR AS": (
        "REGION AS 'us-east-1' CSV MAXERROR AS 10", {"in/a": "7,a,b"}, [(7, "a", "b")]),
}  # fmt: skip

# The source after the bucket, options, files, the ids that are loaded.
PLACES: dict[str, tuple[str, str, Files, list[int]]] = {
    "a prefix selects all keys that begin with it, even a backup": (
        "in/beans", "CSV", {"in/beans": "1", "in/beans.backup": "2", "in/tea": "3"}, [1, 2]),
    "a folder": ("in/", "CSV", {"in/a": "1", "in/b/c": "2", "inside": "3"}, [1, 2]),
    "a manifest selects the files that it lists": (
        "m", "CSV MANIFEST",
        {"1": "1", "2": "2", "3": "3", "m": manifest(("1", True), ("3", None))}, [1, 3]),
    "a file that is not mandatory may be missing": (
        "m", "MANIFEST CSV",
        {"1": "1", "m": manifest(("no", False), ("1", True), ("never", None))}, [1]),
    "an entry is a complete key, and is loaded once per entry": (
        "m", "CSV MANIFEST", {"1": "1", "10": "10", "m": manifest(("1", True), ("1", True))},
        [1, 1]),
    "a manifest that UNLOAD wrote has more fields": (
        "m", "CSV MANIFEST",
        {"1": "1", "m": '{"entries":[{"url":"s3://{bucket}/1","meta":{"content_length":1}}],'
                        '"author":{"name":"Amazon Redshift"}}'}, [1]),
    "a manifest of compressed files with headers": (
        "m", "CSV MANIFEST GZIP IGNOREHEADER 1",
        {"1": gzip.compress(b"id\n1\n"), "2": gzip.compress(b"id\n2\n"),
         "m": manifest(("2", True), ("1", True))}, [1, 2]),
    "keys with spaces and signs": ("a b/c+d='e&f%20", "CSV", {"a b/c+d='e&f%20": "1"}, [1]),
}  # fmt: skip


@pytest.mark.parametrize("shows", FORMATS)
def test_copy_reads_files_as_redshift_does(redshift: Workplace, shows: str) -> None:
    options, files, rows = FORMATS[shows]
    redshift.sql("CREATE TABLE t (id int, name varchar(20), kind varchar(40))")
    redshift.put(files)
    redshift.copy("t", options)
    assert redshift.sql("SELECT * FROM t ORDER BY id") == rows
    assert redshift.sql("SELECT pg_last_copy_count()") == [(len(rows),)]


@pytest.mark.parametrize("shows", PLACES)
def test_copy_finds_files_where_redshift_does(redshift: Workplace, shows: str) -> None:
    key, options, files, ids = PLACES[shows]
    redshift.sql("CREATE TABLE t (id int)")
    redshift.put(files)
    redshift.copy("t", options, key.replace("'", "''"))
    assert [row for (row,) in redshift.sql("SELECT id FROM t ORDER BY id")] == ids


def spanning(value: str, block: int) -> str:
    """Return a file of long rows with one whose value begins a byte before `block`."""
    count, rest = divmod(block - len("1,") - 1, 1000)
    first, other = (f"0,{'x' * size}\n" for size in (997 + rest, 997))
    return f"{first}{other * (count - 1)}1,{value}\n2,end\n"


@pytest.mark.parametrize("block", [2**16, 2**18, 2**20])
@pytest.mark.parametrize("options", ["CSV", "CSV MAXERROR 9"])
def test_a_value_across_two_read_blocks_loads_unchanged(
    redshift: Workplace, block: int, options: str
) -> None:
    values = {"\\N": None, "é": "é", '"a""b"': 'a"b', '"a\n2,b"': "a\n2,b"}
    for number, (written, value) in enumerate(values.items()):
        redshift.sql("CREATE TEMP TABLE t (id int, name varchar(max))")
        redshift.put({f"in{number}/a": spanning(written, block)})
        redshift.copy("t", options, f"in{number}/")
        assert redshift.sql("SELECT name FROM t WHERE id = 1") == [(value,)]
        assert redshift.sql("SELECT count(*) FROM t WHERE id = 2") == [(1,)]
        redshift.sql("DROP TABLE t")


def test_a_manifest_may_list_files_of_several_buckets(redshift: Workplace) -> None:
    other = f"{redshift.bucket}-2"
    redshift.s3.create_bucket(Bucket=other)
    redshift.s3.put_object(Bucket=other, Key="2", Body=b"2\n")
    redshift.put({"1": "1\n"})
    entries = [{"url": redshift.url("1")}, {"url": f"s3://{other}/2", "mandatory": True}]
    redshift.put({"m": json.dumps({"entries": entries})})
    redshift.sql("CREATE TABLE t (id int)")
    redshift.copy("t", "CSV MANIFEST", "m")
    assert redshift.sql("SELECT id FROM t ORDER BY 1") == [(1,), (2,)]


def test_copy_takes_the_default_role_and_a_name_with_its_schema(redshift: Workplace) -> None:
    redshift.sql('CREATE TABLE "Odd name" (id int, "Id 2" int)')
    redshift.put({"in/a": "1,2\n"})
    table = f'"{redshift.schema}"."Odd name"("Id 2", ID)'
    redshift.sql(f"copy {table} from '{redshift.url('in/')}' iam_role DEFAULT csv;")
    assert redshift.sql('SELECT id, "Id 2" FROM "Odd name"') == [(2, 1)]


def test_copy_appends_and_reports_the_number_of_rows(redshift: Workplace) -> None:
    redshift.sql("CREATE TABLE t (id int)")
    redshift.put({"in/a": "1\n2\n"})
    redshift.copy("t")
    redshift.copy("t")
    assert redshift.sql("SELECT id FROM t ORDER BY 1") == [(1,), (1,), (2,), (2,)]
    message = "INFO:  Load into table 't' completed, 2 record(s) loaded successfully.\n"
    assert redshift.connection.notices[-1] == message


def test_noload_checks_the_files_and_loads_nothing(redshift: Workplace) -> None:
    redshift.sql("CREATE TABLE t (id int)")
    redshift.put({"in/a": "1\n2\n"})
    redshift.copy("t", "CSV NOLOAD")
    assert redshift.sql("SELECT count(*) FROM t") == [(0,)]
    redshift.put({"in/b": "three\n"})
    assert "Load into table 't' failed" in redshift.copy_fails("t", "CSV NOLOAD")
    assert redshift.sql(
        "SELECT trim(file_name), line_number FROM sys_load_error_detail"
        " WHERE query_id = pg_last_copy_id()"
    ) == [(redshift.url("in/b"), 1)]


def test_copy_loads_a_temporary_table_within_a_transaction(redshift: Workplace) -> None:
    redshift.put({"in/a": "1,5\n"})
    redshift.sql("BEGIN; CREATE TEMP TABLE stage (id bigint NOT NULL, seats int)")
    redshift.copy("stage (id, seats)")
    assert redshift.sql("SELECT * FROM stage") == [(1, 5)]
    redshift.sql("ROLLBACK")
    assert "stage" in str(redshift.fails("SELECT * FROM stage"))

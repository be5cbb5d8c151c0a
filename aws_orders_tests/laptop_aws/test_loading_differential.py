"""COPY compared with an independent CSV reader: random files, unchanged and row by row.

One COPY loads many files. test_csv_reader.py compares the functions behind it with the same reader
on more and larger files.
"""

import gzip
import random
from typing import Any

import pytest

from aws_orders_tests import csv_oracle
from aws_orders_tests.laptop_aws.conftest import Workplace

COLUMNS = 3
PIECES = [
    *",,,,\n\n\n\r \ta\\\0", ',"a\nb",', '"', '""', ' "', '" ', "\r\n", "17", "é", "🙂", '\\"',
    "\\.", "\\N", '="x"', '27" wide',
]  # fmt: skip
GOOD = [
    "a", "17", "é 🙂", " x ", "\\", "\\.", "", '""', '"a,b"', '"a\nb"', '"a\r\nb"', '"say ""x"""',
]  # fmt: skip
# The rows that load, and the key and line of those that do not.
Outcome = tuple[list[tuple[Any, ...]], list[tuple[str, int]]]
SLOWLY = " NULL AS '~never~'"


def random_file(chance: random.Random) -> bytes:
    """Return a file of a few to many rows, most of them with the table's number of fields."""
    rows = []
    for _ in range(chance.randrange(1, 40)):
        if chance.random() < 0.8:
            rows.append(",".join(chance.choice(GOOD) for _ in range(COLUMNS)))
        else:
            rows.append("".join(chance.choice(PIECES) for _ in range(chance.randrange(12))))
    mark = "\ufeff" if chance.random() < 0.1 else ""
    text = mark + "".join(row + chance.choice(("\n", "\n", "\r\n")) for row in rows)
    return (text if chance.random() < 0.7 else text.rstrip("\r\n")).encode()


def good_file(chance: random.Random, line_end: str) -> bytes:
    rows = (",".join(chance.choice(GOOD) for _ in range(COLUMNS)) for _ in range(30))
    return line_end.join(rows).encode() + b"\n" * chance.randrange(2) * (line_end == "\n")


def expected(files: dict[str, bytes], null: str = "\\N") -> Outcome:
    """Return the rows that load, sorted, and the lines that do not."""
    loaded, rejected = [], []
    for key, data in sorted(files.items()):
        for record in csv_oracle.read(data):
            fields = getattr(record, "fields", ())
            if len(fields) != COLUMNS or any(b"\0" in field for field in fields):
                rejected.append((key, record.line))
            else:
                texts = (field.decode() for field in fields)
                loaded.append(tuple(None if text == null else text for text in texts))
    return sorted(loaded, key=repr), rejected


def copied(place: Workplace, prefix: str, options: str) -> Outcome:
    place.sql("CREATE TEMP TABLE t (a varchar(max), b varchar(max), c varchar(max))")
    place.copy("t", f"CSV MAXERROR 100000 {options}", prefix)
    loaded = sorted(place.sql("SELECT * FROM t"), key=repr)
    rejected = place.sql(
        "SELECT file_name, line_number FROM sys_load_error_detail"
        " WHERE query_id = pg_last_copy_id() ORDER BY file_name, line_number"
    )
    place.sql("DROP TABLE t")
    return loaded, [(url.strip().removeprefix(place.url("")), line) for url, line in rejected]


@pytest.mark.parametrize("seed", range(3))
def test_copy_loads_and_rejects_what_an_independent_reader_does(
    redshift: Workplace, seed: int
) -> None:
    chance = random.Random(seed)
    files = {f"in/{number:02}": random_file(chance) for number in range(40)}
    zipped = {f"gz/{key}": gzip.compress(data) for key, data in files.items()}
    redshift.put(files | zipped)
    loaded, rejected = expected(files)
    assert loaded
    assert rejected
    assert copied(redshift, "in/", "") == (loaded, rejected)
    assert copied(redshift, "gz/in/", "GZIP") == (
        loaded, [(f"gz/{key}", line) for key, line in rejected]
    )  # fmt: skip


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_good_files_load_the_same_unchanged_and_row_by_row(
    redshift: Workplace, line_end: str
) -> None:
    chance = random.Random(line_end)
    files = {f"in/{number:02}": good_file(chance, line_end) for number in range(40)}
    redshift.put(files | {f"gz/{key}": gzip.compress(data) for key, data in files.items()})
    for prefix, options, slowly in (("in/", "", SLOWLY), ("gz/in/", "GZIP", "GZIP" + SLOWLY)):
        assert copied(redshift, prefix, options) == expected(files)
        assert copied(redshift, prefix, slowly) == expected(files)


def test_files_of_megabytes_load_the_same_unchanged_and_row_by_row(redshift: Workplace) -> None:
    chance = random.Random(7)
    fine = b"\n".join(good_file(chance, "\n").rstrip(b"\n") for _ in range(1500)) + b"\n"
    files = {"in/fine": fine, "in/faulty": fine[:700_001] + b'"' + fine[700_001:]}
    redshift.put(files)
    assert copied(redshift, "in/fine", "") == expected({"in/fine": fine})
    assert copied(redshift, "in/fine", SLOWLY) == expected({"in/fine": fine})
    assert copied(redshift, "in/", "") == expected(files)


def test_an_unclosed_quote_rejects_one_row_of_a_file_longer_than_a_record(
    redshift: Workplace,
) -> None:
    rows = [f"{number},{'x' * 90},c" for number in range(60_000)]
    rows[5] = '5,"27,c'
    redshift.put({"in/a": "\n".join(rows)})
    loaded, rejected = copied(redshift, "in/", "")
    assert rejected == [("in/a", 6)]
    assert sorted(int(first) for first, *_ in loaded) == [n for n in range(60_000) if n != 5]


def test_quote_and_delimiter_options_change_what_is_malformed(redshift: Workplace) -> None:
    text = "1|%a|b%|x\n2|a%b|x\n3|27\" wide|,x\n4|%a%% % |x\n5|%never|x\n6|'y'|x\n"
    redshift.put({"in/a": text})
    loaded, rejected = copied(redshift, "in/", "DELIMITER '|' QUOTE AS '%'")
    assert loaded == [
        ("1", "a|b", "x"), ("3", '27" wide', ",x"), ("4", "a% ", "x"), ("6", "'y'", "x")
    ]  # fmt: skip
    assert rejected == [("in/a", 2), ("in/a", 5)]

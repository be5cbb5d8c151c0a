"""Manifests of UNLOAD compared with S3 and with Redshift's count of rows."""

import pytest
from psycopg2.sql import SQL

from aws_orders.output.unloaded import ManifestEntry, OutputFile, compare_with_manifest
from aws_orders_tests.objects import stored

OUTPUT = OutputFile(SQL("SELECT 1").format(), ("a", "b"), "output/x.csv", "_runs/x_")
MANIFEST = [ManifestEntry("x_000", 24, 6), ManifestEntry("x_001", 14, 3)]
PARTS = {"x_000": stored("x_000", 24), "x_001": stored("x_001", 14)}


def test_a_file_that_matches_its_manifest_has_the_size_of_its_parts_with_one_header() -> None:
    file = compare_with_manifest(OUTPUT, 7, MANIFEST, PARTS)
    assert (file.difference, file.parts) == ("", list(PARTS.values()))
    assert file.size == 24 + 14 - len(b"a,b\n")


@pytest.mark.parametrize(
    ("rows", "parts", "difference"),
    [
        (7, {"x_000": stored("x_000", 24)}, "the manifest has parts of"),
        (7, PARTS | {"x_001": stored("x_001", 13)}, "'x_001': 13"),
        (8, PARTS, "the manifest counts 7 rows, Redshift counts 8"),
    ],
)
def test_a_missing_or_cut_part_and_a_wrong_count_are_differences(
    rows: int, parts: dict[str, object], difference: str
) -> None:
    file = compare_with_manifest(OUTPUT, rows, MANIFEST, parts)  # type: ignore[arg-type]
    assert file.difference.startswith("output/x.csv: ")
    assert difference in file.difference

"""The pages (*.md): links and paths lead somewhere, and the list of checks is complete."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from aws_orders.definitions import defs

PROJECT = Path(__file__).resolve().parent.parent
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"^\s*```.*?^\s*```", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
# Source files and folders of the project, in text or in commands; what runs write is not here.
PATH = re.compile(
    r"(?<![\w./:-])((?:\.ci|aws_orders|aws_orders_tests|benchmarks|deploy|docs|laptop_aws)/[\w./-]*)"
)
WRITTEN = {"deploy/aws.env"}


def tracked(pattern: str) -> list[str]:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", pattern]
    found = subprocess.run(command, cwd=PROJECT, check=True, capture_output=True, text=True).stdout
    return [name for name in found.splitlines() if (PROJECT / name).exists()]


def broken_links(page: Path, text: str) -> Iterator[str]:
    """Yield each relative link whose file or heading does not exist."""
    for target in LINK.findall(CODE.sub("", text)):
        if not re.match(r"[a-z]+:", target) and not exists(target, page, text):
            yield target


def exists(target: str, page: Path, text: str) -> bool:
    name, _, anchor = target.partition("#")
    linked = page.parent / name
    if name and not linked.exists():
        return False
    return not anchor or anchor in anchors(linked.read_text() if name else text)


def anchors(text: str) -> set[str]:
    """Return the anchors that GitHub gives to a page's headings."""
    headings = HEADING.findall(CODE.sub("", text))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def missing_paths(text: str) -> Iterator[str]:
    """Yield each path of the project that a page names and that does not exist."""
    for found in PATH.findall(LINK.sub("", text)):
        path = found.rstrip(".")
        if path not in WRITTEN and not (PROJECT / path).exists():
            yield path


@pytest.mark.parametrize("name", tracked("*.md"))
def test_every_relative_link_and_every_path_on_a_page_exists(name: str) -> None:
    page = PROJECT / name
    text = page.read_text()
    assert list(broken_links(page, text)) == []
    assert list(missing_paths(text)) == []


@pytest.mark.parametrize(
    ("text", "broken"),
    [
        ("[a](nowhere.md)", ["nowhere.md"]),
        ("![a](docs/nothing.png)", ["docs/nothing.png"]),
        ("[a](README.md#no-such-heading)", ["README.md#no-such-heading"]),
        ("# One: two\n[a](#one-two) [b](#two)", ["#two"]),
        ("[a](https://example.com/nowhere) [b](README.md)", []),
        ("```sh\n[a](nowhere.md)\n```", []),
    ],
)
def test_a_link_is_broken_if_its_file_or_heading_does_not_exist(
    text: str, broken: list[str]
) -> None:
    assert list(broken_links(PROJECT / "page.md", text)) == broken


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("See `aws_orders/nothing.py`.", ["aws_orders/nothing.py"]),
        ("Run `deploy/deploy up`, then read docs/nothing.md.", ["docs/nothing.md"]),
        ("`s3://bucket/docs/nothing.md`, `aws_orders/contract.py`, `.ci/run`", []),
    ],
)
def test_a_path_is_missing_if_the_project_does_not_have_it(text: str, missing: list[str]) -> None:
    assert list(missing_paths(text)) == missing


def test_the_page_on_operations_lists_every_check_of_each_asset_by_whether_it_blocks() -> None:
    lines = (PROJECT / "docs/operations.md").read_text().splitlines()
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if "|" in line]
    listed = {
        (row[0].strip("`"), name, blocking)
        for row in cells
        if len(row) == 3 and row[0].startswith("`")
        for blocking, names in ((True, row[1]), (False, row[2]))
        for name in re.findall(r"`(\w+)`", names)
    }
    graph = defs.resolve_asset_graph()
    specs = [graph.get_check_spec(key) for key in graph.asset_check_keys]
    expected = {(spec.asset_key.to_user_string(), spec.name, spec.blocking) for spec in specs}
    assert listed == expected

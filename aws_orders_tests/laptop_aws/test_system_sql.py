"""The SQL of the laptop's Redshift, linted by sqlfluff in PostgreSQL's dialect.

sqlfluff reads the statements around function bodies, and, here one by one, the bodies in SQL. It
has no grammar for PL/pgSQL bodies and event triggers; PostgreSQL parses those at each start.
"""

import re
from pathlib import Path

import pytest
from sqlfluff.core import FluffConfig, Linter

from laptop_aws.redshift import bootstrap
from laptop_aws.redshift.plan import Verb

SYSTEM = Path(bootstrap.__file__).with_name("system")
FILES = sorted(SYSTEM.glob("*.sql"))
EVENT_TRIGGER = re.compile(r"^(?:CREATE|DROP) EVENT TRIGGER [^;]*;", re.MULTILINE)
BODY = re.compile(r"LANGUAGE (\w+)(?: \w+)*\s+AS\s+\$\$(.*?)\$\$", re.DOTALL)
# Not checked: the indentation of continuation lines (LT02, LT09); the case of PUBLIC (CP02);
# columns that Redshift names like keywords (RF04).
LINTER = Linter(
    config=FluffConfig(
        overrides={
            "dialect": "postgres",
            "max_line_length": 100,
            "exclude_rules": "LT02,LT09,CP02,RF04",
        }
    )
)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_file_is_in_postgresqls_grammar_and_keeps_the_rules(file: Path) -> None:
    text = EVENT_TRIGGER.sub("SELECT 1;", file.read_text())
    assert [str(fault) for fault in LINTER.lint_string(text).get_violations()] == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_function_bodies_in_sql_are_in_postgresqls_grammar(file: Path) -> None:
    for language, body in BODY.findall(file.read_text()):
        if language == "sql":
            parsed = LINTER.parse_string(body)
            assert parsed.violations == [], body
            assert parsed.tree is not None
            assert list(parsed.tree.recursive_crawl("unparsable")) == [], body


def test_the_linter_finds_faults_in_files_and_bodies() -> None:
    assert LINTER.lint_string("SELEC 1;\n").get_violations()
    assert LINTER.lint_string("select 1, Sum(a) FROM t;\n").get_violations()
    assert LINTER.parse_string("SELECT a FROM WHERE b").violations
    bodies = [language for file in FILES for language, _ in BODY.findall(file.read_text())]
    assert bodies.count("sql") > 10
    assert bodies.count("plpgsql") > 10


def test_every_file_is_installed_and_every_verb_is_requested() -> None:
    assert {file.stem for file in FILES} == {"schema", *bootstrap.FILES}
    sql = "".join(file.read_text() for file in FILES)
    pattern = r"(?:redshift\.request|redshift\.load_from_relay)\(\s*'(\w+)'"
    assert set(re.findall(pattern, sql)) == set(Verb)

"""Redshift's rules and grammar for one statement, and for the order of several."""

import re
from collections.abc import Iterator

from sqlfluff.core import FluffConfig, Linter

linter = Linter(config=FluffConfig(overrides={"dialect": "redshift"}))


# --- Rules for one statement --------------------------------------------------------------------

STRING = re.compile(r"'(?:[^']|'')*'")
NAME = re.compile(r'"(?:[^"]|"")*"')


def bare(text: str) -> str:
    """Return a statement in capitals, without what its strings and quoted names say."""
    return NAME.sub('""', STRING.sub("''", text)).upper()


def words(text: str) -> list[str]:
    return re.findall(r"[A-Z_]+|\d+|[*]", bare(text))


# https://docs.aws.amazon.com/redshift/latest/dg/copy-parameters-data-source-dynamodb.html
NOT_FROM_DYNAMODB = set(
    """
    CSV FORMAT DELIMITER FIXEDWIDTH AVRO JSON PARQUET ORC ESCAPE FILLRECORD IGNOREBLANKLINES
    IGNOREHEADER NULL QUOTE REMOVEQUOTES ACCEPTINVCHARS MANIFEST ENCRYPTED GZIP BZIP2 LZOP ZSTD
    """.split()  # noqa: SIM905 - forty quotes would hide them
)
# https://docs.aws.amazon.com/redshift/latest/dg/copy-parameters-authorization.html
KEYS = {"CREDENTIALS", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN"}


def complaints(text: str) -> list[str]:
    """Return the rules that a statement violates."""
    said = words(text)
    rules = [*_general_rules(text, said)]
    if said[0] in ("COPY", "UNLOAD"):
        rules.append((said.count("IAM_ROLE") == 1, "IAM_ROLE is required"))
    if said[0] == "COPY":
        rules += _copy_rules(text, said)
    found = []
    if said[0] == "UNLOAD":
        rules += _unload_rules(text, said)
        found = complaints(inner(text))
    return [f"{complaint}: {text}" for holds, complaint in rules if not holds] + found


Rule = tuple[object, str]


def _general_rules(text: str, said: list[str]) -> Iterator[Rule]:
    first = said[0]
    yield not KEYS & set(said), "only IAM_ROLE may authorise"
    # TRUNCATE commits what is pending; VACUUM and ALTER TABLE APPEND need no transaction around
    # them. https://docs.aws.amazon.com/redshift/latest/dg/r_TRUNCATE.html
    yield first not in ("TRUNCATE", "VACUUM", "ALTER"), "ends or forbids a transaction"
    yield not re.search(r"SELECT\s+[*]|[.][*]", bare(text)), "columns must be listed"
    # psycopg2 writes backslashes so, and UNLOAD would have to quote them twice.
    yield not re.search(r"\bE'", bare(text)), "escape strings are not for Redshift"
    # https://docs.aws.amazon.com/redshift/latest/dg/t_Defining_constraints.html
    keys = {"PRIMARY", "FOREIGN", "REFERENCES", "UNIQUE"}
    yield not keys & set(said), "not enforced, yet used"
    yield not {"FLOAT", "REAL", "DOUBLE"} & set(said), "inexact"
    if first == "INSERT":
        yield re.match(r'INSERT INTO [\w".]+ \(', bare(text)), "columns must be listed"
    if first == "FETCH":
        # https://docs.aws.amazon.com/redshift/latest/dg/fetch.html
        count = re.search(r"FORWARD (\d+)", text)
        yield count and int(count[1]) <= 1000, "a single-node cluster gives 1000 rows at most"


def _copy_rules(text: str, said: list[str]) -> Iterator[Rule]:
    yield re.match(r'COPY ""\s*\(', bare(text)), "into a temporary table, columns listed"
    if "FROM 'dynamodb://" in text:
        forbidden = NOT_FROM_DYNAMODB & set(said)
        yield not forbidden, f"not allowed from DynamoDB: {forbidden}"
        ratio = re.search(r"READRATIO (\d+)", bare(text))
        yield ratio and 1 <= int(ratio[1]) <= 200, "READRATIO from 1 to 200 is required"
    else:
        # https://docs.aws.amazon.com/redshift/latest/dg/copy-parameters-data-source-s3.html
        yield "FROM 's3://" in text and "MANIFEST" in said, "a path is a prefix: use a manifest"
        yield "ROUNDEC" in said, "extra decimals are truncated without ROUNDEC"
        yield "IGNOREALLERRORS" not in said, "rows would be skipped silently"


def _unload_rules(text: str, said: list[str]) -> Iterator[Rule]:
    # https://docs.aws.amazon.com/redshift/latest/dg/r_UNLOAD.html
    yield {"PARALLEL", "MANIFEST", "HEADER", "CSV"} <= set(said), "one order, one manifest"
    yield not {"CLEANPATH", "ALLOWOVERWRITE"} & set(said), "deletes, or leaves, others' files"
    yield not {"ESCAPE", "ADDQUOTES"} & set(said), "not allowed with CSV"
    yield "LIMIT" not in words(inner(text)), "no LIMIT inside UNLOAD"
    yield "ORDER" in words(inner(text)), "the query must be ordered"


def inner(unload: str) -> str:
    """Return the query inside an UNLOAD, its quotes no longer doubled."""
    query = STRING.search(unload)
    assert query, unload
    return query[0][1:-1].replace("''", "'")


def unread(text: str) -> list[str]:
    """Return the parts of a statement that are not in Redshift's grammar, as sqlfluff reads it."""
    parsed = linter.parse_string(text)
    violations = [str(violation) for violation in parsed.violations]
    if parsed.tree is None:
        return violations or [text]
    return violations + [part.raw for part in parsed.tree.recursive_crawl("unparsable")]


def kind(text: str) -> str:
    return words(text)[0]


def written_tables(text: str) -> list[str]:
    return re.findall(r"^(?:DELETE FROM|INSERT INTO|UPDATE|MERGE INTO) ([^\s(]+)", text)


def disorder(statements: list[str]) -> list[str]:
    """Return the rules that the order of one connection's statements violates."""
    found, inside, locked, cursors = [], False, set[str](), 0
    before: list[str] = []
    for position, text in enumerate(statements):
        if kind(text) == "COPY" and "MAXERROR" in words(text):
            # https://docs.aws.amazon.com/redshift/latest/dg/copy-parameters-data-load.html
            strict = re.sub(r" MAXERROR \d+$", "", text) in statements[:position]
            looked = any("sys_load_error_detail" in t for t in statements[position + 1 :][:2])
            if not (strict and looked):
                found.append(f"rows would be skipped in silence: {text}")
        if kind(text) in ("BEGIN", "COMMIT", "ROLLBACK"):
            inside, locked, before, cursors = kind(text) == "BEGIN", set(), [], 0
            continue
        if kind(text) == "LOCK":
            # A snapshot older than the lock lets two writers both insert.
            # https://docs.aws.amazon.com/redshift/latest/dg/c_serial_isolation.html
            if not inside or set(map(kind, before)) - {"LOCK"}:
                found.append(f"the lock comes too late, or outside a transaction: {text}")
            locked.update(re.findall(r"^LOCK TABLE (\S+)", text))
        found += [f"no lock on {t}: {text}" for t in written_tables(text) if t not in locked]
        if kind(text) == "COPY" and inside:
            found.append(f"its snapshot would be older than the lock: {text}")
        # https://docs.aws.amazon.com/redshift/latest/dg/declare.html
        cursors += kind(text) == "DECLARE"
        if kind(text) in ("DECLARE", "FETCH") and not (inside and cursors == 1):
            found.append(f"one cursor at a time, in a transaction: {text}")
        before.append(text)
    return found

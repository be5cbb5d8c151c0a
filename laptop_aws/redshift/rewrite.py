"""Redshift's SQL rewritten as PostgreSQL's, statement by statement.

COPY and UNLOAD become calls of procedures; words that PostgreSQL spells differently or lacks are
replaced or removed. Everything else stays unchanged, byte for byte. `statements` parses COPY and
UNLOAD; system/*.sql has the procedures.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from laptop_aws.redshift.errors import (
    ACTIVE_TRANSACTION,
    NOT_SUPPORTED,
    SYNTAX,
    RedshiftError,
    SqlSyntaxError,
)
from laptop_aws.redshift.plan import Unload, encode
from laptop_aws.redshift.statements import is_copy_or_unload, parse
from laptop_aws.redshift.tokens import Token, masked, split, tokenize


@dataclass(slots=True)
class Rewritten:
    """The text to send to PostgreSQL, and what the relay needs to know about it.

    ``tags`` are the command tags that the client gets for the calls, in their order; ``commits``
    means that the last statement commits its transaction.
    """

    sql: str
    tags: list[bytes] = field(default_factory=list)
    commits: bool = False


def rewrite(sql: str, in_transaction: bool = False) -> Rewritten:
    """Return the text to send instead of ``sql``; never raises.

    A statement that Redshift or this server does not accept becomes a call that fails.

    Args:
        sql: One or more statements.
        in_transaction: Whether a transaction block is open.
    """
    if not _MAY_NEED_REWRITING.search(sql):
        return Rewritten(sql)
    # AWS's examples escape quotes in UNLOAD's query with a backslash.
    if _UNLOAD.match(sql):
        sql = sql.replace("\\'", "''")
    try:
        statements = split(tokenize(sql))
    except SqlSyntaxError:
        return Rewritten(sql)  # PostgreSQL reports the same error with its position
    rewritten, position = Rewritten(""), 0
    for number, statement in enumerate(statements, 1):
        start, end = statement[0].start, statement[-1].end
        in_transaction |= statement[0].is_word("BEGIN", "START")
        failure = _alter_failure(statement, in_transaction)
        rewritten.sql += sql[position:start] + (failure or _rewrite_one(sql, statement, rewritten))
        if statement[0].is_word("TRUNCATE"):
            # https://docs.aws.amazon.com/redshift/latest/dg/r_TRUNCATE.html
            rewritten.commits = number == len(statements)
            rewritten.sql += "" if rewritten.commits else "; COMMIT"
        position = end
    rewritten.sql += sql[position:]
    return rewritten


_MAY_NEED_REWRITING = re.compile(
    r"\b(?:copy|unload|truncate|create|alter|datediff|dateadd|nvl|sysdate)\b", re.IGNORECASE
)
_UNLOAD = re.compile(r"\s*unload\b", re.IGNORECASE)

# Each pattern is applied to a statement's masked text; the second text replaces a match.
_EVERYWHERE = [
    (r"\b(?:DATEDIFF|DATEADD)\s*\(\s*(?P<quoted>\w+)(?=\s*,)", ""),
    (r"\bNVL(?=\s*\()", "COALESCE"),
    (r"\bSYSDATE\b", "(transaction_timestamp() AT TIME ZONE 'UTC')"),
]
# The placement of rows has no effect here, and Redshift does not enforce keys:
# https://docs.aws.amazon.com/redshift/latest/dg/r_CREATE_TABLE_NEW.html
_REFERENCE = r"REFERENCES\s+\w+(?:\s*\.\s*\w+)*(?:\s*\([^()]*\))?"
_DDL = [
    (r"\b(?:(?:COMPOUND|INTERLEAVED)\s+)?SORTKEY\b(?:\s*\([^()]*\)|\s+AUTO\b)?", ""),
    (r"\bDISTKEY\b(?:\s*\([^()]*\))?", ""),
    (r"\b(?:DISTSTYLE|ENCODE|BACKUP)\s+\w+", ""),
    (
        r",\s*(?:CONSTRAINT\s+\w+\s+)?(?:(?:PRIMARY\s+KEY|UNIQUE)\s*\([^()]*\)"
        rf"|FOREIGN\s+KEY\s*\([^()]*\)\s*{_REFERENCE})",
        "",
    ),
    (r"\bPRIMARY\s+KEY\b", "NOT NULL"),
    (rf"\bUNIQUE\b|\b{_REFERENCE}", ""),
    (r"\b(?:VARCHAR|CHARACTER\s+VARYING|NVARCHAR)\s*\(\s*MAX\s*\)", "VARCHAR(65535)"),
    # https://docs.aws.amazon.com/redshift/latest/dg/r_Character_types.html
    (r"(?<=\w)\s+(?:VARCHAR|CHARACTER\s+VARYING|NVARCHAR|TEXT)\b(?!\s*\()", " VARCHAR(256)"),
]


def _compiled(rules: Sequence[tuple[str, str]]) -> list[tuple[re.Pattern[str], str]]:
    return [(re.compile(pattern, re.IGNORECASE), text) for pattern, text in rules]


_EVERYWHERE_RULES, _DDL_RULES = _compiled(_EVERYWHERE), _compiled(_DDL)
_TABLE = re.compile(
    r"(?:CREATE\s+(?:(?:LOCAL\s+)?TEMP(?:ORARY)?\s+)?|ALTER\s+)TABLE\b", re.IGNORECASE
)


_SECOND_ACTION = re.compile(r",\s*(?:ADD|DROP|ALTER|RENAME)\b(?!.*\bENCODE\b)", re.IGNORECASE)
_ALTER_TYPE = re.compile(
    r"\bALTER\s+COLUMN\s+\w+\s+(?:SET\s+DATA\s+)?TYPE\s+(?P<type>.*)", re.IGNORECASE | re.DOTALL
)
_VARCHAR = re.compile(r"(?:VARCHAR|CHARACTER\s+VARYING|NVARCHAR)\b", re.IGNORECASE)


def _rewrite_one(sql: str, statement: Sequence[Token], rewritten: Rewritten) -> str:
    """Return one rewritten statement; add the tag of a call to ``rewritten``."""
    if is_copy_or_unload(statement):
        rewritten.tags.append(statement[0].text.upper().encode())
        return _call(statement)
    text, mask = sql[statement[0].start : statement[-1].end], masked(statement)
    rules = _EVERYWHERE_RULES
    if _TABLE.match(mask):
        rules = rules + _DDL_RULES
    for pattern, replacement in rules:
        for match in reversed(list(pattern.finditer(mask))):
            start, end, new = match.start(), match.end(), replacement
            if "quoted" in pattern.groupindex:
                start, new = match.start("quoted"), f"'{match['quoted']}'"
            text = text[:start] + new + text[end:]
            mask = mask[:start] + new + mask[end:]
    return text


def _alter_failure(statement: Sequence[Token], in_transaction: bool) -> str:
    """Return a call that fails, for an ALTER TABLE that Redshift rejects; otherwise an empty text.

    https://docs.aws.amazon.com/redshift/latest/dg/r_ALTER_TABLE.html
    """
    if len(statement) < 2 or not (statement[0].is_word("ALTER") and statement[1].is_word("TABLE")):
        return ""
    mask = masked(statement)
    if _SECOND_ACTION.search(mask):
        return _failing('syntax error at or near ","', SYNTAX)
    target = _ALTER_TYPE.search(mask)
    if target and not _VARCHAR.match(target["type"]):
        return _failing("ALTER COLUMN TYPE changes only the size of a VARCHAR", NOT_SUPPORTED)
    if target and in_transaction:
        words = "ALTER TABLE ALTER COLUMN cannot run inside a transaction block"
        return _failing(words, ACTIVE_TRANSACTION)
    return ""


def _failing(message: str, sqlstate: str) -> str:
    return f"CALL redshift.raise_error({_literal(message)}, '{sqlstate}')"


def _call(statement: Sequence[Token]) -> str:
    try:
        plan = parse(statement)
    except RedshiftError as failure:
        return _failing(failure.message, failure.sqlstate)
    procedure = "copy"
    if isinstance(plan, Unload):
        procedure, plan = "unload", replace(plan, query=rewrite(plan.query).sql)
    return f"CALL redshift.{procedure}({_literal(encode(plan))})"


def _literal(text: str) -> str:
    text = text.replace("\0", "")
    return "'" + text.replace("'", "''") + "'"

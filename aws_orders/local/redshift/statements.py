"""COPY and UNLOAD as Redshift spells them, to plain data.

Belongs here: their grammar, and which of their options are understood. An option that is not
understood is an error that names it. Does not belong here: carrying a statement out.
"""

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeVar

from aws_orders.local.redshift.errors import NOT_SUPPORTED, RedshiftError, SqlSyntaxError
from aws_orders.local.redshift.tokens import Token, tokenize

MAX_FILE_BYTES = int(Decimal("6.2") * 1024**3)
MIN_FILE_BYTES = 5 * 1024**2


@dataclass(frozen=True, slots=True)
class Copy:
    """``COPY table (columns) FROM 's3://…' | 'dynamodb://…'`` with its options."""

    table: tuple[str, ...]
    columns: tuple[str, ...]
    source: str
    region: str | None
    gzip: bool
    manifest: bool
    ignore_header: int
    empty_as_null: bool
    round_decimals: bool

    @property
    def from_dynamodb(self) -> bool:
        """Tell whether the rows come from a DynamoDB table."""
        return self.source.startswith("dynamodb://")


@dataclass(frozen=True, slots=True)
class Unload:
    """``UNLOAD ('query') TO 's3://…'`` with its options."""

    query: str
    prefix: str
    region: str | None
    header: bool
    manifest: bool
    verbose: bool
    max_file_bytes: int
    allow_overwrite: bool


def interpret(sql: str) -> Copy | Unload | None:
    """Return the statement that PostgreSQL lacks, or None where it can take ``sql`` as it is."""
    if not _MAY_BE_OURS.search(sql):
        return None
    try:
        statements = _split(tokenize(sql))
    except SqlSyntaxError:
        return None  # PostgreSQL finds the same fault, and knows better where.
    if not any(_is_ours(statement) for statement in statements):
        return None
    if len(statements) > 1:
        raise RedshiftError(
            "COPY and UNLOAD are not supported here together with other statements: "
            "send each one by itself",
            NOT_SUPPORTED,
        )
    cursor = _Cursor(statements[0])
    return _copy(cursor) if cursor.accept("COPY") else _unload(cursor)


_MAY_BE_OURS = re.compile(r"\b(?:copy|unload)\b", re.IGNORECASE)


def _split(tokens: Iterable[Token]) -> list[list[Token]]:
    statements: list[list[Token]] = [[]]
    for token in tokens:
        if token.text == ";":
            statements.append([])
        else:
            statements[-1].append(token)
    return [statement for statement in statements if statement]


def _is_ours(statement: list[Token]) -> bool:
    """Tell whether this is UNLOAD or COPY … FROM 'url'; PostgreSQL has COPY … FROM STDIN."""
    if not statement[0].is_word("COPY"):
        return statement[0].is_word("UNLOAD")
    outside = [token for depth, token in _depths(statement) if depth == 0]
    return any(
        word.is_word("FROM") and source.kind == "string"
        for word, source in itertools.pairwise(outside)
    )


def _depths(tokens: Iterable[Token]) -> Iterator[tuple[int, Token]]:
    """Yield each token with the number of parentheses that are open after it."""
    depth = 0
    for token in tokens:
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        yield depth, token


class _Cursor:
    """A place in a statement."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._position = 0

    def peek(self) -> Token | None:
        return self._tokens[self._position] if self._position < len(self._tokens) else None

    def take(self) -> Token:
        token = self.peek()
        if token is None:
            raise SqlSyntaxError("syntax error at end of input")
        self._position += 1
        return token

    def accept(self, *words: str) -> str | None:
        token = self.peek()
        if token is None or not (token.is_word(*words) or token.text in words):
            return None
        self._position += 1
        return token.text.upper()

    def expect(self, word: str) -> None:
        if not self.accept(word):
            raise _unexpected(self.take())

    def value(self, *kinds: str) -> str:
        token = self.take()
        if token.kind not in kinds:
            raise _unexpected(token)
        return token.value


def _unexpected(token: Token) -> SqlSyntaxError:
    return SqlSyntaxError(f'syntax error at or near "{token.text[:40]}"')


# --- Options: each reads what follows its name --------------------------------------------------


def _flag(cursor: _Cursor) -> bool:  # noqa: ARG001 - nothing follows a flag
    return True


def _text(cursor: _Cursor) -> str:
    cursor.accept("AS")
    return cursor.value("string")


def _integer(cursor: _Cursor) -> int:
    cursor.accept("AS")
    token = cursor.take()
    if not (token.kind == "number" and token.value.isdecimal()):
        raise _unexpected(token)
    return int(token.value)


def _role(cursor: _Cursor) -> str:
    return cursor.accept("DEFAULT") or cursor.value("string")


def _switch(cursor: _Cursor) -> bool:
    return cursor.accept("ON", "OFF", "TRUE", "FALSE", "PRESET") not in ("OFF", "FALSE")


def _format(cursor: _Cursor) -> bool:
    cursor.accept("AS")
    if not cursor.accept("CSV"):
        raise _refused(f"FORMAT {cursor.take().text.upper()}")
    return True


def _auto(cursor: _Cursor) -> str:
    text = _text(cursor)
    if text.lower() != "auto":
        raise _refused(f"a TIMEFORMAT or DATEFORMAT of '{text}' (other than 'auto')")
    return text


def _no_errors(cursor: _Cursor) -> int:
    count = _integer(cursor)
    if count:
        raise _refused("a MAXERROR above 0")
    return count


def _ratio(cursor: _Cursor) -> int:
    ratio = _integer(cursor)
    if not 1 <= ratio <= 200:
        raise RedshiftError(f"READRATIO must be between 1 and 200, not {ratio}", "22023")
    return ratio


def _manifest(cursor: _Cursor) -> str:
    return cursor.accept("VERBOSE") or "PLAIN"


def _file_size(cursor: _Cursor) -> int:
    cursor.accept("AS")
    size = Decimal(cursor.value("number"))
    size *= 1024**3 if cursor.accept("MB", "GB") == "GB" else 1024**2
    if not MIN_FILE_BYTES <= size <= MAX_FILE_BYTES:
        raise RedshiftError("MAXFILESIZE must be between 5 MB and 6.2 GB", "22023")
    return int(size)


_Options = dict[str, Callable[[_Cursor], object]]

_EVERYWHERE: _Options = {"IAM_ROLE": _role, "REGION": _text}
_COPY: _Options = _EVERYWHERE | {
    "EMPTYASNULL": _flag,
    "ROUNDEC": _flag,
    "TIMEFORMAT": _auto,
    "DATEFORMAT": _auto,
    "COMPUPDATE": _switch,
    "STATUPDATE": _switch,
    "MAXERROR": _no_errors,
}
_COPY_S3: _Options = _COPY | {
    "FORMAT": _format,
    "CSV": _flag,
    "GZIP": _flag,
    "MANIFEST": _flag,
    "IGNOREHEADER": _integer,
}
_COPY_DYNAMODB: _Options = _COPY | {"READRATIO": _ratio}
_UNLOAD: _Options = _EVERYWHERE | {
    "FORMAT": _format,
    "CSV": _flag,
    "HEADER": _flag,
    "PARALLEL": _switch,
    "MANIFEST": _manifest,
    "MAXFILESIZE": _file_size,
    "ALLOWOVERWRITE": _flag,
}
_SECRETS = {"CREDENTIALS", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN"}
_REDSHIFT_KNOWS = {*_COPY_S3, *_COPY_DYNAMODB, *_UNLOAD} | set(
    """
    ACCEPTANYDATE ACCEPTINVCHARS ADDQUOTES AVRO BLANKSASNULL BZIP2 CLEANPATH DELIMITER ENCODING
    ENCRYPTED ESCAPE EXPLICIT_IDS EXTENSION FILLRECORD FIXEDWIDTH IGNOREALLERRORS IGNOREBLANKLINES
    JSON KMS_KEY_ID LZOP MASTER_SYMMETRIC_KEY NOLOAD NULL ORC PARQUET PARTITION QUOTE
    REMOVEQUOTES ROWGROUPSIZE SHAPEFILE SSH TRIMBLANKS TRUNCATECOLUMNS ZSTD
    """.split()  # noqa: SIM905 - forty quotes would hide them
)


def _refused(what: str) -> RedshiftError:
    return RedshiftError(f"{what} is not supported by the laptop's Redshift", NOT_SUPPORTED)


def _options(cursor: _Cursor, known: _Options, purpose: str) -> dict[str, object]:
    """Read the rest of the statement as options; FORMAT AS CSV and CSV are the same one."""
    found: dict[str, object] = {}
    while cursor.peek():
        token = cursor.take()
        name = token.text.upper() if token.kind == "word" else ""
        if name in _SECRETS:
            raise RedshiftError(f"{name} is refused: only IAM_ROLE may authorise", NOT_SUPPORTED)
        if name not in known:
            if name in _REDSHIFT_KNOWS:
                raise _refused(f"{name} in {purpose}")
            raise _unexpected(token)
        value = known[name](cursor)
        name = "CSV" if name == "FORMAT" else name
        if name in found:
            raise SqlSyntaxError(f"conflicting or redundant options: {name}")
        found[name] = value
    if "IAM_ROLE" not in found:
        raise SqlSyntaxError(f"IAM_ROLE is required for {purpose}")
    return found


_T = TypeVar("_T")


def _option(options: Mapping[str, object], name: str, default: _T) -> _T:
    value = options.get(name, default)
    if not isinstance(value, type(default)):
        raise TypeError(f"option {name}: {value!r}")
    return value


# --- Statements ---------------------------------------------------------------------------------


def _copy(cursor: _Cursor) -> Copy:
    table = [cursor.value("word", "name")]
    while cursor.accept("."):
        table.append(cursor.value("word", "name"))
    columns: list[str] = []
    if cursor.accept("("):
        columns.append(cursor.value("word", "name"))
        while cursor.accept(","):
            columns.append(cursor.value("word", "name"))
        cursor.expect(")")
    cursor.expect("FROM")
    source = cursor.value("string")
    if source.startswith("s3://"):
        options = _options(cursor, _COPY_S3, "COPY from S3")
        if "CSV" not in options:
            raise _refused("COPY from S3 without FORMAT AS CSV")
    elif source.startswith("dynamodb://"):
        options = _options(cursor, _COPY_DYNAMODB, "COPY from DynamoDB")
        if "READRATIO" not in options:
            raise SqlSyntaxError("READRATIO is required for COPY from DynamoDB")
    else:
        raise _refused(f"COPY from '{source}'")
    return Copy(
        table=tuple(table),
        columns=tuple(columns),
        source=source,
        region=_option(options, "REGION", "") or None,
        gzip="GZIP" in options,
        manifest="MANIFEST" in options,
        ignore_header=_option(options, "IGNOREHEADER", 0),
        empty_as_null="EMPTYASNULL" in options,
        round_decimals="ROUNDEC" in options,
    )


def _unload(cursor: _Cursor) -> Unload:
    cursor.expect("UNLOAD")
    cursor.expect("(")
    query = cursor.value("string")
    cursor.expect(")")
    cursor.expect("TO")
    prefix = cursor.value("string")
    if not prefix.startswith("s3://"):
        raise _refused(f"UNLOAD to '{prefix}'")
    options = _options(cursor, _UNLOAD, "UNLOAD")
    if "CSV" not in options:
        raise _refused("UNLOAD without FORMAT AS CSV")
    if _option(options, "PARALLEL", True):
        raise _refused("UNLOAD without PARALLEL OFF")
    return Unload(
        query=_one_query(query),
        prefix=prefix,
        region=_option(options, "REGION", "") or None,
        header="HEADER" in options,
        manifest="MANIFEST" in options,
        verbose=options.get("MANIFEST") == "VERBOSE",
        max_file_bytes=_option(options, "MAXFILESIZE", MAX_FILE_BYTES),
        allow_overwrite="ALLOWOVERWRITE" in options,
    )


def _one_query(text: str) -> str:
    """Return the query without its semicolon; refuse what Redshift does not unload."""
    statements = _split(tokenize(text))
    if len(statements) != 1 or not statements[0][0].is_word("SELECT", "WITH"):
        raise SqlSyntaxError("UNLOAD takes one SELECT")
    if any(depth == 0 and token.is_word("LIMIT") for depth, token in _depths(statements[0])):
        raise RedshiftError("Limit clause is not supported", NOT_SUPPORTED)
    return text.strip().rstrip(";")

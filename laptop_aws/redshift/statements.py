"""COPY and UNLOAD as Redshift spells them, to plain data.

Belongs here: their grammar, and which of their options are understood. An option that is not
understood is an error that names it. Does not belong here: carrying a statement out.
https://docs.aws.amazon.com/redshift/latest/dg/r_COPY.html
https://docs.aws.amazon.com/redshift/latest/dg/r_UNLOAD.html
"""

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from laptop_aws.redshift.errors import INVALID_VALUE, NOT_SUPPORTED, RedshiftError, SqlSyntaxError
from laptop_aws.redshift.tokens import Token, split, tokenize

MAX_FILE_BYTES = Decimal("6.2") * 1024**3
MIN_FILE_BYTES = 5 * 1024**2
MAX_ERRORS = 100_000


@dataclass(frozen=True, slots=True)
class Copy:
    """``COPY table (columns) FROM 's3://…' | 'dynamodb://…'`` with its options.

    ``table`` is SQL text; no columns stands for all. ``max_errors`` is the number of bad rows
    at which the load fails.
    """

    table: str
    columns: Sequence[str]
    source: str
    region: str | None
    parquet: bool
    delimiter: str
    quote: str
    gzip: bool
    manifest: bool
    ignore_header: int
    null_as: str
    empty_as_null: bool
    blanks_as_null: bool
    replacement: str
    truncate_columns: bool
    round_decimals: bool
    max_errors: int
    no_load: bool


@dataclass(frozen=True, slots=True)
class Unload:
    """``UNLOAD ('query') TO 's3://…'`` with its options."""

    query: str
    prefix: str
    region: str | None
    parquet: bool
    delimiter: str
    null_as: str
    header: bool
    gzip: bool
    extension: str
    parallel: bool
    max_file_bytes: int
    manifest: bool
    verbose: bool
    allow_overwrite: bool
    clean_path: bool


def is_ours(statement: Sequence[Token]) -> bool:
    """Tell whether this is UNLOAD or COPY … FROM 'url'; PostgreSQL has COPY … FROM STDIN."""
    if not statement[0].is_word("COPY"):
        return statement[0].is_word("UNLOAD")
    outside = [token for depth, token in _depths(statement) if depth == 0]
    return any(
        word.is_word("FROM", "TO", "PROGRAM") and source.kind == "string"
        for word, source in itertools.pairwise(outside)
    )


def interpret(statement: Sequence[Token]) -> Copy | Unload:
    """Return what a statement asks for.

    Raises:
        RedshiftError: it is not one that Redshift would take, or has what is not supported here.
    """
    cursor = _Cursor(statement)
    return _copy(cursor) if cursor.accept("COPY") else _unload(cursor)


def _depths(tokens: Iterable[Token]) -> Iterator[tuple[int, Token]]:
    """Yield each token with the number of parentheses that are open after it."""
    depth = 0
    for token in tokens:
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        yield depth, token


class _Cursor:
    """A place in a statement."""

    def __init__(self, tokens: Sequence[Token]) -> None:
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

    def string_follows(self) -> bool:
        token = self.peek()
        return token is not None and (token.kind == "string" or token.is_word("AS"))


def _unexpected(token: Token) -> SqlSyntaxError:
    return SqlSyntaxError(f'syntax error at or near "{token.text[:40]}"')


def _refused(what: str) -> RedshiftError:
    return RedshiftError(f"{what} is not supported by the laptop's Redshift", NOT_SUPPORTED)


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


def _within(name: str, least: int, most: int) -> Callable[[_Cursor], int]:
    def read(cursor: _Cursor) -> int:
        number = _integer(cursor)
        if not least <= number <= most:
            raise RedshiftError(
                f"{name} must be between {least} and {most}, not {number}", INVALID_VALUE
            )
        return number

    return read


def _role(cursor: _Cursor) -> str:
    return cursor.accept("DEFAULT") or cursor.value("string")


def _switch(cursor: _Cursor) -> bool:
    return cursor.accept("ON", "OFF", "TRUE", "FALSE", "PRESET") not in ("OFF", "FALSE")


def _format(cursor: _Cursor) -> str:
    cursor.accept("AS")
    name = cursor.accept("CSV", "PARQUET")
    if name is None:
        raise _refused(f"FORMAT {cursor.take().text.upper()}")
    return name


def _character(cursor: _Cursor) -> str:
    text = _text(cursor)
    octal = re.fullmatch(r"\\([0-7]{3})", text)
    character = chr(int(octal[1], 8)) if octal else {"\\t": "\t"}.get(text, text)
    if len(character) != 1 or not character.isascii() or character in "\r\n":
        raise RedshiftError(
            f"DELIMITER and QUOTE must be one ASCII character, not '{text}'", INVALID_VALUE
        )
    return character


def _replacement(cursor: _Cursor) -> str:
    text = _text(cursor) if cursor.string_follows() else "?"
    if len(text) != 1 or not text.isascii() or text == "\0":
        raise RedshiftError(
            f"ACCEPTINVCHARS takes one ASCII character, not '{text}'", INVALID_VALUE
        )
    return text


def _auto(cursor: _Cursor) -> str:
    text = _text(cursor)
    if text.lower() != "auto":
        raise _refused(f"a TIMEFORMAT or DATEFORMAT of '{text}' (other than 'auto')")
    return text


def _encrypted(cursor: _Cursor) -> bool:
    cursor.accept("AUTO")
    return True  # by S3 itself, as all that is unloaded is


def _manifest(cursor: _Cursor) -> str:
    return cursor.accept("VERBOSE") or "PLAIN"


def _file_size(cursor: _Cursor) -> int:
    cursor.accept("AS")
    size = Decimal(cursor.value("number"))
    size *= 1024**3 if cursor.accept("MB", "GB") == "GB" else 1024**2
    if not MIN_FILE_BYTES <= size <= MAX_FILE_BYTES:
        raise RedshiftError("MAXFILESIZE must be between 5 MB and 6.2 GB", INVALID_VALUE)
    return int(size)


_Options = dict[str, Callable[[_Cursor], object]]

_EVERYWHERE: _Options = {"IAM_ROLE": _role, "REGION": _text}
_COPY: _Options = _EVERYWHERE | {
    "BLANKSASNULL": _flag,
    "COMPUPDATE": _switch,
    "DATEFORMAT": _auto,
    "EMPTYASNULL": _flag,
    "MAXERROR": _within("MAXERROR", 0, MAX_ERRORS),
    "NOLOAD": _flag,
    "ROUNDEC": _flag,
    "STATUPDATE": _switch,
    "TIMEFORMAT": _auto,
    "TRUNCATECOLUMNS": _flag,
}
_FILES: _Options = {
    "CSV": _flag,
    "DELIMITER": _character,
    "FORMAT": _format,
    "GZIP": _flag,
    "NULL": _text,
    "PARQUET": _flag,
}
_COPY_S3: _Options = (
    _COPY
    | _FILES
    | {
        "ACCEPTINVCHARS": _replacement,
        "IGNOREHEADER": _integer,
        "MANIFEST": _flag,
        "QUOTE": _character,
    }
)
_COPY_DYNAMODB: _Options = _COPY | {"READRATIO": _within("READRATIO", 1, 200)}
_UNLOAD: _Options = (
    _EVERYWHERE
    | _FILES
    | {
        "ALLOWOVERWRITE": _flag,
        "CLEANPATH": _flag,
        "ENCRYPTED": _encrypted,
        "EXTENSION": _text,
        "HEADER": _flag,
        "MANIFEST": _manifest,
        "MAXFILESIZE": _file_size,
        "PARALLEL": _switch,
    }
)
_SECRETS = {"CREDENTIALS", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN"}
_REDSHIFT_KNOWS = {*_COPY_S3, *_COPY_DYNAMODB, *_UNLOAD} | set(
    """
    ACCEPTANYDATE ADDQUOTES AVRO BZIP2 COMPROWS ENCODING ESCAPE EXPLICIT_IDS FILLRECORD
    FIXEDWIDTH IGNOREALLERRORS IGNOREBLANKLINES JSON KMS_KEY_ID LZOP MASTER_SYMMETRIC_KEY ORC
    PARTITION REMOVEQUOTES ROWGROUPSIZE SHAPEFILE SSH TRIMBLANKS ZSTD
    """.split()  # noqa: SIM905 - thirty quotes would hide them
)
# https://docs.aws.amazon.com/redshift/latest/dg/copy-usage_notes-copy-from-columnar.html
_FORMATS = {*_EVERYWHERE, "FORMAT", "CSV", "PARQUET"}
_COPY_PARQUET = {*_FORMATS, "COMPUPDATE", "STATUPDATE"}
_UNLOAD_PARQUET = {*_FORMATS, "ALLOWOVERWRITE", "CLEANPATH", "ENCRYPTED", "EXTENSION", "PARALLEL"}


def _options(cursor: _Cursor, known: _Options, purpose: str) -> dict[str, Any]:
    """Read the rest of the statement as options; the format, however it is said, is FORMAT."""
    found: dict[str, Any] = {}
    while cursor.peek():
        token = cursor.take()
        name = token.text.upper() if token.kind == "word" else ""
        if name in _SECRETS:
            raise RedshiftError(f"{name} is refused: only IAM_ROLE may authorise", NOT_SUPPORTED)
        if name not in known:
            if name in _REDSHIFT_KNOWS:
                raise _refused(f"{name} in {purpose}")
            raise _unexpected(token)
        value: object = known[name](cursor)
        key, value = ("FORMAT", name) if name in ("CSV", "PARQUET") else (name, value)
        if key in found:
            raise SqlSyntaxError(f"conflicting or redundant options: {name}")
        found[key] = value
    if "IAM_ROLE" not in found:
        raise SqlSyntaxError(f"IAM_ROLE is required for {purpose}")
    if "FORMAT" in known and "FORMAT" not in found:
        raise _refused(f"{purpose} without FORMAT AS CSV or PARQUET")
    parquet = _COPY_PARQUET if known is _COPY_S3 else _UNLOAD_PARQUET
    if found.get("FORMAT") == "PARQUET" and (wrong := sorted(found.keys() - parquet)):
        raise _refused(f"{wrong[0]} in {purpose} as PARQUET")
    return found


# --- Statements ---------------------------------------------------------------------------------


def _copy(cursor: _Cursor) -> Copy:
    table = [cursor.take()]
    while cursor.accept("."):
        table.append(cursor.take())
    if wrong := [token for token in table if token.kind not in ("word", "name")]:
        raise _unexpected(wrong[0])
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
    elif source.startswith("dynamodb://"):
        options = _options(cursor, _COPY_DYNAMODB, "COPY from DynamoDB")
        if "READRATIO" not in options:
            raise SqlSyntaxError("READRATIO is required for COPY from DynamoDB")
    else:
        raise _refused(f"COPY from '{source}'")
    return Copy(
        table=".".join(token.text for token in table),
        columns=columns,
        source=source,
        region=options.get("REGION"),
        parquet=options.get("FORMAT") == "PARQUET",
        delimiter=options.get("DELIMITER", ","),
        quote=options.get("QUOTE", '"'),
        gzip="GZIP" in options,
        manifest="MANIFEST" in options,
        ignore_header=options.get("IGNOREHEADER", 0),
        null_as=options.get("NULL", "\\N"),
        empty_as_null="EMPTYASNULL" in options or options.get("NULL") == "",
        blanks_as_null="BLANKSASNULL" in options,
        replacement=options.get("ACCEPTINVCHARS", ""),
        truncate_columns="TRUNCATECOLUMNS" in options,
        round_decimals="ROUNDEC" in options,
        max_errors=max(1, options.get("MAXERROR", 0)),
        no_load="NOLOAD" in options,
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
    if "CLEANPATH" in options and "ALLOWOVERWRITE" in options:
        raise SqlSyntaxError("CLEANPATH and ALLOWOVERWRITE exclude each other")
    return Unload(
        query=_one_query(query),
        prefix=prefix,
        region=options.get("REGION"),
        parquet=options.get("FORMAT") == "PARQUET",
        delimiter=options.get("DELIMITER", ","),
        null_as=options.get("NULL", ""),
        header="HEADER" in options,
        gzip="GZIP" in options,
        extension=options.get("EXTENSION", ""),
        parallel=options.get("PARALLEL", True),
        max_file_bytes=options.get("MAXFILESIZE", int(MAX_FILE_BYTES)),
        manifest="MANIFEST" in options,
        verbose=options.get("MANIFEST") == "VERBOSE",
        allow_overwrite="ALLOWOVERWRITE" in options,
        clean_path="CLEANPATH" in options,
    )


def _one_query(text: str) -> str:
    """Return the query without its semicolon; refuse what Redshift does not unload."""
    statements = split(tokenize(text))
    if len(statements) != 1 or not statements[0][0].is_word("SELECT", "WITH"):
        raise SqlSyntaxError("UNLOAD takes one SELECT")
    if any(depth == 0 and token.is_word("LIMIT") for depth, token in _depths(statements[0])):
        raise RedshiftError("Limit clause is not supported", NOT_SUPPORTED)
    return text[: statements[0][-1].end]

"""The options of COPY and UNLOAD: which exist, which are supported, and how to read their values.

An option that is not supported is an error that names it; one that Redshift does not have is a
syntax error. The statements around the options are in `statements`.
https://docs.aws.amazon.com/redshift/latest/dg/r_COPY.html
https://docs.aws.amazon.com/redshift/latest/dg/r_UNLOAD.html
"""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from laptop_aws.redshift.cursor import Cursor, not_supported, unexpected
from laptop_aws.redshift.errors import INVALID_VALUE, NOT_SUPPORTED, RedshiftError, SqlSyntaxError

MAX_FILE_BYTES = Decimal("6.2") * 1024**3
MIN_FILE_BYTES = 5 * 1024**2
MAX_ERRORS = 100_000


def _flag(cursor: Cursor) -> bool:  # noqa: ARG001 - a flag has no value
    return True


def _text(cursor: Cursor) -> str:
    cursor.accept("AS")
    return cursor.value("string")


def _integer(cursor: Cursor) -> int:
    cursor.accept("AS")
    token = cursor.take()
    if not (token.kind == "number" and token.value.isdecimal()):
        raise unexpected(token)
    return int(token.value)


def _within(name: str, least: int, most: int) -> Callable[[Cursor], int]:
    def read(cursor: Cursor) -> int:
        number = _integer(cursor)
        if not least <= number <= most:
            raise RedshiftError(
                f"{name} must be between {least} and {most}, not {number}", INVALID_VALUE
            )
        return number

    return read


def _role(cursor: Cursor) -> str:
    return cursor.accept("DEFAULT") or cursor.value("string")


def _switch(cursor: Cursor) -> bool:
    return cursor.accept("ON", "OFF", "TRUE", "FALSE", "PRESET") not in ("OFF", "FALSE")


def _format(cursor: Cursor) -> str:
    cursor.accept("AS")
    name = cursor.accept("CSV", "PARQUET")
    if name is None:
        raise not_supported(f"FORMAT {cursor.take().text.upper()}")
    return name


def _character(cursor: Cursor) -> str:
    text = _text(cursor)
    octal = re.fullmatch(r"\\([0-7]{3})", text)
    character = chr(int(octal[1], 8)) if octal else {"\\t": "\t"}.get(text, text)
    if len(character) != 1 or not character.isascii() or character in "\r\n":
        raise RedshiftError(
            f"DELIMITER and QUOTE must be one ASCII character, not '{text}'", INVALID_VALUE
        )
    return character


def _replacement(cursor: Cursor) -> str:
    text = _text(cursor) if cursor.string_follows() else "?"
    if len(text) != 1 or not text.isascii() or text == "\0":
        raise RedshiftError(
            f"ACCEPTINVCHARS takes one ASCII character, not '{text}'", INVALID_VALUE
        )
    return text


def _auto(cursor: Cursor) -> str:
    text = _text(cursor)
    if text.lower() != "auto":
        raise not_supported(f"a TIMEFORMAT or DATEFORMAT of '{text}' (other than 'auto')")
    return text


def _encrypted(cursor: Cursor) -> bool:
    cursor.accept("AUTO")
    return True  # S3 encrypts every object


def _manifest(cursor: Cursor) -> str:
    return cursor.accept("VERBOSE") or "PLAIN"


def _file_size(cursor: Cursor) -> int:
    cursor.accept("AS")
    size = Decimal(cursor.value("number"))
    size *= 1024**3 if cursor.accept("MB", "GB") == "GB" else 1024**2
    if not MIN_FILE_BYTES <= size <= MAX_FILE_BYTES:
        raise RedshiftError("MAXFILESIZE must be between 5 MB and 6.2 GB", INVALID_VALUE)
    return int(size)


Options = dict[str, Callable[[Cursor], object]]

_EVERYWHERE: Options = {"IAM_ROLE": _role, "REGION": _text}
_COPY: Options = _EVERYWHERE | {
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
_FILES: Options = {
    "CSV": _flag,
    "DELIMITER": _character,
    "FORMAT": _format,
    "GZIP": _flag,
    "NULL": _text,
    "PARQUET": _flag,
}
COPY_S3: Options = (
    _COPY
    | _FILES
    | {
        "ACCEPTINVCHARS": _replacement,
        "IGNOREHEADER": _integer,
        "MANIFEST": _flag,
        "QUOTE": _character,
    }
)
COPY_DYNAMODB: Options = _COPY | {"READRATIO": _within("READRATIO", 1, 200)}
UNLOAD: Options = (
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
_REDSHIFT_KNOWS = {*COPY_S3, *COPY_DYNAMODB, *UNLOAD} | set(
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


def read_options(cursor: Cursor, known: Options, purpose: str) -> dict[str, Any]:
    """Read the rest of the statement as options.

    Args:
        cursor: After the source of a COPY, or the prefix of an UNLOAD.
        known: The options to read, each with the reader of its value.
        purpose: What errors call the statement, such as "COPY from S3".

    Returns:
        Values by option; CSV and PARQUET are values of FORMAT.

    Raises:
        RedshiftError: an option is unknown, repeated, not supported, or missing.
    """
    found: dict[str, Any] = {}
    while cursor.peek():
        token = cursor.take()
        name = token.text.upper() if token.kind == "word" else ""
        if name in _SECRETS:
            raise RedshiftError(f"{name} is not supported: use IAM_ROLE", NOT_SUPPORTED)
        if name not in known:
            if name in _REDSHIFT_KNOWS:
                raise not_supported(f"{name} in {purpose}")
            raise unexpected(token)
        value: object = known[name](cursor)
        key, value = ("FORMAT", name) if name in ("CSV", "PARQUET") else (name, value)
        if key in found:
            raise SqlSyntaxError(f"conflicting or redundant options: {name}")
        found[key] = value
    if "IAM_ROLE" not in found:
        raise SqlSyntaxError(f"IAM_ROLE is required for {purpose}")
    if "FORMAT" in known and "FORMAT" not in found:
        raise not_supported(f"{purpose} without FORMAT AS CSV or PARQUET")
    parquet = _COPY_PARQUET if known is COPY_S3 else _UNLOAD_PARQUET
    if found.get("FORMAT") == "PARQUET" and (wrong := sorted(found.keys() - parquet)):
        raise not_supported(f"{wrong[0]} in {purpose} as PARQUET")
    return found

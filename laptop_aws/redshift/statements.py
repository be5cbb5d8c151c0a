"""COPY and UNLOAD as Redshift spells them, parsed into plans.

The options are in `options`; carrying a plan out is the task of system/copy.sql and
system/unload.sql.
https://docs.aws.amazon.com/redshift/latest/dg/r_COPY.html
https://docs.aws.amazon.com/redshift/latest/dg/r_UNLOAD.html
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence

from laptop_aws.redshift import options
from laptop_aws.redshift.cursor import Cursor, not_supported, unexpected
from laptop_aws.redshift.errors import NOT_SUPPORTED, RedshiftError, SqlSyntaxError
from laptop_aws.redshift.options import read_options
from laptop_aws.redshift.plan import Copy, Unload
from laptop_aws.redshift.tokens import Token, split, tokenize


def is_copy_or_unload(statement: Sequence[Token]) -> bool:
    """Return whether this is UNLOAD or COPY … FROM 'url', unlike PostgreSQL's COPY … FROM STDIN."""
    if not statement[0].is_word("COPY"):
        return statement[0].is_word("UNLOAD")
    outside = [token for depth, token in _depths(statement) if depth == 0]
    return any(
        word.is_word("FROM", "TO", "PROGRAM") and source.kind == "string"
        for word, source in itertools.pairwise(outside)
    )


def parse(statement: Sequence[Token]) -> Copy | Unload:
    """Return the plan of a COPY or UNLOAD.

    Raises:
        RedshiftError: Redshift would not accept the statement, or this server does not support it.
    """
    cursor = Cursor(statement)
    return _copy(cursor) if cursor.accept("COPY") else _unload(cursor)


def _depths(tokens: Iterable[Token]) -> Iterator[tuple[int, Token]]:
    """Yield each token with the number of parentheses that are open after it."""
    depth = 0
    for token in tokens:
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        yield depth, token


def _copy(cursor: Cursor) -> Copy:
    table, columns = _target(cursor)
    cursor.expect("FROM")
    source = cursor.value("string")
    if source.startswith("s3://"):
        given = read_options(cursor, options.COPY_S3, "COPY from S3")
    elif source.startswith("dynamodb://"):
        given = read_options(cursor, options.COPY_DYNAMODB, "COPY from DynamoDB")
        if "READRATIO" not in given:
            raise SqlSyntaxError("READRATIO is required for COPY from DynamoDB")
    else:
        raise not_supported(f"COPY from '{source}'")
    delimiter, quote = given.get("DELIMITER", ","), given.get("QUOTE", '"')
    null_as = given.get("NULL", "\\N")
    return Copy(
        table=table,
        columns=columns,
        source=source,
        region=given.get("REGION"),
        parquet=given.get("FORMAT") == "PARQUET",
        delimiter=delimiter,
        quote=quote,
        gzip="GZIP" in given,
        manifest="MANIFEST" in given,
        ignore_header=given.get("IGNOREHEADER", 0),
        null_as=null_as,
        empty_as_null="EMPTYASNULL" in given or null_as == "",
        blanks_as_null="BLANKSASNULL" in given,
        replacement=given.get("ACCEPTINVCHARS", ""),
        truncate_columns="TRUNCATECOLUMNS" in given,
        round_decimals="ROUNDEC" in given,
        max_errors=max(1, given.get("MAXERROR", 0)),
        no_load="NOLOAD" in given,
        whole_files=source.startswith("s3://")
        and null_as in ("", "\\N")
        and delimiter != quote
        and given.keys().isdisjoint({"BLANKSASNULL", "NOLOAD"}),
    )


def _target(cursor: Cursor) -> tuple[str, list[str]]:
    """Read the table's name, as SQL text, and the column list, which may be missing."""
    table = [cursor.take()]
    while cursor.accept("."):
        table.append(cursor.take())
    if wrong := [token for token in table if token.kind not in ("word", "name")]:
        raise unexpected(wrong[0])
    columns: list[str] = []
    if cursor.accept("("):
        columns.append(cursor.value("word", "name"))
        while cursor.accept(","):
            columns.append(cursor.value("word", "name"))
        cursor.expect(")")
    return ".".join(token.text for token in table), columns


def _unload(cursor: Cursor) -> Unload:
    cursor.expect("UNLOAD")
    cursor.expect("(")
    query = cursor.value("string")
    cursor.expect(")")
    cursor.expect("TO")
    prefix = cursor.value("string")
    if not prefix.startswith("s3://"):
        raise not_supported(f"UNLOAD to '{prefix}'")
    given = read_options(cursor, options.UNLOAD, "UNLOAD")
    if "CLEANPATH" in given and "ALLOWOVERWRITE" in given:
        raise SqlSyntaxError("CLEANPATH and ALLOWOVERWRITE exclude each other")
    return Unload(
        query=_one_query(query),
        prefix=prefix,
        region=given.get("REGION"),
        parquet=given.get("FORMAT") == "PARQUET",
        delimiter=given.get("DELIMITER", ","),
        null_as=given.get("NULL", ""),
        header="HEADER" in given,
        gzip="GZIP" in given,
        extension=given.get("EXTENSION", ""),
        parallel=given.get("PARALLEL", True),
        max_file_bytes=given.get("MAXFILESIZE", int(options.MAX_FILE_BYTES)),
        manifest="MANIFEST" in given,
        verbose=given.get("MANIFEST") == "VERBOSE",
        allow_overwrite="ALLOWOVERWRITE" in given,
        clean_path="CLEANPATH" in given,
    )


def _one_query(text: str) -> str:
    """Return the query without its semicolon; reject one that Redshift does not unload."""
    statements = split(tokenize(text))
    if len(statements) != 1 or not statements[0][0].is_word("SELECT", "WITH"):
        raise SqlSyntaxError("UNLOAD takes one SELECT")
    if any(depth == 0 and token.is_word("LIMIT") for depth, token in _depths(statements[0])):
        raise RedshiftError("Limit clause is not supported", NOT_SUPPORTED)
    return text[: statements[0][-1].end]

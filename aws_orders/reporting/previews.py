"""Previews: a few rows as Markdown metadata, with e-mail addresses masked.

A preview never fails a load: it is rendered inside `markdown_metadata`, which reports an error as
a sentence. Complete files are read elsewhere.
"""

import csv
import io
import zlib
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg
from botocore.exceptions import BotoCoreError, ClientError

from aws_orders.contract import Table
from aws_orders.errors import DataError
from aws_orders.resources.aws_errors import explained
from aws_orders.resources.redshift import statements
from aws_orders.resources.redshift.resource import RedshiftResource
from aws_orders.resources.settings import Settings
from aws_orders.rows.masking import masked

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ROWS = 10
START_BYTES = 16 * 1024
CELL_CHARACTERS = 60


def object_preview(s3: "S3Client", settings: Settings, key: str) -> dg.MarkdownMetadataValue:
    """Return the first rows of a CSV object as metadata, with e-mail addresses masked."""

    def render() -> str:
        header, *rows = first_rows(s3, settings.bucket, key)
        return markdown_table(header, rows)

    return markdown_metadata(render)


def table_preview(redshift: RedshiftResource, table: Table) -> dg.MarkdownMetadataValue:
    """Return some rows of a table in the warehouse as metadata, with e-mail addresses masked."""
    query = statements.sample(redshift.schema_name, table)
    return markdown_metadata(
        lambda: markdown_table(*redshift.run(lambda session: session.head(query, ROWS)))
    )


def markdown_metadata(render: Callable[[], str]) -> dg.MarkdownMetadataValue:
    """Return rendered Markdown as metadata; if rendering fails, a sentence with the reason."""
    return dg.MetadataValue.md(rendered(render))


def rendered(render: Callable[[], str]) -> str:
    """Return what `render` returns; if it fails, one sentence with the reason.

    Previews are read after the data is stored. An object may be archived, deleted, forbidden or
    not text, and none of this makes the data wrong. Interrupts are not caught.
    """
    try:
        return render()
    except (ClientError, BotoCoreError) as error:
        return f"Not shown: {_first_line(explained(error))}"
    except DataError as error:
        return f"Not shown: {_first_line(error)}"
    # The load has already succeeded, whatever a driver or a parser raises. The error's text is
    # left out, because it may quote personal data.
    except Exception as error:  # noqa: BLE001
        return f"Not shown: it cannot be read or rendered ({type(error).__name__})."


def _first_line(error: Exception) -> str:
    return " ".join(str(error).partition("\n")[0].split())


def first_rows(s3: "S3Client", bucket: str, key: str, rows: int = ROWS) -> list[list[str]]:
    """Return the header and the first rows of a CSV object, from its first kilobytes."""
    start = s3.get_object(Bucket=bucket, Key=key, Range=f"bytes=0-{START_BYTES - 1}")
    content = start["Body"].read()
    if key.endswith(".gz"):
        try:
            content = zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(content, START_BYTES)
        except zlib.error:
            return [["not gzip"]]  # the load reports it with a fix
    text = content.decode("utf-8-sig", errors="replace")
    reader = csv.reader(io.StringIO(text, newline=""))
    # The last row may be incomplete if the object is longer than what was read.
    return [row for _, row in zip(range(rows + 1), reader, strict=False)] or [[]]


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return rows as a Markdown table, with e-mail addresses masked and long values shortened."""
    # If the file has no header, its first row is an order with an address.
    lines = [[masked("", name) for name in header], ["---"] * len(header)]
    lines += [list(map(_value, header, row)) for row in rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _value(column: str, value: Any) -> str:
    return "" if value is None else masked(column, str(value))


def _cell(value: str) -> str:
    text = " ".join(value.split())
    short = text if len(text) <= CELL_CHARACTERS else text[: CELL_CHARACTERS - 1] + "…"
    return short.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")

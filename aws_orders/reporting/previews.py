"""Previews: a few rows for people to look at, their personal data masked.

Pure but for `first_rows`, which reads the start of an object. Whole files are read elsewhere.
Previews are never worth a failed load: they are made inside `shown`.
"""

import csv
import io
import zlib
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from aws_orders.errors import DataError
from aws_orders.resources.aws_errors import explained
from aws_orders.rows.masking import masked

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ROWS = 10
START_BYTES = 16 * 1024
CELL_LETTERS = 60


def shown(render: Callable[[], str]) -> str:
    """Return what `render` returns or, where it fails, one sentence that says why.

    What is displayed is read after the data is in its place. It may be archived, deleted, denied
    or not text at all, and none of this makes the data wrong. Interrupts are not caught.
    """
    try:
        return render()
    except (ClientError, BotoCoreError) as error:
        return f"Not shown: {_sentence(explained(error))}"
    except DataError as error:
        return f"Not shown: {_sentence(error)}"
    # Whatever a driver, a parser or a drawing raises: the load has succeeded by now. Its text is
    # left out, since it may quote personal data.
    except Exception as error:  # noqa: BLE001
        return f"Not shown: it cannot be read or drawn ({type(error).__name__})."


def _sentence(error: Exception) -> str:
    return " ".join(str(error).partition("\n")[0].split())


def first_rows(s3: "S3Client", bucket: str, key: str, rows: int = ROWS) -> list[list[str]]:
    """Return the header and the first rows of a CSV object, from its first kilobytes."""
    start = s3.get_object(Bucket=bucket, Key=key, Range=f"bytes=0-{START_BYTES - 1}")
    content = start["Body"].read()
    if key.endswith(".gz"):
        try:
            content = zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(content, START_BYTES)
        except zlib.error:
            return [["not gzip"]]  # the load says it, with what to do
    text = content.decode("utf-8-sig", errors="replace")
    found = csv.reader(io.StringIO(text, newline=""))
    # The last of them may be cut off, where the object is longer than what was read.
    return [row for _, row in zip(range(rows + 1), found, strict=False)] or [[]]


def table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return rows as a Markdown table, e-mail addresses masked, long values cut."""
    # A file without a header has an order there, with an address.
    lines = [[masked("", name) for name in header], ["---"] * len(header)]
    lines += [list(map(_shown, header, row)) for row in rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _shown(column: str, value: Any) -> str:
    return "" if value is None else masked(column, str(value))


def _cell(value: str) -> str:
    text = " ".join(value.split())
    cut = text if len(text) <= CELL_LETTERS else text[: CELL_LETTERS - 1] + "…"
    return cut.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")

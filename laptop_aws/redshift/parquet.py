"""Parquet files to CSV and back, for clients such as awswrangler.

Only this module uses pyarrow, which is not a dependency: awswrangler installs it.
"""

import importlib
import io
import tempfile
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from laptop_aws.redshift.errors import NOT_SUPPORTED, RedshiftError
from laptop_aws.redshift.plan import Column

if TYPE_CHECKING:
    from laptop_aws.redshift.storage import Content

_BATCH_ROWS = 10_000
_CHUNK = 1024 * 1024


def csv_pieces(url: str, content: "Content", delimiter: str) -> Iterator[bytes]:
    """Yield a file's rows as CSV; a field is empty and unquoted only for NULL."""
    pyarrow = _pyarrow()
    options = pyarrow.csv.WriteOptions(include_header=False, delimiter=delimiter)
    with tempfile.TemporaryFile() as file:
        while chunk := content.read(_CHUNK):
            file.write(chunk)
        try:
            batches = pyarrow.parquet.ParquetFile(file).iter_batches(_BATCH_ROWS)
            for batch in batches:
                piece = io.BytesIO()
                pyarrow.csv.write_csv(batch, piece, options)
                yield piece.getvalue()
        except pyarrow.ArrowException as failure:
            raise RedshiftError(f"File {url} is not valid PARQUET: {failure}") from failure


def from_csv(rows: io.RawIOBase, columns: Sequence[Column]) -> bytes:
    """Return PostgreSQL's CSV rows, without a header, as a Parquet file."""
    pyarrow = _pyarrow()
    schema = pyarrow.schema([(c.name, _type(pyarrow, c)) for c in columns])
    with io.BytesIO() as file:
        with pyarrow.parquet.ParquetWriter(file, schema) as writer:
            buffered = io.BufferedReader(rows)
            if buffered.peek(1):  # pyarrow rejects an empty file
                for batch in pyarrow.csv.open_csv(
                    buffered,
                    pyarrow.csv.ReadOptions(column_names=schema.names),
                    pyarrow.csv.ParseOptions(newlines_in_values=True),
                    pyarrow.csv.ConvertOptions(
                        column_types=schema,
                        null_values=[""],
                        true_values=["t"],
                        false_values=["f"],
                        strings_can_be_null=True,
                        quoted_strings_can_be_null=False,
                    ),
                ):
                    writer.write_batch(batch)
        return file.getvalue()


def _type(pyarrow: Any, column: Column) -> Any:
    kind = column.kind
    if kind == "numeric":
        precision = column.type.partition("(")[2].partition(",")[0] or 38
        return pyarrow.decimal128(int(precision), column.scale or 0)
    known = {
        "bool": pyarrow.bool_(),
        "int2": pyarrow.int16(),
        "int4": pyarrow.int32(),
        "int8": pyarrow.int64(),
        "float4": pyarrow.float32(),
        "float8": pyarrow.float64(),
        "date": pyarrow.date32(),
        "timestamp": pyarrow.timestamp("us"),
    }
    if kind not in known and not column.text:
        raise RedshiftError(
            f"UNLOAD of {column.type} as PARQUET is not supported by the laptop's Redshift",
            NOT_SUPPORTED,
        )
    return known.get(kind, pyarrow.string())


def _pyarrow() -> Any:
    try:
        for module in ("pyarrow.csv", "pyarrow.parquet"):
            importlib.import_module(module)
        return importlib.import_module("pyarrow")
    except ImportError as failure:
        raise RedshiftError(
            "FORMAT AS PARQUET needs pyarrow on the laptop: pip install pyarrow", NOT_SUPPORTED
        ) from failure

"""The plan of a COPY or UNLOAD, and the requests that PostgreSQL sends to the relay about it.

A statement is parsed into a plan once (`statements`). The plan travels as JSON: as the argument of
a procedure's call, and from that procedure back in each request. Here are all types of that
protocol; `channel` sends and answers, and system/channel.sql is the other side.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Copy:
    """``COPY table (columns) FROM 's3://…' | 'dynamodb://…'`` with its options.

    ``table`` is SQL text; an empty ``columns`` means all columns. The load fails when it has
    rejected ``max_errors`` rows. ``whole_files`` means that PostgreSQL may read the files
    unchanged, if their content permits.
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
    whole_files: bool


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


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the loaded table or unloaded query, as PostgreSQL describes it.

    ``kind`` is PostgreSQL's name of the type, such as ``int4``; ``type`` is SQL text. ``scale``
    is set only for decimals that have one, ``length`` (in bytes) only for character types.
    """

    name: str
    number: int
    required: bool
    kind: str
    type: str
    text: bool
    scale: int | None
    length: int | None


class Verb(StrEnum):
    """What a request is for. PostgreSQL has these names as the type ``redshift.verb``."""

    SEND_FILES = "send_files"
    """Write the files of a COPY to the data pipe as one CSV."""
    SEND_ROWS = "send_rows"
    """Write the rows of a COPY to the data pipe, each with its position and its fault."""
    RECORD_ERRORS = "record_errors"
    """Insert load errors outside the client's transaction."""
    RECEIVE_ROWS = "receive_rows"
    """Read the rows of an UNLOAD from the data pipe and write them to S3."""
    FINISH_UNLOAD = "finish_unload"
    """Complete the files of the UNLOAD and write its manifest."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request of a procedure: its verb, a number that its answers repeat, and its fields."""

    verb: Verb
    number: int
    fields: Mapping[str, Any]

    @classmethod
    def decode(cls, line: bytes) -> Self:
        """Return the request that PostgreSQL wrote as a line of JSON."""
        fields = json.loads(line)
        return cls(Verb(fields.pop("verb")), fields.pop("number"), fields)

    def copy(self) -> Copy:
        """Return the plan of a COPY."""
        return Copy(**self.fields["plan"])

    def unload(self) -> Unload:
        """Return the plan of an UNLOAD."""
        return Unload(**self.fields["plan"])

    def columns(self) -> list[Column]:
        """Return the columns, in the order of the fields."""
        return [Column(**column) for column in self.fields["columns"]]


def encode(plan: Copy | Unload) -> str:
    """Return the plan as JSON, the argument of ``redshift.copy`` or ``redshift.unload``."""
    return json.dumps(asdict(plan))

"""The files of an UNLOAD: PostgreSQL's rows, split into objects as Redshift does.

Here: file names, sizes, headers, counts and the manifest. `storage` calls AWS; system/unload.sql
runs the query.
https://docs.aws.amazon.com/redshift/latest/dg/r_UNLOAD.html
"""

import io
import itertools
import time
from collections.abc import Iterator, Sequence
from typing import Any

from laptop_aws.redshift import parquet, storage
from laptop_aws.redshift.errors import RedshiftError
from laptop_aws.redshift.plan import Column, Unload

CHUNK = 1024 * 1024
_PAUSE_SECONDS = 0.001
SLICES = 2
"""How many files PARALLEL ON writes at once: as many as the smallest cluster's slices."""


class Unloading:
    """One UNLOAD: `write_rows`, then `finish` or `abort`."""

    def __init__(self, unload: Unload, columns: Sequence[Column]) -> None:
        self._unload = unload
        self._columns = columns
        self._slices = [_Slice(unload, n) for n in range(SLICES if unload.parallel else 1)]
        self._require_empty()

    def write_rows(self, rows: io.RawIOBase) -> None:
        """Write all rows to S3; raise RedshiftError if that fails."""
        if self._unload.parquet:
            self._slices[0].write(parquet.from_csv(rows, self._columns))
            return
        chunks = _whole_rows(rows)
        first = next(chunks, b"")
        if self._unload.header:
            end = _first_row_end(first)
            for one in self._slices:
                one.header = first[:end]
            first = first[end:]
        self._slices[0].write(b"")  # creates a file even if there are no rows
        for chunk in itertools.chain([first], chunks):
            self._distribute(chunk)

    def finish(self, rows: int) -> None:
        """Complete the files; write the manifest if it was requested and there are rows."""
        for one in self._slices:
            one.close()
        if self._unload.manifest and rows:
            manifest = self._manifest()
            storage.put_json(f"{self._unload.prefix}manifest", self._unload.region, manifest)

    def abort(self) -> None:
        """Abort the files being written; completed files stay, as on Redshift."""
        for one in self._slices:
            one.abort()

    def _distribute(self, rows: bytes) -> None:
        if len(self._slices) == 1:
            self._slices[0].write(rows)
            return
        half = _last_row_end(rows, len(rows) // 2) or _first_row_end(rows)
        for one, part in zip(self._slices, (rows[:half], rows[half:]), strict=True):
            if part:
                one.write(part)

    def _require_empty(self) -> None:
        prefix, region = self._unload.prefix, self._unload.region
        if self._unload.clean_path:
            for url in list(storage.keys(prefix, region)):
                storage.delete(url, region)
        elif not self._unload.allow_overwrite and any(storage.keys(prefix, region)):
            raise RedshiftError(
                "Specified unload destination on S3 is not empty. Consider using a different "
                "bucket / prefix, manually removing the target files in S3, or using the "
                "ALLOWOVERWRITE option."
            )

    def _manifest(self) -> dict[str, Any]:
        parts = [part for one in self._slices for part in one.parts]
        if not self._unload.verbose:
            return {"entries": [{"url": part.url} for part in parts]}
        metas = [{"content_length": part.size, "record_count": part.records} for part in parts]
        names = ("content_length", "record_count")
        return {
            "entries": [
                {"url": part.url, "meta": meta} for part, meta in zip(parts, metas, strict=True)
            ],
            "schema": {"elements": [_element(column) for column in self._columns]},
            "meta": {name: sum(meta[name] for meta in metas) for name in names},
            "author": {"name": "Amazon Redshift", "version": "1.0.0"},
        }


class _Part:
    """A file and the number of its records, including the header."""

    def __init__(self, url: str, unload: Unload, header: bytes) -> None:
        self.url = url
        self.records = 0
        self._counts = unload.verbose
        self._writer = storage.ObjectWriter(url, unload.region, gzipped=unload.gzip)
        self.close, self.abort = self._writer.close, self._writer.abort
        if header:
            self.write(header)

    @property
    def size(self) -> int:
        """The bytes written so far."""
        return self._writer.size

    def write(self, rows: bytes) -> None:
        """Write whole rows."""
        self._writer.write(rows)
        if self._counts:
            # A line end inside quotes does not end a row.
            outside = rows.split(b'"')[::2] if b'"' in rows else (rows,)
            self.records += sum(text.count(b"\n") for text in outside)


class _Slice:
    """The files of one slice; each new file, opened when one is full, repeats the header."""

    def __init__(self, unload: Unload, number: int) -> None:
        self._unload = unload
        self._number = number
        self.header = b""
        self.parts: list[_Part] = []

    def write(self, rows: bytes) -> None:
        """Write rows; no row is split between two files."""
        while True:
            if not self.parts:
                self._open()
            part, room = self.parts[-1], self._unload.max_file_bytes - self.parts[-1].size
            if len(rows) <= room or self._unload.parquet:
                part.write(rows)
                return
            fits = _last_row_end(rows, max(room, 0))
            if not fits and part.size <= len(self.header):
                fits = _first_row_end(rows)  # one row is longer than a file may be
            part.write(rows[:fits])
            rows = rows[fits:]
            part.close()
            self._open()

    def close(self) -> None:
        """Complete the last file."""
        if self.parts:
            self.parts[-1].close()

    def abort(self) -> None:
        """Abort the last file."""
        if self.parts:
            self.parts[-1].abort()

    def _open(self) -> None:
        unload, part = self._unload, len(self.parts)
        name = f"{self._number:04d}_part_{part:02d}" if unload.parallel else f"{part:03d}"
        extension = unload.extension or "gz" * unload.gzip or "parquet" * unload.parquet
        url = f"{unload.prefix}{name}{extension and '.'}{extension}"
        self.parts.append(_Part(url, unload, self.header))


def _whole_rows(source: io.RawIOBase) -> Iterator[bytes]:
    """Yield what is read, split at the ends of rows."""
    held = b""
    while piece := source.read(CHUNK):
        data = held + piece
        end = _last_row_end(data, len(data))
        held = data[end:]
        if end:
            yield data[:end]
        # PostgreSQL writes 4 KiB at a time. A pause lets them collect in the pipe, so that each
        # side is woken less often.
        time.sleep(_PAUSE_SECONDS)
    if held:
        yield held


def _last_row_end(rows: bytes, limit: int) -> int:
    """Return the end of the last row that ends within the limit, or 0."""
    end = rows.rfind(b"\n", 0, limit) + 1
    quotes = rows.count(b'"', 0, end)
    while quotes % 2:  # the line end is inside quotes
        before = rows.rfind(b"\n", 0, end - 1) + 1
        quotes -= rows.count(b'"', before, end)
        end = before
    return end


def _first_row_end(rows: bytes) -> int:
    end, quotes = 0, 1
    while quotes % 2:
        start, end = end, rows.find(b"\n", end) + 1 or len(rows)
        quotes = quotes - (start == 0) + rows.count(b'"', start, end)
    return end


def _element(column: Column) -> dict[str, Any]:
    """Return a column as an element of the manifest's schema."""
    base, _, rest = column.type.partition("(")
    kind: dict[str, Any] = {"base": base}
    if rest:
        numbers = map(int, rest.rstrip(")").split(","))
        keys = ("precision", "scale") if base == "numeric" else ("max_length",)
        kind |= dict(zip(keys, numbers, strict=False))
    return {"name": column.name, "type": kind}

"""COPY and UNLOAD, carried out on a backend connection.

Belongs here: what PostgreSQL is asked to do, with which bytes, and what is recorded of it. Does
not belong here: clients (server), messages (wire), calls of AWS (storage).
"""

import contextlib
import json
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal, InvalidOperation
from typing import Any

from aws_orders.local.redshift import storage
from aws_orders.local.redshift.csv_stream import LineMap, joined
from aws_orders.local.redshift.errors import NOT_SUPPORTED, RedshiftError
from aws_orders.local.redshift.load_errors import LoadError, translate
from aws_orders.local.redshift.statements import Copy, Unload
from aws_orders.local.redshift.wire import Backend, ResultColumn, administrator


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the client is told of a statement that succeeded."""

    tag: str
    notice: str


def execute(statement: Copy | Unload, backend: Backend) -> Outcome:
    """Carry out a statement: as a whole or, when it raises RedshiftError, not at all."""
    if backend.status == "E":
        raise RedshiftError(
            "current transaction is aborted, commands ignored until end of transaction block",
            "25P02",
        )
    return _copy(statement, backend) if isinstance(statement, Copy) else _unload(statement, backend)


def fail_transaction(backend: Backend, failure: RedshiftError) -> None:
    """Leave an open transaction as failed, as any error does, when the backend saw none."""
    if backend.status == "T":
        quoted = "'" + failure.message.replace("'", "''").replace("%", "%%") + "'"
        body = f"BEGIN RAISE EXCEPTION {quoted}; END"
        with contextlib.suppress(RedshiftError):  # raised on purpose
            backend.query("DO '" + body.replace("'", "''") + "'")


@contextlib.contextmanager
def _all_or_nothing(backend: Backend) -> Iterator[None]:
    """Run in the client's transaction, or in one of our own; roll back only our own."""
    if backend.status == "T":
        yield
        return
    backend.query("BEGIN")
    try:
        yield
    except BaseException:
        backend.query("ROLLBACK")
        raise
    backend.query("COMMIT")


def _quoted(*names: str) -> str:
    return ".".join('"' + name.replace('"', '""') + '"' for name in names)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(_quoted(name) for name in names)


# --- COPY ---------------------------------------------------------------------------------------

_LOAD = """
SELECT nextval('redshift.query_ids'), to_regclass($1)::oid, pg_current_xact_id(),
       pg_backend_pid(), current_user::regrole::oid, current_database()
"""

_COLUMNS = """
SELECT a.attname, t.typname, t.typcategory,
       coalesce(substring(format_type(a.atttypid, a.atttypmod) FROM '\\((.*)\\)'), '')
FROM pg_attribute AS a
JOIN pg_type AS t ON t.oid = a.atttypid
WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
ORDER BY a.attnum
"""

_REMEMBER_COPY = """
SELECT set_config('redshift.last_copy_count', $1, false),
       set_config('redshift.last_copy_id', $2, false)
"""

_RECORD = """
INSERT INTO redshift.load_errors (
    query_id, table_id, transaction_id, session_id, user_id, database_name, file_name, line_number,
    column_name, column_type, column_length, position, error_code, error_message
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
"""


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    type: str
    category: str
    length: str

    @property
    def is_text(self) -> bool:
        return self.category == "S"

    @property
    def scale(self) -> int | None:
        """The digits after the point, where the column limits them."""
        if self.type != "numeric" or not self.length:
            return None
        return int(self.length.partition(",")[2] or 0)


@dataclass(frozen=True, slots=True)
class _Load:
    """One COPY: the ids it is recorded under, its table and the columns it fills."""

    query_id: str
    ids: tuple[str, ...]
    database: str
    table: tuple[str, ...]
    columns: tuple[_Column, ...]

    def sql(self, *options: str) -> str:
        columns = _listed([column.name for column in self.columns])
        wanted = ", ".join(("ENCODING 'UTF8'", *options))
        return f"COPY {_quoted(*self.table)} ({columns}) FROM STDIN ({wanted})"

    def failed(self) -> RedshiftError:
        return RedshiftError(
            f"Load into table '{self.table[-1]}' failed.  "
            "Check 'sys_load_error_detail' system table for details."
        )


def _copy(statement: Copy, backend: Backend) -> Outcome:
    load: _Load | None = None
    try:
        with _all_or_nothing(backend):
            load = _begin_load(statement, backend)
            source = _copy_dynamodb if statement.from_dynamodb else _copy_s3
            count = source(statement, load, backend)
            backend.query(_REMEMBER_COPY, str(count), load.query_id)
    except RedshiftError:
        if load is not None and backend.status == "I":
            backend.query(_REMEMBER_COPY, "0", load.query_id)
        raise
    table = load.table[-1]
    return Outcome(
        "COPY", f"Load into table '{table}' completed, {count} record(s) loaded successfully."
    )


def _begin_load(statement: Copy, backend: Backend) -> _Load:
    [facts] = backend.query(_LOAD, _quoted(*statement.table))
    query_id, table_id, *rest, database = facts
    if table_id is None:
        raise RedshiftError(f"Cannot COPY into nonexistent table {statement.table[-1]}", "42P01")
    rows = backend.query(_COLUMNS, table_id)
    known = {str(row[0]): _Column(*(text or "" for text in row)) for row in rows}
    names = statement.columns or tuple(known)
    for name in names:
        if name not in known:
            raise RedshiftError(
                f'column "{name}" of relation "{statement.table[-1]}" does not exist', "42703"
            )
    ids = (query_id, table_id, *rest)
    return _Load(
        query_id=query_id or "",
        ids=tuple(text or "" for text in ids),
        database=database or "",
        table=statement.table,
        columns=tuple(known[name] for name in names),
    )


def _record(load: _Load, found: LoadError, url: str, line: int) -> None:
    """Write a load error from outside the client's transaction, so that it survives it."""
    column = next((column for column in load.columns if column.name == found.column), None)
    about = (column.name, column.type, column.length) if column else ("", "", "")
    what = (str(found.position), str(found.code), found.message[:512])
    with administrator(load.database) as admin:
        admin.query(_RECORD, *load.ids, load.database, url, str(line), *about, *what)


def _copy_s3(statement: Copy, load: _Load, backend: Backend) -> int:
    if not statement.round_decimals and any(column.scale is not None for column in load.columns):
        raise RedshiftError(
            "COPY from S3 into DECIMAL columns without ROUNDEC (which truncates) is not supported "
            "by the laptop's Redshift",
            NOT_SUPPORTED,
        )
    lines = LineMap()
    with contextlib.closing(_contents(statement)) as files:
        pieces = joined(files, statement.ignore_header, lines)
        try:
            return backend.copy_in(load.sql("FORMAT csv", *_empty_fields(statement, load)), pieces)
        except RedshiftError as failure:
            found = translate(failure, {column.name: column.type for column in load.columns})
            if found is None:
                raise
            _record(load, found, *lines.locate(found.line))
            raise load.failed() from failure


def _empty_fields(statement: Copy, load: _Load) -> Iterator[str]:
    """Yield the options that make empty fields NULL, or '', whether quoted or not."""
    null = [column.name for column in load.columns if statement.empty_as_null or not column.is_text]
    blank = [column.name for column in load.columns if column.name not in null]
    if null:
        yield f"FORCE_NULL ({_listed(null)})"
    if blank:
        yield f"FORCE_NOT_NULL ({_listed(blank)})"


def _contents(statement: Copy) -> Generator[tuple[str, storage.Content]]:
    """Yield the URL and the opened, uncompressed content of each file to load."""
    for url, mandatory in _files(statement):
        if not mandatory and not storage.exists(url, statement.region):
            continue
        missing = f"Problem reading mandatory file {url}: The specified key does not exist."
        with storage.opened(url, statement.region, missing, gzipped=statement.gzip) as content:
            yield url, content


def _files(statement: Copy) -> Iterator[tuple[str, bool]]:
    """Yield the URL of each file, and whether it must exist."""
    if not statement.manifest:
        url = ""
        for url in storage.keys(statement.source, statement.region):
            yield url, True
        if not url:
            _, prefix = storage.split_url(statement.source)
            raise RedshiftError(f"The specified S3 prefix '{prefix}' does not exist")
        return
    missing = f"Problem reading manifest file {statement.source}: it does not exist"
    with storage.opened(statement.source, statement.region, missing) as content:
        text = content.read(-1)
    try:
        entries = [(e["url"], e.get("mandatory", False)) for e in json.loads(text)["entries"]]
    except (ValueError, KeyError, TypeError, AttributeError) as failure:
        raise RedshiftError(
            f"Problem reading manifest file {statement.source}: invalid format"
        ) from failure
    yield from entries


_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
_NULL = "\\N"


class _Items:
    """DynamoDB's items as rows of PostgreSQL's text format: one item, one line."""

    def __init__(self, statement: Copy, load: _Load) -> None:
        self._statement = statement
        self._columns = [(column.name.lower(), column) for column in load.columns]
        self._lines = 0
        self.rejected: LoadError | None = None

    def pieces(self) -> Generator[bytes]:
        """Yield the rows of one page after the other."""
        table = self._statement.source.removeprefix("dynamodb://")
        with contextlib.closing(storage.scan(table, self._statement.region)) as pages:
            for page in pages:
                if page:
                    yield "".join(self._row(item) for item in page).encode()

    def _row(self, item: storage.Item) -> str:
        self._lines += 1
        attributes = {name.lower(): value for name, value in item.items()}
        fields = [self._field(attributes.get(name), column) for name, column in self._columns]
        return "\t".join(fields) + "\n"

    def _field(self, attribute: Any, column: _Column) -> str:
        if attribute is None:
            attribute = {"S": ""}
        [(kind, text)] = attribute.items()
        if kind not in ("S", "N"):
            message = f"Unsupported DynamoDB data type {kind}: only S and N can be loaded"
            self.rejected = LoadError(self._lines, column.name, 1200, message, 0)
            raise RedshiftError(message)
        if not text:
            return "" if column.is_text and not self._statement.empty_as_null else _NULL
        if column.scale is not None and not self._statement.round_decimals:
            text = _truncated(text, column.scale)
        return str(text.translate(_ESCAPES))


def _truncated(number: str, scale: int) -> str:
    try:
        return str(Decimal(number).quantize(Decimal(1).scaleb(-scale), ROUND_DOWN))
    except InvalidOperation:
        return number  # for PostgreSQL to refuse


def _copy_dynamodb(statement: Copy, load: _Load, backend: Backend) -> int:
    items = _Items(statement, load)
    try:
        with contextlib.closing(items.pieces()) as pieces:
            return backend.copy_in(load.sql("FORMAT text"), pieces)
    except RedshiftError as failure:
        types = {column.name: column.type for column in load.columns}
        found = items.rejected or translate(failure, types)
        if found is None:
            raise
        _record(load, found, statement.source, found.line)
        raise load.failed() from failure


# --- UNLOAD -------------------------------------------------------------------------------------


class _Parts:
    """The files of an UNLOAD: a new one, with the header again, where one would grow too large."""

    def __init__(self, statement: Unload) -> None:
        self._statement = statement
        self._header = b""
        self._writers: list[storage.ObjectWriter] = []
        self.records: list[int] = []
        self.rows = 0

    def begin(self, header: bytes) -> None:
        """Open the first file."""
        self._header = header
        self._open()

    def write(self, rows: list[bytes]) -> None:
        """Write rows, none of them across two files."""
        data = b"".join(rows)
        if self._writers[-1].size + len(data) <= self._statement.max_file_bytes:
            self._add(data, len(rows))
            return
        for row in rows:
            if self._writers[-1].size + len(row) > self._statement.max_file_bytes:
                self._writers[-1].close()
                self._open()
            self._add(row, 1)

    def close(self) -> None:
        """Make the last file visible."""
        self._writers[-1].close()

    def abort(self) -> None:
        """Give up the file being written; those before it stay, as they do on Redshift."""
        if self._writers:
            self._writers[-1].abort()

    def entries(self) -> Iterator[tuple[str, int, int]]:
        """Yield URL, bytes and records, header included, of each file."""
        for writer, records in zip(self._writers, self.records, strict=True):
            yield writer.url, writer.size, records

    def _open(self) -> None:
        url = f"{self._statement.prefix}{len(self._writers):03d}"
        self._writers.append(storage.ObjectWriter(url, self._statement.region))
        self.records.append(0)
        if self._header:
            self._writers[-1].write(self._header)
            self.records[-1] += 1

    def _add(self, data: bytes, rows: int) -> None:
        self._writers[-1].write(data)
        self.records[-1] += rows
        self.rows += rows


def _unload(statement: Unload, backend: Backend) -> Outcome:
    with _all_or_nothing(backend):
        columns = [_described(column, backend) for column in backend.describe(statement.query)]
        _require_empty(statement)
        parts = _Parts(statement)
        try:
            _write_parts(statement, backend, parts)
        except BaseException:
            parts.abort()
            raise
        if statement.manifest and parts.rows:
            _write_manifest(statement, parts, columns)
        backend.query("SELECT set_config('redshift.last_unload_count', $1, false)", str(parts.rows))
    return Outcome("UNLOAD", f"UNLOAD completed, {parts.rows} record(s) unloaded successfully.")


def _require_empty(statement: Unload) -> None:
    if statement.allow_overwrite:
        return
    if next(storage.keys(statement.prefix, statement.region), None) is not None:
        raise RedshiftError(
            "Specified unload destination on S3 is not empty. Consider using a different bucket / "
            "prefix, manually removing the target files in S3, or using the ALLOWOVERWRITE option."
        )


def _write_parts(statement: Unload, backend: Backend, parts: _Parts) -> None:
    header = ", HEADER" if statement.header else ""
    sql = f"COPY (\n{statement.query}\n) TO STDOUT (FORMAT csv, ENCODING 'UTF8'{header})"
    with contextlib.closing(backend.copy_out(sql)) as batches:
        if statement.header:
            first = next(batches)
            parts.begin(first[0])
            parts.write(first[1:])
        else:
            parts.begin(b"")
        for rows in batches:
            parts.write(rows)
    parts.close()


def _described(column: ResultColumn, backend: Backend) -> dict[str, Any]:
    """Return a column as a manifest's schema has it."""
    [[base, length]] = backend.query(
        "SELECT format_type($1::oid, NULL),"
        " substring(format_type($1::oid, $2::integer) FROM '\\((.*)\\)')",
        str(column.type_oid),
        str(column.type_modifier),
    )
    kind: dict[str, Any] = {"base": base}
    numbers = [int(number) for number in (length or "").split(",") if number]
    keys = ("precision", "scale") if base == "numeric" else ("max_length",)
    return {"name": column.name, "type": kind | dict(zip(keys, numbers, strict=False))}


def _write_manifest(statement: Unload, parts: _Parts, columns: list[dict[str, Any]]) -> None:
    entries = list(parts.entries())
    manifest: dict[str, Any] = {"entries": [{"url": url} for url, _, _ in entries]}
    if statement.verbose:
        manifest["entries"] = [
            {"url": url, "meta": {"content_length": size, "record_count": records}}
            for url, size, records in entries
        ]
        manifest["schema"] = {"elements": columns}
        manifest["meta"] = {
            "content_length": sum(size for _, size, _ in entries),
            "record_count": sum(records for _, _, records in entries),
        }
        manifest["author"] = {"name": "Amazon Redshift", "version": "1.0.0"}
    storage.put_json(f"{statement.prefix}manifest", statement.region, manifest)

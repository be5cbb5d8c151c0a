"""Orders loaded in any order of events, against a model: a dictionary of files as last loaded.

Hypothesis makes up the events: deliveries, redeliveries, files that go, loads, full refreshes,
crashes, lost connections, two loads at once. After each load the warehouse must hold what the
model says, row by row and load by load; a crashed load counts wholly or not at all. What a
single event does is told by `test_ledger` and `test_crashes`.
"""

import csv
import dataclasses
import gzip
import io
import itertools
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import psycopg2
import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)
from psycopg2.sql import SQL, Identifier

from aws_orders.config import ORDERS_FEED_KEY, ORDERS_PREFIX
from aws_orders.contract import ORDERS
from aws_orders.errors import DataError
from aws_orders.orders import sql as orders_sql
from aws_orders.orders.load import OrdersLoad, load_orders
from aws_orders.resources.redshift import resource, session, statements
from aws_orders.resources.redshift.session import Session
from aws_orders.resources.s3 import delete_objects, list_objects
from aws_orders_tests.conftest import Platform
from aws_orders_tests.searches import search
from aws_orders_tests.test_crashes import CrashError, crash

# How names sort is what a merge of two streams stands on.
NAMES = ("B.csv", "a.csv", "a-1.csv", "a.csv.gz", "a/1.csv", "ä.csv", "\U0001f4e6.csv.gz")
KEYS = (ORDERS_FEED_KEY, *(ORDERS_PREFIX + name for name in NAMES))

TEXTS = st.sampled_from(["", "Ada", 'Brandt, "Olga"', "Zoë", "two\nlines", "two\r\nlines"])
SUMS = st.sampled_from(["", "5", "0.10", "10.005", "-2.675"])
VALUES = {
    "order_id": st.sampled_from(["1", "2", "3", str(2**63 - 1)]),
    "customer_name": TEXTS,
    "customer_email": TEXTS,
    "product_id": st.sampled_from(["", "1", "7"]),
    "price": SUMS,
    "quantity": st.sampled_from(["", "1", "2"]),
    "total": SUMS,
    "order_date": st.sampled_from(["", "2026-11-23 08:15:00"]),
    "note": TEXTS,
}
# Mostly one header, so that files share a load; now and then any other.
HEADERS = st.one_of(
    st.just(ORDERS.expected),
    st.just(ORDERS.expected),
    st.sampled_from([ORDERS.names, ("note", *ORDERS.expected[::-1])]),
    st.tuples(st.permutations(list(VALUES)), st.sets(st.sampled_from(["order_date", "note"]))).map(
        lambda drawn: tuple(name for name in drawn[0] if name not in drawn[1])
    ),
)

# The steps of a load after which it may die or lose its connection, and how often they are done.
STEPS = st.one_of(
    st.tuples(
        st.sampled_from(["create_stage", "copy", "lock", "delete_loads", "delete_all"])
        | st.sampled_from(["insert_load", "insert_rows", "count_rows"]),
        st.integers(1, 3),
    ),
    st.tuples(st.just("execute"), st.integers(1, 20)),
)
AFTER_COMMIT = "count_rows"
CONNECTIONS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE application_name = 'aws_orders' AND pid <> pg_backend_pid()"
)

Row = tuple[Any, ...]


@dataclass(frozen=True)
class File:
    """An orders file: its lines, how it is written, and the rows that it must become."""

    header: tuple[str, ...]
    records: tuple[tuple[str, ...], ...]
    line_end: str = "\n"
    ended: bool = True

    def body(self, key: str) -> bytes:
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator=self.line_end).writerows([self.header, *self.records])
        plain = text.getvalue().removesuffix("" if self.ended else self.line_end).encode()
        return gzip.compress(plain, mtime=0) if key.endswith(".gz") else plain

    @property
    def rows(self) -> list[Row]:
        records = (dict(zip(self.header, record, strict=True)) for record in self.records)
        return [tuple(loaded(name, r.get(name, "")) for name in ORDERS.names) for r in records]


def loaded(column: str, text: str) -> Any:
    """Return what Redshift must make of a field."""
    if text == "":
        return None
    if column in ("price", "total"):
        return Decimal(text).quantize(Decimal("0.01"), ROUND_HALF_UP)
    return int(text) if column in ("order_id", "product_id", "quantity") else text


@st.composite
def orders_files(draw: st.DrawFn, headers: st.SearchStrategy[Sequence[str]] = HEADERS) -> File:
    header = tuple(draw(headers))
    records = draw(st.lists(st.tuples(*(VALUES[name] for name in header)), max_size=4))
    return File(header, tuple(records), draw(st.sampled_from(["\n", "\r\n"])), draw(st.booleans()))


FILES = orders_files()
ALIKE = orders_files(st.just(ORDERS.expected))
# Keys that are on S3 now, and those that are not.
PRESENT = st.runner().flatmap(lambda machine: st.sampled_from(sorted(machine.present)))
ABSENT = st.runner().flatmap(
    lambda machine: st.sampled_from(sorted(set(KEYS) - machine.present.keys()))
)
# Two keys on S3 that came with the same load.
SIBLINGS = st.runner().flatmap(lambda machine: st.sampled_from(machine.siblings()))


class Orders(RuleBasedStateMachine):
    """A bucket and a warehouse schema of an example's own, and the model of both."""

    def __init__(self, platform: Platform) -> None:
        super().__init__()
        name = f"m{uuid.uuid4().hex[:12]}"
        self.platform = dataclasses.replace(
            platform,
            settings=platform.settings.model_copy(update={"bucket": name}),
            redshift=platform.redshift.model_copy(update={"schema_name": name}),
        )
        self.runs = itertools.count(1)
        self.present: dict[str, File] = {}
        self.loaded: dict[str, File] = {}
        self.loads: dict[str, int] = {}  # as the ledger says; `check` compares it with the rows
        self.etags: dict[tuple[str, File], str] = {}
        self._execute("CREATE SCHEMA {}")
        self.platform.s3.create_bucket(Bucket=name)
        self._put(ORDERS_PREFIX + "a.csv.bak", b"no delivery")

    def teardown(self) -> None:
        self._execute("DROP SCHEMA {} CASCADE")
        s3, bucket = self.platform.s3, self.platform.bucket
        delete_objects(s3, bucket, [stored.key for stored in list_objects(s3, bucket, "")])
        s3.delete_bucket(Bucket=bucket)

    def _execute(self, statement: str) -> None:
        schema = Identifier(self.platform.redshift.schema_name)
        with self.platform.redshift.session() as session:
            session.execute(SQL(statement).format(schema))

    def _put(self, key: str, body: bytes) -> str:
        answer = self.platform.s3.put_object(Bucket=self.platform.bucket, Key=key, Body=body)
        return answer["ETag"].strip('"')

    # What happens on S3.

    @initialize(
        files=st.dictionaries(st.sampled_from(KEYS), ALIKE, min_size=2, max_size=6),
        load=st.booleans(),
    )
    def begin(self, files: dict[str, File], load: bool) -> None:
        for key, file in files.items():
            self._deliver(key, file)
        if load:
            self.load()

    @precondition(lambda self: len(self.present) < len(KEYS))
    @rule(key=ABSENT, file=FILES)
    def deliver(self, key: str, file: File) -> None:
        self._deliver(key, file)

    @precondition(lambda self: self.present)
    @rule(key=PRESENT, file=FILES)
    def redeliver(self, key: str, file: File) -> None:
        self._deliver(key, file)

    @precondition(lambda self: self.present)
    @rule(key=PRESENT)
    def redeliver_identical_bytes(self, key: str) -> None:
        self._deliver(key, self.present[key])

    @precondition(lambda self: self.present)
    @rule(key=PRESENT, emptied=st.booleans())
    def lose(self, key: str, emptied: bool) -> None:
        if emptied:  # nobody's delivery
            self._put(key, b"")
        else:
            self.platform.s3.delete_object(Bucket=self.platform.bucket, Key=key)
        del self.present[key]

    @precondition(lambda self: self.siblings())
    @rule(keys=SIBLINGS, file=FILES)
    def load_a_redelivery_whose_sibling_has_gone(self, keys: tuple[str, str], file: File) -> None:
        self.lose(keys[0], emptied=False)
        self._deliver(keys[1], file)
        self.load()

    def siblings(self) -> list[tuple[str, str]]:
        known = sorted(self.present.keys() & self.loads.keys())
        pairs = itertools.permutations(known, 2)
        return [pair for pair in pairs if self.loads[pair[0]] == self.loads[pair[1]]]

    def _deliver(self, key: str, file: File) -> None:
        self.etags[key, file] = self._put(key, file.body(key))
        self.present[key] = file

    # Loads.

    @rule()
    def load(self) -> None:
        changed, gone = self._changed(), self._would_lose()
        if gone:
            with pytest.raises(DataError, match="would lose another file's") as told:
                self._load()
            assert all(self.platform.settings.uri(key) in told.value.found for key in gone)
        else:
            new = self.present.keys() - self.loaded.keys()
            report = self._load()
            self.loaded = self.loaded | self.present
            found = report.changes
            assert (len(found.new), len(found.redelivered)) == (len(new), len(changed))
            assert report.loads or not new | changed
        self.check()

    @rule()
    def refresh_fully(self) -> None:
        report = self._load(full_refresh=True)
        self.loaded = dict(self.present)
        assert report.rows == report.loaded
        self.check()

    @rule(one=FILES, other=FILES, keys=st.lists(st.sampled_from(KEYS), min_size=2, max_size=2))
    def deliver_two_within_a_second_and_load_after_each(
        self, one: File, other: File, keys: list[str]
    ) -> None:
        for key, file in zip(keys, (one, other), strict=True):
            self._deliver(key, file)
            self.load()

    @precondition(lambda self: len(self.present) < len(KEYS))
    @rule(
        key=ABSENT,
        file=FILES,
        full_refreshes=st.sampled_from([(False, False), (False, True), (True, True)]),
        meet=st.sampled_from([True, True, False]),
    )
    def deliver_and_load_twice_at_once(
        self, key: str, file: File, full_refreshes: tuple[bool, bool], meet: bool
    ) -> None:
        self._deliver(key, file)
        gone = self._would_lose()
        barrier = threading.Barrier(2)

        def load(full_refresh: bool) -> None:
            try:
                self._load(full_refresh=full_refresh)
            finally:
                barrier.abort()

        if not meet:
            barrier.abort()
        with meeting_before_lock(barrier), ThreadPoolExecutor(2) as pool:
            futures = [pool.submit(load, full) for full in full_refreshes]
        refused = [future.exception() for future in futures]
        for full, error in zip(full_refreshes, refused, strict=True):
            if error and not (isinstance(error, DataError) and gone and not full):
                raise error
        if any(full_refreshes):  # a load before it is undone, one after it finds nothing to do
            self.loaded = dict(self.present)
        elif gone:
            assert all(refused)
        else:
            self.loaded = self.loaded | self.present
        self.check()

    @rule(step=STEPS, full_refresh=st.booleans())
    def load_and_crash(self, step: tuple[str, int], full_refresh: bool) -> None:
        after = self._after(full_refresh)
        committed = False
        with happening_after(*step, crash):
            try:
                self._load(full_refresh=full_refresh)
                committed = True
            except CrashError:
                committed = step[0] == AFTER_COMMIT
            except DataError:
                assert after is None
        if committed:
            assert after is not None
            self.loaded = after
        self.check()

    @rule(step=STEPS, full_refresh=st.booleans())
    def load_and_lose_the_connection(self, step: tuple[str, int], full_refresh: bool) -> None:
        after = self._after(full_refresh)
        with happening_after(*step, lambda: self.platform.query(CONNECTIONS)):
            if after is None:
                with pytest.raises(DataError, match="would lose another file's"):
                    self._load(full_refresh=full_refresh)
            else:
                self._load(full_refresh=full_refresh)
                self.loaded = after
        self.check()

    @rule(key=st.sampled_from(KEYS), record=st.sampled_from(["1,A,,x,,,", "1,A", ""]))
    def load_a_file_that_cannot_be_loaded(self, key: str, record: str) -> None:
        header = ORDERS.expected if record else ORDERS.expected[1:]
        body = f"{','.join(header)}\n{record}\n".encode()
        self._put(key, gzip.compress(body) if key.endswith(".gz") else body)
        with pytest.raises(DataError):
            self._load()
        if key in self.present:
            self._deliver(key, self.present[key])
        else:
            self.platform.s3.delete_object(Bucket=self.platform.bucket, Key=key)
        self.check()

    @precondition(lambda self: self.present)
    @rule(key=PRESENT, file=st.none() | FILES)
    def change_a_file_during_a_load_and_load_again(self, key: str, file: File | None) -> None:
        planned = self._after(full_refresh=False)

        def change() -> None:
            if file:
                self._deliver(key, file)
            else:
                self.lose(key, emptied=False)

        with happening_after("copy_deliveries", 1, change):
            try:
                self._load()
            except (DataError, psycopg2.Error, ClientError):
                pass  # refused, gone, or not as its header said
            else:
                # The change came too late for this load, or had it plan anew.
                etags = dict(self._read("SELECT delivery, etag FROM orders_loads"))
                late = planned and etags.get(key) == self.etags[key, planned[key]]
                expected = planned if late else self._after(full_refresh=False)
                assert expected is not None
                self.loaded = expected
        self.loads = dict(self._read("SELECT delivery, load_id FROM orders_loads"))
        self.load()

    def _load(self, *, full_refresh: bool = False) -> OrdersLoad:
        run_id = f"run-{next(self.runs)}"
        return load_orders(
            self.platform.redshift,
            self.platform.s3,
            self.platform.settings,
            run_id,
            f"_runs/{run_id}/",
            full_refresh=full_refresh,
        )

    # What must come of it.

    def _changed(self) -> set[str]:
        both = self.present.keys() & self.loaded.keys()
        return {key for key in both if self.present[key].body(key) != self.loaded[key].body(key)}

    def _would_lose(self) -> set[str]:
        """Return the files that have gone from S3 and came in a load that must be replaced."""
        outdated = {self.loads[key] for key in self._changed()}
        return {key for key in self.loaded.keys() - self.present if self.loads[key] in outdated}

    def _after(self, full_refresh: bool) -> dict[str, File] | None:
        """Return the model after a load; None where it must be refused."""
        if full_refresh:
            return dict(self.present)
        return None if self._would_lose() else self.loaded | self.present

    def check(self) -> None:
        """Check rows and ledger against the model, each load by itself."""
        ledger = self._read("SELECT delivery, etag, load_id, load_rows FROM orders_loads")
        etags = {(key, self.etags[key, file]) for key, file in self.loaded.items()}
        assert len(ledger) == len(self.loaded)
        assert {(key, etag) for key, etag, *_ in ledger} == etags
        rows = self._read(
            "SELECT load_id, order_id, customer_name, customer_email, product_id, price, quantity,"
            " total, order_date::text FROM orders"
        )
        self.loads = {key: load for key, _, load, _ in ledger}
        expected = [(self.loads[key], *row) for key, f in self.loaded.items() for row in f.rows]
        assert Counter(rows) == Counter(expected)
        assert sum(count for _, count in {entry[2:] for entry in ledger}) == len(rows)

    def _read(self, query: str) -> Sequence[Row]:
        try:
            return self.platform.query(query)
        except psycopg2.errors.UndefinedTable:  # a first load that crashed early
            return []


@contextmanager
def happening_after(name: str, times: int, event: Callable[[], Any]) -> Iterator[None]:
    """Let something happen, once, when a load has done a step so many times."""
    owners = (statements, orders_sql, Session)
    owner: Any = next(owner for owner in owners if hasattr(owner, name))
    step: Callable[..., Any] = getattr(owner, name)
    calls = itertools.count(1)

    def step_then_event(*arguments: Any) -> Any:
        result = step(*arguments)
        if next(calls) == times:
            event()
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, step_then_event)
        yield


@contextmanager
def meeting_before_lock(barrier: threading.Barrier) -> Iterator[None]:
    """Let loads in two threads begin their transactions before either of them locks a table."""
    lock, met = statements.lock, set()

    def meet_then_lock(*arguments: Any) -> Any:
        if (thread := threading.get_ident()) not in met:
            met.add(thread)
            with suppress(threading.BrokenBarrierError):  # the other has nothing to write
                barrier.wait()
        return lock(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(statements, "lock", meet_then_lock)
        yield


@pytest.mark.hypothesis
def test_whatever_happens_the_warehouse_holds_what_a_dictionary_says(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "FIRST_WAIT_SECONDS", 0)
    monkeypatch.setattr(resource, "FIRST_WAIT_SECONDS", 0)
    run_state_machine_as_test(
        lambda: Orders(platform),
        settings=search(12, list(HealthCheck), stateful_step_count=12, print_blob=True),
    )

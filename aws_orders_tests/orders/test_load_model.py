"""Orders loaded in any order of events, compared with a model.

Hypothesis draws the events: deliveries, redeliveries, deletions, loads, full refreshes, crashes,
lost connections, two loads at once. After each load the warehouse must equal the model, row by row
and load by load; a crashed load has all of its effect or none. See `load_model` for the model, and
`test_load`, `test_commit` and `faults.test_crashes` for single events.
"""

import gzip
import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg2
import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck
from hypothesis import strategies as st
from hypothesis.stateful import (
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from aws_orders.contract import ORDERS
from aws_orders.errors import DataError
from aws_orders.resources.redshift import resource, session
from aws_orders_tests.conftest import Platform
from aws_orders_tests.faults.test_crashes import CrashError, crash
from aws_orders_tests.orders.load_events import (
    AFTER_COMMIT,
    CONNECTIONS,
    STEPS,
    happening_after,
    meeting_before_lock,
)
from aws_orders_tests.orders.load_model import LoadModel
from aws_orders_tests.orders.order_files import ALIKE, FILES, KEYS, File
from aws_orders_tests.searches import search

# Keys that are on S3 now, and all others.
PRESENT = st.runner().flatmap(lambda machine: st.sampled_from(sorted(machine.present)))
ABSENT = st.runner().flatmap(
    lambda machine: st.sampled_from(sorted(set(KEYS) - machine.present.keys()))
)
# Two keys on S3 whose files share a load.
SIBLINGS = st.runner().flatmap(lambda machine: st.sampled_from(machine.siblings()))


class Loads(LoadModel):
    """The events."""

    # Events on S3.

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
        if emptied:  # not a delivery
            self._put(key, b"")
        else:
            self.platform.s3.delete_object(Bucket=self.platform.bucket, Key=key)
        del self.present[key]

    @precondition(lambda self: self.siblings())
    @rule(keys=SIBLINGS, file=FILES)
    def load_a_redelivery_whose_sibling_was_deleted(
        self, keys: tuple[str, str], file: File
    ) -> None:
        self.lose(keys[0], emptied=False)
        self._deliver(keys[1], file)
        self.load()

    # Loads.

    @rule()
    def load(self) -> None:
        changed, lost = self._changed(), self._would_lose()
        if lost:
            with pytest.raises(DataError, match="would lose another file's") as raised:
                self._load()
            assert all(self.platform.settings.uri(key) in raised.value.found for key in lost)
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
        lost = self._would_lose()
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
        rejected = [future.exception() for future in futures]
        for full, error in zip(full_refreshes, rejected, strict=True):
            if error and not (isinstance(error, DataError) and lost and not full):
                raise error
        if any(full_refreshes):  # it undoes a load before it; one after it has nothing to load
            self.loaded = dict(self.present)
        elif lost:
            assert all(rejected)
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
    def load_a_bad_file(self, key: str, record: str) -> None:
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
                pass  # rejected, deleted, or with other columns than its header
            else:
                # The change came too late for this load, or the load was planned again.
                etags: dict[str, str] = dict(self._read("SELECT delivery, etag FROM orders_loads"))
                late = planned and etags.get(key) == self.etags[key, planned[key]]
                expected = planned if late else self._after(full_refresh=False)
                assert expected is not None
                self.loaded = expected
        self.loads = dict(self._read("SELECT delivery, load_id FROM orders_loads"))
        self.load()


@pytest.mark.hypothesis
def test_the_warehouse_equals_the_model_after_any_events(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "FIRST_WAIT_SECONDS", 0)
    monkeypatch.setattr(resource, "FIRST_WAIT_SECONDS", 0)
    run_state_machine_as_test(
        lambda: Loads(platform),  # type: ignore[arg-type]  # any factory
        settings=search(12, list(HealthCheck), stateful_step_count=12, print_blob=True),
    )

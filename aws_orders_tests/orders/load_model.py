"""The model of loads: a dictionary of files as last loaded, and its comparison with the warehouse.

See `test_load_model` for the events, and `order_files` for the files.
"""

import dataclasses
import itertools
import uuid
from collections import Counter
from collections.abc import Sequence

import psycopg2
from hypothesis.stateful import (
    RuleBasedStateMachine,
)
from psycopg2.sql import SQL, Identifier

from aws_orders.orders.load import OrdersLoad, load_orders
from aws_orders.resources.s3 import delete_objects, list_objects
from aws_orders.resources.settings import ORDERS_PREFIX
from aws_orders_tests.conftest import Platform
from aws_orders_tests.orders.order_files import File, Row


class LoadModel(RuleBasedStateMachine):
    """A bucket and a warehouse schema for one example, and the model of both."""

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
        self.loads: dict[str, int] = {}  # as in the ledger; `check` compares it with the rows
        self.etags: dict[tuple[str, File], str] = {}
        self._execute("CREATE SCHEMA {}")
        self.platform.s3.create_bucket(Bucket=name)
        self._put(ORDERS_PREFIX + "a.csv.bak", b"not a delivery")

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
        return str(answer["ETag"]).strip('"')

    def siblings(self) -> list[tuple[str, str]]:
        known = sorted(self.present.keys() & self.loads.keys())
        pairs = itertools.permutations(known, 2)
        return [pair for pair in pairs if self.loads[pair[0]] == self.loads[pair[1]]]

    def _deliver(self, key: str, file: File) -> None:
        self.etags[key, file] = self._put(key, file.body(key))
        self.present[key] = file

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

    def _changed(self) -> set[str]:
        both = self.present.keys() & self.loaded.keys()
        return {key for key in both if self.present[key].body(key) != self.loaded[key].body(key)}

    def _would_lose(self) -> set[str]:
        """Return the deleted files of loads that must be replaced."""
        outdated = {self.loads[key] for key in self._changed()}
        return {key for key in self.loaded.keys() - self.present if self.loads[key] in outdated}

    def _after(self, full_refresh: bool) -> dict[str, File] | None:
        """Return the model after a load; None if the load must be rejected."""
        if full_refresh:
            return dict(self.present)
        return None if self._would_lose() else self.loaded | self.present

    def check(self) -> None:
        """Compare rows and ledger with the model, load by load."""
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
        except psycopg2.errors.UndefinedTable:  # the first load crashed early
            return []

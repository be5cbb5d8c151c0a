"""Every statement that runs and the doctor send follows Redshift's rules and grammar."""

from collections import defaultdict
from contextlib import suppress
from typing import Any

import psycopg2.extensions
import pytest

from aws_orders.doctor.live import live_test
from aws_orders.doctor.warehouse import warehouse
from aws_orders.resources.redshift import resource
from aws_orders_tests.conftest import ORDERS_CSV, PRODUCTS_CSV, Platform
from aws_orders_tests.resources.redshift.statement_rules import complaints, disorder, kind, unread

# --- What runs really send ----------------------------------------------------------------------

Sent = dict[int, list[str]]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Sent:
    """Record the statements sent from now on, as on the wire, by connection."""
    recorded: Sent = defaultdict(list)

    class Recorder(psycopg2.extensions.cursor):
        def execute(self, query: Any, arguments: Any = None) -> None:
            try:
                super().execute(query, arguments)
            finally:
                recorded[self.connection.info.backend_pid].append((self.query or b"").decode())

    opened = resource.connect  # type: ignore[attr-defined]

    def connect(*arguments: Any) -> psycopg2.extensions.connection:
        connection = opened(*arguments)
        connection.cursor_factory = Recorder
        return connection

    monkeypatch.setattr(resource, "connect", connect)
    return recorded


@pytest.fixture
def everything(platform: Platform, sent: Sent) -> Sent:
    """Record the statements of all operations of the platform."""
    platform.refresh()
    platform.deliver("more.csv", ORDERS_CSV.replace("order_id", "note,order_id"))
    platform.fault()  # a row lacks a field
    platform.deliver("more.csv", ORDERS_CSV)
    platform.refresh("refresh_orders")
    platform.deliver("more.csv", ORDERS_CSV + "9,Ann,ann@example.org,77,1,1,1\n")
    platform.feed("products", PRODUCTS_CSV.replace("Kettle", "Teapot"))
    platform.refresh()
    platform.refresh("refresh_orders", redshift_orders={"full_refresh": True})
    with platform.redshift.session() as session, suppress(KeyError), session.transaction():
        raise KeyError
    list(warehouse(platform.redshift))
    list(live_test(platform.settings, platform.s3, platform.dynamodb, platform.redshift))
    return sent


def test_all_statements_sent_follow_redshifts_grammar_and_rules_and_lock_first(
    everything: Sent,
) -> None:
    texts = sorted({text for statements in everything.values() for text in statements})
    kinds = set(map(kind, texts))
    assert kinds >= {"BEGIN", "LOCK", "DELETE", "INSERT", "COMMIT", "ROLLBACK"}
    assert kinds >= {"CREATE", "COPY", "UNLOAD", "DECLARE", "FETCH", "SELECT", "DROP"}
    assert any("sys_load_error_detail" in text for text in texts)
    for text in texts:
        assert complaints(text) == []
        assert unread(text) == [], text
    assert [found for statements in everything.values() for found in disorder(statements)] == []

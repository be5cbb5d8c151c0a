"""Events in the middle of a load: crashes, lost connections, other loads."""

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from hypothesis import strategies as st

from aws_orders.orders import sql as orders_sql
from aws_orders.resources.redshift import statements
from aws_orders.resources.redshift.session import Session

# The steps of a load after which it crashes or loses its connection, and after which call.
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


@contextmanager
def happening_after(name: str, times: int, event: Callable[[], Any]) -> Iterator[None]:
    """Call `event` once, after a load has done a step `times` times."""
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
            with suppress(threading.BrokenBarrierError):  # the other load has nothing to write
                barrier.wait()
        return lock(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(statements, "lock", meet_then_lock)
        yield

"""Every delivery is followed by a run, whatever fails in between."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from aws_orders.automation import s3_events as notifications
from aws_orders_tests.automation.conftest import watching
from aws_orders_tests.searches import search

PUT, TICK, DIES, CRASH, AGAIN = "put", "tick", "dies", "crash", "again"


@given(
    st.lists(
        st.tuples(st.sampled_from([PUT, PUT, TICK, TICK, DIES, CRASH, AGAIN]), st.integers(0, 2)),
        max_size=14,
    )
)
@search(25, list(HealthCheck))
def test_whatever_dies_when_each_delivery_is_followed_by_a_run(
    clients: tuple[Any, Any], actions: list[tuple[str, int]]
) -> None:
    """Runs load what lies there when they are made: the end state must have been loaded."""
    with pytest.MonkeyPatch.context() as patch, watching(clients) as watch:
        patch.setattr(notifications, "WAIT_SECONDS", 0)
        watch.notify()
        watch.tick()
        there: dict[str, int] = {}
        loaded: dict[str, int] = {}

        def run(key: str | None) -> None:
            if key and key not in watch.requested:
                watch.requested.add(key)
                loaded.update(there)

        for step, (action, number) in enumerate(actions):
            match action:
                case "put":
                    there[f"{number}.csv"] = step
                    watch.put(f"{number}.csv", str(step % 2).encode())
                case "tick" | "dies":
                    key = watch.tick(dies=True)
                    run(key if action == TICK else None)
                case "crash":
                    watch.look()
                case "again":
                    watch.show_again()
        watch.show_again()
        run(watch.tick(dies=True))
        run(watch.tick(dies=True))
        assert loaded == there
        assert watch.left == 0
        assert watch.warnings == []

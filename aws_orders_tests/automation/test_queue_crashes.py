"""Every delivery is followed by a run, whatever fails in between."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from aws_orders.automation import s3_events
from aws_orders_tests.automation.conftest import new_queue
from aws_orders_tests.searches import search

PUT, TICK, DIES, CRASH, AGAIN = "put", "tick", "dies", "crash", "again"


@given(
    st.lists(
        st.tuples(st.sampled_from([PUT, PUT, TICK, TICK, DIES, CRASH, AGAIN]), st.integers(0, 2)),
        max_size=14,
    )
)
@search(25, list(HealthCheck))
def test_every_delivery_is_followed_by_a_run_whatever_fails_in_between(
    clients: tuple[Any, Any], actions: list[tuple[str, int]]
) -> None:
    """Runs load the deliveries that exist when they start: all final ones must be loaded."""
    with pytest.MonkeyPatch.context() as patch, new_queue(clients) as queue:
        patch.setattr(s3_events, "WAIT_SECONDS", 0)
        queue.notify()
        queue.tick()
        there: dict[str, int] = {}
        loaded: dict[str, int] = {}

        def run(key: str | None) -> None:
            if key and key not in queue.requested:
                queue.requested.add(key)
                loaded.update(there)

        for step, (action, number) in enumerate(actions):
            match action:
                case "put":
                    there[f"{number}.csv"] = step
                    queue.put(f"{number}.csv", str(step % 2).encode())
                case "tick" | "dies":
                    key = queue.tick(dies=True)
                    run(key if action == TICK else None)
                case "crash":
                    queue.lost_tick()
                case "again":
                    queue.show_again()
        queue.show_again()
        run(queue.tick(dies=True))
        run(queue.tick(dies=True))
        assert loaded == there
        assert queue.left == 0
        assert queue.warnings == []

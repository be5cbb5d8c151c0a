"""Event messages: which deliveries a message reports."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aws_orders.automation.event_messages import Arrival, parse
from aws_orders.resources.settings import ORDERS_PREFIX


def event(key: str, bucket: str = "b", name: str = "ObjectCreated:Put", **about: Any) -> Any:
    object_ = {"key": key, "eTag": "e", "sequencer": "1", **about}
    return {"Records": [{"eventName": name, "s3": {"bucket": {"name": bucket}, "object": object_}}]}


EVENTBRIDGE = {
    "version": "0",
    "detail-type": "Object Created",
    "source": "aws.s3",
    "detail": {
        "bucket": {"name": "b"},
        "object": {"key": "input/orders/a+b%20.csv", "size": 5, "etag": "e", "sequencer": "1"},
        "reason": "PutObject",
    },
}


def test_keys_in_eventbridges_events_are_not_decoded() -> None:
    found = [Arrival("input/orders/a+b%20.csv", "e", "1")]
    assert parse(json.dumps(EVENTBRIDGE), "b") == found
    wrapped = {"Type": "Notification", "Message": json.dumps(EVENTBRIDGE)}
    assert parse(json.dumps(wrapped), "b") == found
    assert parse(json.dumps(EVENTBRIDGE), "c") == []
    assert parse(json.dumps({**EVENTBRIDGE, "detail-type": "Object Deleted"}), "b") == []


def test_a_message_may_report_several_deliveries_without_sizes() -> None:
    records = [*event("input/orders/a.csv")["Records"], *event("input/orders/b.csv")["Records"]]
    removed = event("input/orders/c.csv", name="ObjectRemoved:Delete")["Records"]
    arrivals = parse(json.dumps({"Records": records + removed}), "b")
    assert arrivals == [Arrival(f"input/orders/{name}.csv", "e", "1") for name in "ab"]


@pytest.mark.parametrize(
    "body",
    [
        "",
        "null",
        "[]",
        "{}",
        '{"Records": []}',
        '{"Records": "aws:s3"}',
        '{"Records": [{"eventName": "INSERT", "dynamodb": {}}]}',
        '{"Records": [{"eventName": "ObjectCreated:Put", "s3": {}}]}',
        '{"Type": "Notification", "Message": "Hello"}',
        '{"Type": "Notification"}',
        '{"detail-type": "Object Created", "detail": {"object": {"key": "input/orders/a.csv"}}}',
        '{"detail-type": "Build State Change", "source": "aws.codebuild"}',
        "[" * 100_000,
        "1" * 5_000,
        '{"Records": [null, ' + json.dumps(event("input/orders/a.csv")["Records"][0]) + "]}",
    ],
)
def test_other_texts_are_not_events(body: str) -> None:
    assert parse(body, "b") is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


def nearly(template: Any) -> st.SearchStrategy[Any]:
    """Return a strategy of values that differ from `template` in some parts."""
    same: st.SearchStrategy[Any] = st.just(template)
    if isinstance(template, dict):
        same = st.fixed_dictionaries({}, optional={k: nearly(v) for k, v in template.items()})
    if isinstance(template, list):
        same = st.lists(nearly(template[0]), max_size=2)
    return st.one_of(*[same] * 4, st.just(template), JSON)


@given(
    st.text()
    | JSON.map(json.dumps)
    | nearly(event("input/orders/%ff+%.csv", size=1)).map(json.dumps)
    | nearly(EVENTBRIDGE).map(json.dumps)
)
def test_parse_never_raises_and_returns_texts_for_a_run_key(body: str) -> None:
    for text in (body, json.dumps({"Type": "Notification", "Message": body})):
        for arrival in parse(text, "b") or ():
            assert arrival.key.startswith(ORDERS_PREFIX)
            assert all(isinstance(part, str) for part in arrival)

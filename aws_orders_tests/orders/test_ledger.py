"""The comparison of a listing with the ledger."""

from hypothesis import given
from hypothesis import strategies as st

from aws_orders.orders.ledger import Entry, compare
from aws_orders_tests.objects import stored

keys = st.sampled_from("abcdefgh")


@given(
    listing=st.dictionaries(keys, st.integers(0, 2)),
    known=st.dictionaries(keys, st.tuples(st.integers(0, 2), st.integers(1, 3))),
)
def test_comparing_streams_equals_comparing_dictionaries(
    listing: dict[str, int], known: dict[str, tuple[int, int]]
) -> None:
    changes = compare(
        (stored(key, etag=str(etag)) for key, etag in sorted(listing.items())),
        (Entry(key, str(etag), load) for key, (etag, load) in sorted(known.items())),
    )
    assert {o.key for o in changes.new} == listing.keys() - known.keys()
    changed = {key for key in listing.keys() & known.keys() if listing[key] != known[key][0]}
    assert {o.key for o in changes.redelivered} == changed
    assert changes.outdated == {known[key][1] for key in changed}

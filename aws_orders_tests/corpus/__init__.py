"""A corpus of broken deliveries and feeds, each named for its fault, and what comes of each.

Belongs here: what senders really get wrong, by the dozen, as tables, and the few tests that go
through them. Single promises, shown once each, are in the tests beside this package.
"""

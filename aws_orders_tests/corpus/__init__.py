"""A corpus of faulty deliveries and feeds, each named for its fault, with the expected result.

It has tables of what senders get wrong, and the few tests that go through them. Tests of single
promises are in the other folders.
"""

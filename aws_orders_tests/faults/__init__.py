"""Tests of what can go wrong along the whole path: bad input, crashes, lost connections."""

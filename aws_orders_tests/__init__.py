"""Tests, laid out as the package is; each name is a sentence about behaviour."""

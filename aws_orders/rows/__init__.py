"""Rows as text: CSV records, headers, lookup by line, masking of personal data. Pure."""

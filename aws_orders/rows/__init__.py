"""Rows as text: CSV records, headers, lookup by line, masking of e-mail addresses. Pure."""

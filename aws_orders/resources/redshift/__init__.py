"""Redshift: connection, session, statements, and changes to its tables."""

"""Redshift: connection, session, statements, and the evolution of its tables."""

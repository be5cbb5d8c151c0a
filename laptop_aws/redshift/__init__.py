"""The laptop's Redshift: a server that makes PostgreSQL answer as Redshift does.

It stands between clients and a real PostgreSQL, and only rewrites statements on their way: COPY
and UNLOAD become calls of procedures, which ask this server for data by way of named pipes. So
transactions, both query protocols, cancelling and all other SQL are PostgreSQL's own work.

    relay       clients' connections, byte by byte
    rewrite     Redshift's SQL to PostgreSQL's
    tokens      SQL text to tokens
    statements  the grammar of COPY and UNLOAD
    system.sql  Redshift's procedures, views and functions in PostgreSQL
    desk        what the procedures ask for, session by session
    loading     files and items to what PostgreSQL's COPY reads
    unloading   what PostgreSQL's COPY writes to files
    parquet     Parquet files, for clients that know no other
    storage     S3 and DynamoDB, as streams
    bootstrap   the role, the database, and system.sql

Nothing here knows the platform, its tables or Dagster. docs/redshift.md says what is supported,
what is refused, and what differs from Redshift.
"""

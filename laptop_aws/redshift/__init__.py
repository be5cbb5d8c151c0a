"""The laptop's Redshift: a server that makes PostgreSQL answer as Redshift does.

It relays between clients and a real PostgreSQL and rewrites statements: COPY and UNLOAD become
calls of procedures, which exchange data with this server through named pipes. PostgreSQL does the
rest: transactions, both query protocols, cancelling, and all other SQL.

    relay       a session: bytes in both directions (handshake: its start; messages: the protocol)
    rewrite     Redshift's SQL to PostgreSQL's
    tokens      SQL text to tokens (cursor: reading them one by one)
    statements  COPY and UNLOAD to plans (options: their options)
    plan        the plans, and the requests between the procedures and this server
    channel     the pipes of a session, and the thread that serves its requests
    loading     files and items to what PostgreSQL's COPY reads (csv_reader, values, parquet)
    unloading   what PostgreSQL's COPY writes to files on S3
    storage     S3 and DynamoDB as streams
    bootstrap   the role, the database, and system/*.sql

docs/laptop-aws.md lists what is supported and what differs from Redshift.
"""

r"""The laptop's Redshift: a server that makes PostgreSQL answer as Redshift does.

It speaks PostgreSQL's wire protocol in front of a real PostgreSQL, lets ordinary SQL through,
and carries out COPY from S3 or DynamoDB and UNLOAD to S3 itself, on the client's own backend
connection, so that transactions hold. What it does not know is an error, never ignored.

    tokens      SQL text -> tokens
    statements  tokens -> Copy or Unload
    csv_stream  CSV files -> the one stream that PostgreSQL reads
    storage     S3 and DynamoDB, as streams
    execute     Copy or Unload -> what PostgreSQL is asked to do, and with which bytes
    load_errors PostgreSQL's complaints in Redshift's words
    catalog     roles, system views and functions
    wire        messages, and a minimal client of PostgreSQL
    server      clients' connections

Nothing here knows the platform, its tables or Dagster.

Known differences from Redshift: VARCHAR(n) counts characters, not bytes; PRIMARY KEY and UNIQUE
are enforced; ``\N`` in a CSV file is text, not NULL; TIMEFORMAT and DATEFORMAT 'auto' read what
PostgreSQL reads; quoted identifiers keep their case; backslashes in plain strings are literal;
a COPY that fails inside a transaction leaves pg_last_copy_count() as it was.
"""

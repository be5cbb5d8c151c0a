"""A local AWS: stand-ins for S3, DynamoDB, SQS, SNS and Redshift, without Docker or an account.

    stack         a state directory, its two ports, and the environment for clients
    processes     the child processes, each under a guard that stops it
    foreground    running a stack in a terminal until Ctrl-C
    postgres      PostgreSQL's programs and settings
    redshift/     the relay that makes PostgreSQL answer like Redshift

Start it with ``python -m laptop_aws --state DIR``. It works with any AWS client; it does not know
which application uses it. See docs/laptop-aws.md.
"""

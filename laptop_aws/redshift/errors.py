"""The exceptions that reach a client. Only they belong here."""

NOT_SUPPORTED = "0A000"
SYNTAX = "42601"
ACTIVE_TRANSACTION = "25001"
INVALID_VALUE = "22023"
BAD_FILE = "22P04"
"""A file that PostgreSQL's own COPY could not be given as it is."""


class RedshiftError(Exception):
    """A statement failed; the client is told so and its session goes on."""

    def __init__(self, message: str, sqlstate: str = "XX000"):
        super().__init__(message)
        self.message = message
        self.sqlstate = sqlstate


class SqlSyntaxError(RedshiftError):
    """The text is not SQL, or not a COPY or UNLOAD that Redshift would take."""

    def __init__(self, message: str):
        super().__init__(message, SYNTAX)

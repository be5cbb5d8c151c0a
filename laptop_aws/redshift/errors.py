"""The exceptions that reach a client, and their SQLSTATEs."""

NOT_SUPPORTED = "0A000"
SYNTAX = "42601"
ACTIVE_TRANSACTION = "25001"
INVALID_VALUE = "22023"
BAD_FILE = "22P04"
"""The file must be read row by row: PostgreSQL would read it differently."""


class RedshiftError(Exception):
    """A statement failed; the client gets this error and its session continues."""

    def __init__(self, message: str, sqlstate: str = "XX000"):
        super().__init__(message)
        self.message = message
        self.sqlstate = sqlstate


class SqlSyntaxError(RedshiftError):
    """The text is not SQL, or not a COPY or UNLOAD that Redshift accepts."""

    def __init__(self, message: str):
        super().__init__(message, SYNTAX)

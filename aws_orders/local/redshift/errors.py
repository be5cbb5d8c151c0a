"""The one exception that reaches a client. Only that belongs here."""

NOT_SUPPORTED = "0A000"
SYNTAX = "42601"


class RedshiftError(Exception):
    """A statement failed; the client is told so and its session goes on."""

    def __init__(self, message: str, sqlstate: str = "XX000", detail: str = "", context: str = ""):
        super().__init__(message)
        self.message = message
        self.sqlstate = sqlstate
        self.detail = detail
        self.context = context


class SqlSyntaxError(RedshiftError):
    """The text is not SQL, or not a COPY or UNLOAD that Redshift would take."""

    def __init__(self, message: str):
        super().__init__(message, SYNTAX)

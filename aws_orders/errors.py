"""The platform's own errors: each says where, what was expected, what was found, what to do."""


class RetryableError(Exception):
    """An attempt that failed, but may succeed if the step is retried."""


class _ReportedError(Exception):
    """A fault with its place and its remedy.

    Args:
        what: The fault in one sentence.
        where: The file, table or URL, with line and column where known.
        expected: What would have been right.
        found: What was there.
        fix: What the reader can do about it.
    """

    def __init__(self, what: str, *, where: str, expected: str, found: str, fix: str) -> None:
        super().__init__(what, where, expected, found, fix)
        self.what, self.where = what, where
        self.expected, self.found, self.fix = expected, found, fix

    def __str__(self) -> str:
        return (
            f"{self.where}: {self.what}\n"
            f"  expected: {self.expected}\n"
            f"  found:    {self.found}\n"
            f"  to do:    {self.fix}"
        )


class DataError(_ReportedError):
    """Input or configuration that no retry can fix."""


class TransientError(_ReportedError, RetryableError):
    """A failure of a service or a network that a retry may not meet again."""

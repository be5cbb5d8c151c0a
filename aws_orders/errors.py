"""The platform's errors: each names the place, the expected and found values, and the fix."""


class RetryableError(Exception):
    """A failed attempt that may succeed if the step is retried."""


class _ReportedError(Exception):
    """A fault with its place and its fix.

    Args:
        what: The fault in one sentence.
        where: The file, table or URL, with line and column where known.
        expected: What the platform expected there.
        found: What it found instead.
        fix: What to do, in words that work exactly as written.
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
    """A fault in input or configuration, which no retry can fix."""


class TransientError(_ReportedError, RetryableError):
    """A failure of a service or a network that may succeed on retry."""

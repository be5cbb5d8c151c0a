"""The platform's own error: a fault that people must mend, told so that they can.

Faults that a retry may mend (throttling, a lost connection) are not here; they keep the type
their library gave them.
"""


class DataError(Exception):
    """Input or configuration that no retry can mend.

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

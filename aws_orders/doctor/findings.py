"""Checks and findings as plain data, and how an error that a check meets becomes a finding.

What is checked is the business of `aws`, `warehouse` and `live`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import psycopg2
from botocore.exceptions import BotoCoreError, ClientError

from aws_orders.errors import DataError, TransientError
from aws_orders.resources.aws_errors import explained
from aws_orders.resources.redshift.errors import LoadRejectedError

DENIED = {"403", "AccessDenied", "AccessDeniedException", "AuthorizationError", "Forbidden"}


class Status(StrEnum):
    """How a check went; only what is missing keeps the platform from working."""

    OK = "ok"
    WARN = "warn"
    MISSING = "missing"


@dataclass(frozen=True)
class Trouble:
    """What a check found that is not as it should be."""

    found: str
    expected: str
    fix: str
    status: Status = Status.MISSING


@dataclass(frozen=True)
class Check:
    """One thing to look at.

    Attributes:
        what: What is looked at, in a few words.
        look: Returns what is there, in a few words or as trouble.
        action: The IAM action that looking needs; empty: none.
        resource: The ARN to allow it on.
        absent: What to do where the service says that there is no such thing.
        needed: Whether the platform needs what looking needs; else a refusal is but a warning.
    """

    what: str
    look: Callable[[], "str | Trouble"]
    action: str = ""
    resource: str = ""
    absent: str = "Create it, or correct its name in the environment."
    needed: bool = True


@dataclass(frozen=True)
class Finding:
    """What a check came to."""

    status: Status
    what: str
    found: str
    expected: str = ""
    fix: str = ""

    def __str__(self) -> str:
        text = f"{self.status:<8} {self.what}: {self.found}"
        if self.status is Status.OK:
            return text
        return (
            f"{self.status:<8} {self.what}\n"
            f"           expected: {self.expected}\n"
            f"           found:    {self.found}\n"
            f"           to do:    {self.fix}"
        )


def carry_out(check: Check) -> Finding:
    """Look, and return what came of it, whatever the services answer."""
    try:
        result = check.look()
    except ClientError as error:
        result = _refusal(check, error)
    except BotoCoreError as error:
        result = _trouble(explained(error))
    except (DataError, TransientError) as error:
        result = _trouble(error)
    except LoadRejectedError as error:
        rows = "; ".join(f"line {row.line}, {row.column}: {row.reason}" for row in error.rows)
        result = Trouble(f"rejected: {rows}", "that every row is loaded", "Correct these rows.")
    except psycopg2.Error as error:
        result = Trouble(_flat(str(error)), "that the warehouse carries it out", check.absent)
    except OSError as error:
        result = Trouble(str(error), "an answer", "Check the network between here and there.")
    if isinstance(result, str):
        return Finding(Status.OK, check.what, result)
    return Finding(result.status, check.what, result.found, result.expected, result.fix)


def _refusal(check: Check, error: ClientError) -> Trouble:
    code, text = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
    found = f"{code}: {text}" if text else code
    status = Status.MISSING if check.needed else Status.WARN
    if code in DENIED and "kms:" not in text:
        fix = f"Allow {check.action} on {check.resource} in a policy of the role that runs this."
        return Trouble(found, f"{check.action} allowed on {check.resource}", fix, status)
    if code == "404" or "NoSuch" in code or "NotFound" in code or "NonExist" in code:
        return Trouble(found, "that it is there", check.absent, status)
    return _trouble(explained(error), status)


def _trouble(error: DataError | TransientError, status: Status = Status.MISSING) -> Trouble:
    return Trouble(f"{error.what} {error.found}", error.expected, error.fix, status)


def _flat(text: str) -> str:
    return " ".join(text.split())

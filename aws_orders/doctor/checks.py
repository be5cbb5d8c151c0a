"""Checks and their results as plain data, and how an error during a check becomes a result.

See `aws`, `warehouse`, `privileges` and `live` for what is checked.
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
    """The status of a check; the platform does not work if something is missing."""

    OK = "ok"
    WARN = "warn"
    MISSING = "missing"


@dataclass(frozen=True)
class Problem:
    """A state that is not as it should be, and the fix."""

    found: str
    expected: str
    fix: str
    status: Status = Status.MISSING


@dataclass(frozen=True)
class Check:
    """One check.

    Attributes:
        what: What is checked, in a few words.
        inspect: Returns the state in a few words, or a problem.
        action: The IAM action that `inspect` requires; empty: none.
        resource: The ARN on which to allow the action.
        absent: The fix if the service reports that the resource does not exist.
        required: Whether the platform also requires the action; if not, a denial is a warning.
    """

    what: str
    inspect: Callable[[], "str | Problem"]
    action: str = ""
    resource: str = ""
    absent: str = "Create it, or correct its name in the environment."
    required: bool = True


@dataclass(frozen=True)
class Diagnosis:
    """The result of a check."""

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


def diagnose(check: Check) -> Diagnosis:
    """Perform a check; any expected error becomes a Problem."""
    try:
        result = check.inspect()
    except ClientError as error:
        result = _refusal(check, error)
    except BotoCoreError as error:
        result = _problem(explained(error))
    except (DataError, TransientError) as error:
        result = _problem(error)
    except LoadRejectedError as error:
        rows = "; ".join(f"line {row.line}, {row.column}: {row.reason}" for row in error.rows)
        result = Problem(f"rejected: {rows}", "every row is loaded", "Correct these rows.")
    except psycopg2.Error as error:
        found = " ".join(str(error).split())
        result = Problem(found, "the warehouse executes the statement", check.absent)
    except OSError as error:
        result = Problem(str(error), "a response", "Check the network connection to the service.")
    if isinstance(result, str):
        return Diagnosis(Status.OK, check.what, result)
    return Diagnosis(result.status, check.what, result.found, result.expected, result.fix)


def _refusal(check: Check, error: ClientError) -> Problem:
    code, text = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
    found = f"{code}: {text}" if text else code
    status = Status.MISSING if check.required else Status.WARN
    if code in DENIED and "kms:" not in text:
        fix = f"Allow {check.action} on {check.resource} in a policy of the role that runs this."
        return Problem(found, f"{check.action} allowed on {check.resource}", fix, status)
    if code == "404" or "NoSuch" in code or "NotFound" in code or "NonExist" in code:
        return Problem(found, "it exists", check.absent, status)
    return _problem(explained(error), status)


def _problem(error: DataError | TransientError, status: Status = Status.MISSING) -> Problem:
    return Problem(f"{error.what} {error.found}", error.expected, error.fix, status)

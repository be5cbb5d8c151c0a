"""IAM's decisions: policies evaluated as its reference documents, as far as deploy/ uses it.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
Conditions are not evaluated: a statement that has one allows nothing here, and denies nothing.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple


class Need(NamedTuple):
    """An action on a resource, as a call needs it or a policy grants it."""

    action: str
    resource: str


def matches(pattern: str, text: str, *, ignore_case: bool = False) -> bool:
    """Return whether an IAM pattern, with * and ?, matches a text."""
    regex = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(regex, text, re.IGNORECASE if ignore_case else 0) is not None


def covers(grant: Need, need: Need) -> bool:
    """Return whether a policy's names include what a call needs; action names ignore case."""
    return matches(grant.action, need.action, ignore_case=True) and matches(
        grant.resource, need.resource
    )


def statements(policy: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield a policy's statements, whether it has a list or one."""
    yield from _listed(policy["Statement"])


def named(policy: Mapping[str, Any], effect: str) -> Iterator[Need]:
    """Yield each pair of action and resource that statements without a condition name."""
    for statement in statements(policy):
        if statement["Effect"] == effect and "Condition" not in statement:
            for action in _listed(statement["Action"]):
                for resource in _listed(statement["Resource"]):
                    yield Need(action, resource)


def allows(policies: Sequence[Mapping[str, Any]], need: Need) -> bool:
    """Return whether the policies of one identity allow an action: a denial wins."""

    def any_says(effect: str) -> bool:
        return any(covers(named_, need) for policy in policies for named_ in named(policy, effect))

    return any_says("Allow") and not any_says("Deny")


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list) else [value]

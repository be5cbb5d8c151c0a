"""Composes the text of a notification. Pure.

See `policy` for which runs are reported, and `redaction` for how secrets are masked.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from aws_orders.alerts.policy import OngoingFailure, Outcome
from aws_orders.alerts.redaction import mask

# SNS: "ASCII text that begins with a letter, number, or punctuation mark; must not include line
# breaks or control characters; and must be less than 100 characters long".
# https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
SUBJECT_CHARACTERS = 99
ERROR_LINES, LINE_CHARACTERS = 15, 300


@dataclass(frozen=True)
class Message:
    """A notification: a subject that SNS accepts, and a body of plain text."""

    subject: str
    body: str


@dataclass(frozen=True)
class Installation:
    """The installation that sends the notification.

    Attributes:
        name: Distinguishes installations that share a topic.
        ui_url: The address of Dagster's web UI; empty: not known.
    """

    name: str
    ui_url: str = ""


def compose(
    before: Mapping[str, OngoingFailure],
    after: Mapping[str, OngoingFailure],
    run: Outcome,
    installation: Installation,
    secrets: Collection[str] = (),
) -> Message:
    """Return the notification of a run after which other assets fail than before.

    Args:
        before: The ongoing failures before the run.
        after: The ongoing failures after the run; other names than `before`.
        run: The outcome of the run.
        installation: Where the run was.
        secrets: Values to mask, besides texts that look like secrets.
    """
    failed, recovered = sorted(after.keys() - before.keys()), sorted(before.keys() - after.keys())
    verdict, names = ("FAILED", failed) if failed else ("RECOVERED", recovered)
    job = "selected assets" if run.job.startswith("__") else run.job
    paragraphs = [f"A run of {job} in {installation.name} ended at {_format_time(run.ended)}."]
    paragraphs += [f"FAILED: {name}\n{excerpt(run.failed[name], secrets)}" for name in failed]
    if failed and run.not_refreshed:
        paragraphs.append(f"Not refreshed because of this: {', '.join(run.not_refreshed)}")
    paragraphs += [_recovery(name, before[name]) for name in recovered]
    if still_failing := sorted(after.keys() - failed):
        paragraphs.append(f"Still failing (already reported): {', '.join(still_failing)}")
    if installation.ui_url:
        paragraphs.append(f"{installation.ui_url.rstrip('/')}/runs/{run.run_id}")
    else:
        paragraphs.append(f"Run {run.run_id}")
    if failed:
        paragraphs.append("You are notified again when it recovers.")
    return Message(_subject(verdict, names, installation), "\n\n".join(paragraphs) + "\n")


def excerpt(error: str, secrets: Collection[str] = ()) -> str:
    """Return an error's first lines, indented, with secrets and e-mail addresses masked."""
    # Mask before shortening: half a secret no longer looks like one.
    lines = [line.rstrip() for line in mask(error, secrets).strip().splitlines()]
    shown = [f"  {line[:LINE_CHARACTERS]}" for line in lines[:ERROR_LINES]]
    if len(lines) > ERROR_LINES:
        shown.append(f"  ({len(lines) - ERROR_LINES} more lines)")
    return "\n".join(shown)


def _recovery(name: str, failure: OngoingFailure) -> str:
    runs = "1 run" if failure.runs == 1 else f"{failure.runs} runs"
    return f"RECOVERED: {name} (failing since {_format_time(failure.since)}, in {runs})"


def _subject(verdict: str, names: list[str], installation: Installation) -> str:
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    text = f"{verdict}: {names[0]}{more} ({installation.name})"
    printable = "".join(letter if " " <= letter <= "~" else "?" for letter in text)
    return printable[:SUBJECT_CHARACTERS]


def _format_time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"

"""What an alert says. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from aws_orders.alerts.policy import Broken, Outcome
from aws_orders.alerts.redaction import mask

# SNS: "ASCII text that begins with a letter, number, or punctuation mark; must not include line
# breaks or control characters; and must be less than 100 characters long".
# https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
SUBJECT_CHARACTERS = 99
ERROR_LINES, LINE_CHARACTERS = 15, 300


@dataclass(frozen=True)
class Message:
    """What is sent: a subject that SNS takes, and a body of plain text."""

    subject: str
    body: str


@dataclass(frozen=True)
class Place:
    """Whose alerts these are, and where the reader finds more.

    Attributes:
        name: Tells installations apart that share a topic.
        ui_url: Where Dagster's web UI is; empty: not known.
    """

    name: str
    ui_url: str = ""


def compose(
    before: Mapping[str, Broken],
    after: Mapping[str, Broken],
    run: Outcome,
    place: Place,
    secrets: Collection[str] = (),
) -> Message:
    """Return what is to be told of a run that broke or mended something.

    Args:
        before: What stood as broken before the run.
        after: What stands so after it; not the same names.
        run: What the run came to.
        place: Where it happened.
        secrets: Values that must not be told, beside those that look like secrets.
    """
    failed, mended = sorted(after.keys() - before.keys()), sorted(before.keys() - after.keys())
    verdict, names = ("FAILED", failed) if failed else ("RECOVERED", mended)
    job = "chosen assets" if run.job.startswith("__") else run.job
    paragraphs = [f"A run of {job} in {place.name} ended at {_moment(run.ended)}."]
    paragraphs += [f"FAILED: {name}\n{excerpt(run.failed[name], secrets)}" for name in failed]
    if failed and run.left:
        paragraphs.append(f"Not refreshed for that reason: {', '.join(run.left)}")
    paragraphs += [
        f"RECOVERED: {name}, broken since {_moment(before[name].since)} "
        f"(failed runs: {before[name].runs})"
        for name in mended
    ]
    if still := sorted(after.keys() - failed):
        paragraphs.append(f"Still broken, as told before: {', '.join(still)}")
    if place.ui_url:
        paragraphs.append(f"{place.ui_url.rstrip('/')}/runs/{run.run_id}")
    else:
        paragraphs.append(f"Run {run.run_id}")
    if failed:
        paragraphs.append("Further failures of the same are not told, its recovery is.")
    return Message(_subject(verdict, names, place), "\n\n".join(paragraphs) + "\n")


def excerpt(error: str, secrets: Collection[str] = ()) -> str:
    """Return an error's first lines, indented, secrets and e-mail addresses masked."""
    # Masked before it is cut: half a secret would no longer look like one.
    lines = [line.rstrip() for line in mask(error, secrets).strip().splitlines()]
    shown = [f"  {line[:LINE_CHARACTERS]}" for line in lines[:ERROR_LINES]]
    if len(lines) > ERROR_LINES:
        shown.append(f"  ({len(lines) - ERROR_LINES} more lines)")
    return "\n".join(shown)


def _subject(verdict: str, names: list[str], place: Place) -> str:
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    text = f"{verdict}: {names[0]}{more} ({place.name})"
    printable = "".join(letter if " " <= letter <= "~" else "?" for letter in text)
    return printable[:SUBJECT_CHARACTERS]


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"

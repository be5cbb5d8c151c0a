"""Alerts: which ended runs are worth a message, and what it says.

Told once: an asset that fails stands as broken until a run brings it up to date, and only those
two changes are told. What ended runs came to is read elsewhere (`run_outcomes`), and so is how a
message is sent (`resources.sns`); nothing here acts.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from pydantic import BaseModel, ValidationError

# SNS: "ASCII text that begins with a letter, number, or punctuation mark; must not include line
# breaks or control characters; and must be less than 100 characters long".
# https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
SUBJECT_CHARACTERS = 99
ERROR_LINES, LINE_CHARACTERS = 15, 300
MASK = "…"
# Shorter values are words as often as secrets, and would make a message unreadable.
SECRET_CHARACTERS = 8
SECRET_NAME = re.compile(r"PASSWORD|SECRET|TOKEN|ACCESS_KEY", re.IGNORECASE)
# Errors may quote lines of any length: a pattern begins only where a word does, since one that is
# tried from every letter on takes the square of the length.
SECRETS = (
    re.compile(r"(?<=://)[^/\s]+(?=@)"),  # a URL's user and password
    re.compile(  # an e-mail address, both sides
        r"(?<![^\s<>(),;=/])[^\s<>(),;=/]+(?=@)|(?<=@)[^\s<>(),;/]+"
    ),
    re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{12,}\b"),  # an AWS access key's id,
    re.compile(  # and the key itself: 40 characters of base64, of all sorts
        r"(?<![\w/+=])(?=[A-Za-z0-9/+]{40}(?![\w/+=]))"
        r"(?=\S*[a-z])(?=\S*[A-Z])(?=\S*\d)[A-Za-z0-9/+]{40}"
    ),
    re.compile(r"(?<=bearer )\S+", re.IGNORECASE),
)
NAMED_SECRET = re.compile(
    r"""(?<![\w-])
    (?P<name>[\w-]*(?:password|passwd|secret|token|signature|credential|access_?key)[\w-]*
    ["']?\s*[:=]\s*["']?)[^\s"'&,;]+""",
    re.IGNORECASE | re.VERBOSE,
)


@dataclass(frozen=True)
class Outcome:
    """What an ended run came to.

    Attributes:
        failed: The error's text by what failed: an asset, or a job that failed by itself.
        refreshed: The assets that it brought up to date and that passed their blocking checks,
            and the job where all of it succeeded.
        left: Assets that it was to refresh and did not come to.
    """

    run_id: str
    job: str
    ended: datetime
    failed: Mapping[str, str]
    refreshed: frozenset[str]
    left: tuple[str, ...] = ()


class Broken(BaseModel, frozen=True):
    """Something that has failed and was told of: since when, and in how many runs by now."""

    since: datetime
    runs: int = 1


class Cursor(BaseModel, frozen=True):
    """What a tick leaves to the next: bounded by the number of assets.

    Attributes:
        position: The last ended run that was looked at, as its place in Dagster's event log.
        broken: What stands as broken, by name.
    """

    position: int
    broken: dict[str, Broken] = {}


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


def read_cursor(text: str | None) -> Cursor | None:
    """Return the last tick's cursor; None where there is none, or somebody else's text."""
    try:
        return Cursor.model_validate_json(text or "")
    except ValidationError:
        return None


def weigh(before: Mapping[str, Broken], run: Outcome) -> dict[str, Broken]:
    """Return what stands as broken after a run, from what stood so before."""
    after = {name: state for name, state in before.items() if name not in run.refreshed}
    for name in run.failed:
        state = before.get(name, Broken(since=run.ended, runs=0))
        after[name] = Broken(since=state.since, runs=state.runs + 1)
    return after


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


def mask(text: str, secrets: Collection[str] = ()) -> str:
    """Return the text without e-mail addresses, keys, passwords and the `secrets` themselves."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, MASK)
    text = NAMED_SECRET.sub(rf"\g<name>{MASK}", text)
    for secret_shape in SECRETS:
        text = secret_shape.sub(MASK, text)
    return text


def secrets_in(environment: Mapping[str, str]) -> list[str]:
    """Return the values of variables whose names say that they are secret."""
    return [
        value
        for name, value in environment.items()
        if SECRET_NAME.search(name) and len(value) >= SECRET_CHARACTERS
    ]


def _subject(verdict: str, names: list[str], place: Place) -> str:
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    text = f"{verdict}: {names[0]}{more} ({place.name})"
    printable = "".join(letter if " " <= letter <= "~" else "?" for letter in text)
    return printable[:SUBJECT_CHARACTERS]


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"

"""Removes secrets and personal data from texts. Pure."""

import re
from collections.abc import Collection, Mapping

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

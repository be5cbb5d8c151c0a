"""Masks secrets and e-mail addresses. Pure."""

import re
from collections.abc import Collection, Mapping

MASK = "…"
# Shorter values are often ordinary words; masking them would make a message unreadable.
SECRET_CHARACTERS = 8
SECRET_NAME = re.compile(r"PASSWORD|SECRET|TOKEN|ACCESS_KEY", re.IGNORECASE)
# Errors may quote very long lines. Every pattern is anchored at the start of a word: a pattern that
# is tried at each character takes time quadratic in the length.
SECRETS = (
    re.compile(r"(?<=://)[^/\s]+(?=@)"),  # a URL's user and password
    re.compile(  # an e-mail address, both sides
        r"(?<![^\s<>(),;=/])[^\s<>(),;=/]+(?=@)|(?<=@)[^\s<>(),;/]+"
    ),
    re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{12,}\b"),  # the id of an AWS access key
    re.compile(  # an AWS secret access key: 40 mixed characters of base64
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
    """Return the text with e-mail addresses, keys, passwords and `secrets` masked."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, MASK)
    text = NAMED_SECRET.sub(rf"\g<name>{MASK}", text)
    for secret_shape in SECRETS:
        text = secret_shape.sub(MASK, text)
    return text


def secrets_in(environment: Mapping[str, str]) -> list[str]:
    """Return the values of the variables whose names mark them as secret."""
    return [
        value
        for name, value in environment.items()
        if SECRET_NAME.search(name) and len(value) >= SECRET_CHARACTERS
    ]

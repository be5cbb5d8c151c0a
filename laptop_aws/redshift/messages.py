"""Messages of PostgreSQL's wire protocol: framing, text, and the errors that clients see reworded.

https://www.postgresql.org/docs/18/protocol-message-formats.html
"""

import re

READY = b"Z\0\0\0\x05"
READY_IDLE, READY_IN_TRANSACTION, READY_FAILED = READY + b"I", READY + b"T", READY + b"E"
COMMIT = b"Q\0\0\0\x0bCOMMIT\0"
COMMITTED = b"C\0\0\0\x0bCOMMIT\0"
CALLED = b"C\0\0\0\x09CALL\0"
ERROR = b"SERROR\0"

# Redshift reports a serialization failure as an internal error that begins with the number 1023:
# https://docs.aws.amazon.com/redshift/latest/dg/c_serial_isolation-serializable-isolation-troubleshooting.html
# Each text is as long as PostgreSQL's, so that the message's length stays correct. The field bytes
# around it prevent a match in a row's data.
_CONFLICTS = {
    b"SERROR\0VERROR\0C40001\0Mcould not serialize access due to concurrent update\0":
        b"SERROR\0VERROR\0CXX000\0M1023: Serializable isolation violation by an update\0",
    b"SERROR\0VERROR\0C40001\0Mcould not serialize access due to concurrent delete\0":
        b"SERROR\0VERROR\0CXX000\0M1023: Serializable isolation violation by a delete.\0",
    b"SERROR\0VERROR\0C40001\0Mcould not serialize access due to read/write dependencies"
    b" among transactions\0":
        b"SERROR\0VERROR\0CXX000\0M1023: Serializable isolation violation among transactions"
        b" that form a cycle.\0",
}  # fmt: skip
# The context of an error inside the procedures of COPY and UNLOAD does not help a client. Clients
# ignore fields of an error that they do not know, such as "w".
_CONTEXT = re.compile(rb"\0W([^\0]*PL/pgSQL function redshift\.)")


def message(kind: bytes, payload: bytes) -> bytes:
    """Return a message; ``kind`` is empty for the startup message."""
    return kind + (len(payload) + 4).to_bytes(4, "big") + payload


def end_of_message(inbox: bytearray, position: int) -> int:
    """Return the end of the message at ``position``, or 0 if it is incomplete."""
    if len(inbox) < position + 5:
        return 0
    end = position + 1 + int.from_bytes(inbox[position + 1 : position + 5], "big")
    return end if end <= len(inbox) else 0


def decode(text: bytes) -> str:
    """Return text of a message; bytes that are not UTF-8 become surrogates."""
    return text.decode("utf-8", "surrogateescape")


def encode(text: str) -> bytes:
    """Return the bytes that ``decode`` read."""
    return text.encode("utf-8", "surrogateescape")


def reword_errors(data: bytes) -> tuple[bytes, bytes]:
    """Return the data with Redshift's errors, and an end that may be an incomplete error."""
    for postgres, redshift in _CONFLICTS.items():
        data = data.replace(postgres, redshift)
    data = _CONTEXT.sub(rb"\0w\1", data)
    end = data[data.rfind(ERROR) :]
    if any(postgres.startswith(end) for postgres in _CONFLICTS):
        return data.removesuffix(end), end
    return data, b""

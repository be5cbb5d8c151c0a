"""No statement or message, of any kind, ends the server.

None breaks the order of a session's answers either: SELECT 1 works afterwards, on the same
connection or, if that ended, on a new one.
"""

import os
import random
import socket
import struct
from contextlib import closing, suppress

import psycopg2
from hypothesis import example, given
from hypothesis import strategies as st

from aws_orders_tests.laptop_aws.conftest import Workplace
from aws_orders_tests.searches import search

VALID = [
    "COPY t (a, b) FROM 's3://none/k' IAM_ROLE default FORMAT AS CSV DELIMITER '|' MAXERROR 5",
    "COPY \"s\".\"t\" FROM 'dynamodb://none' IAM_ROLE 'arn:aws:iam::1:role/x' READRATIO 50 ROUNDEC",
    "UNLOAD ('SELECT ''a'' AS b') TO 's3://none/p_' IAM_ROLE default CSV HEADER PARALLEL OFF"
    " MAXFILESIZE 6.2 GB MANIFEST VERBOSE",
    "BEGIN; TRUNCATE TABLE nowhere; COMMIT",
    "CREATE TEMP TABLE x (a int ENCODE az64 DISTKEY, b varchar(max)) DISTSTYLE KEY SORTKEY (a)",
    "SELECT DATEDIFF(day, '2031-02-03', GETDATE()), NVL(NULL, 1) -- done",
]
WORDS = st.sampled_from(
    """COPY UNLOAD FROM TO ( ) , . ; ' '' " "" $$ $x$ -- /* */ E'\\ \\ : :: * = $1 't' 's3://none/k'
    'dynamodb://none' IAM_ROLE default CSV FORMAT AS MANIFEST VERBOSE IGNOREHEADER 1 6.2 MB NULL
    QUOTE DELIMITER READRATIO 'SELECT PARALLEL OFF MAXFILESIZE SELECT TRUNCATE TABLE CREATE TEMP t
    varchar(max) ENCODE DISTKEY SORTKEY DISTSTYLE DATEDIFF(day NVL BEGIN ROLLBACK CALL
    redshift.copy('{}') é \u2028 \x01 {}""".split()  # noqa: SIM905 - eighty quotes would hide them
)
quickly = search(80)
SECONDS = 120  # a server without an answer after this time hangs


def mutated(draw: st.DrawFn) -> str:
    text, other = draw(st.sampled_from(VALID)), draw(st.sampled_from(VALID))
    chance = random.Random(draw(st.integers(0, 2**32)))
    tokens = text.split(" ")
    for _ in range(chance.randrange(1, 4)):
        at = chance.randrange(len(tokens) + 1)
        match chance.randrange(4):
            case 0:
                del tokens[at : at + 1]
            case 1:
                tokens.insert(at, chance.choice(other.split(" ")))
            case 2:
                chance.shuffle(tokens)
            case 3:
                letters = list(" ".join(tokens))
                del letters[chance.randrange(len(letters) + 1) :]
                tokens = "".join(letters).split(" ")
    return " ".join(tokens)


statements = st.one_of(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=60),
    st.lists(WORDS, max_size=25).map(" ".join),
    st.lists(WORDS, max_size=25).map("".join),
    st.composite(mutated)(),
)


class Sessions:
    """One connection, which is replaced if it ended."""

    def __init__(self, place: Workplace) -> None:
        self.place, self.connection, self.asked = place, place.connect(), 0

    def answers(self) -> bool:
        if self.connection.closed:
            self.connection = self.place.connect()
        if self.connection.info.transaction_status:
            self.connection.cursor().execute("ROLLBACK")
        self.asked += 1  # a new value each time, so that an earlier answer is not accepted
        return self.place.sql(f"SELECT {self.asked}", self.connection) == [(self.asked,)]


@quickly
@given(st.lists(statements, min_size=1, max_size=3))
def test_no_statement_ends_the_server(redshift: Workplace, batch: list[str]) -> None:
    sessions = Sessions(redshift)
    with closing(sessions.connection):
        for statement in batch:
            with suppress(psycopg2.Error):  # an error is an answer too
                sessions.connection.cursor().execute(statement)
            assert sessions.answers()


def message(kind: bytes, payload: bytes) -> bytes:
    return kind + struct.pack(">I", len(payload) + 4) + payload


payloads = st.one_of(
    st.binary(max_size=60),
    statements.map(lambda text: text.encode() + b"\0"),
    st.tuples(st.binary(max_size=8), statements, st.binary(max_size=8)).map(
        lambda parts: parts[0] + parts[1].encode() + parts[2]
    ),
)
SYNC = message(b"S", b"")
queries = payloads.map(lambda payload: [message(b"Q", payload)])
parses = st.tuples(st.sampled_from(b"PBDEC"), payloads, st.binary(max_size=6)).map(
    lambda parts: [message(bytes([parts[0]]), b"\0" + parts[1] + parts[2]), SYNC]
)
others = st.tuples(st.binary(min_size=1, max_size=1), st.binary(max_size=12)).map(
    lambda parts: [message(*parts), SYNC]
)
broken = st.one_of(
    st.binary(min_size=1, max_size=40),
    payloads.map(lambda payload: message(b"Q", payload)[:-3]),
    st.sampled_from([b"Q\0\0\0\0", b"Q\0\0\0\3", b"Q\xff\xff\xff\xff", b"P\x7f\xff\xff\xff"]),
)


def finish(raw: socket.socket, answers: int) -> bool:
    """Read this many answers, each up to ReadyForQuery; return False if the server disconnects."""
    with raw.makefile("rb") as stream:
        while answers:
            head = stream.read(5)
            if len(head) < 5:
                return False
            stream.read(int.from_bytes(head[1:], "big") - 4)
            match head[:1]:
                case b"G":  # the server expects the data of a COPY FROM STDIN
                    raw.sendall(message(b"f", b"no\0"))
                case b"Z":
                    answers -= 1
    return True


# The server answers each query, function call and Sync. An answer that is not read would be
# mistaken for the next one.
ANSWERED = b"QFS"


@quickly
@given(st.one_of(queries, parses, others))
@example([message(b"F", b"F"), SYNC])
@example([SYNC, SYNC])
@example([message(b"Q", b"SELECT 'Z\0"), message(b"Q", b"SELECT 'Z\5I'\0")])
def test_no_message_breaks_the_order_of_answers(redshift: Workplace, messages: list[bytes]) -> None:
    answers = sum(each[0] in ANSWERED for each in messages)
    with closing(redshift.connect()) as connection:
        with socket.socket(fileno=os.dup(connection.fileno())) as raw:
            raw.settimeout(SECONDS)
            raw.sendall(b"".join(messages))
            in_step = finish(raw, answers)
        if in_step:
            redshift.sql("ROLLBACK", connection)
            assert redshift.sql("SELECT 1", connection) == [(1,)]
    assert redshift.sql("SELECT 1") == [(1,)]


@quickly
@given(broken)
def test_broken_messages_end_at_most_their_own_connection(redshift: Workplace, data: bytes) -> None:
    with closing(redshift.connect()) as connection:
        os.write(connection.fileno(), data)
    assert redshift.sql("SELECT 1") == [(1,)]


@quickly
@given(
    st.one_of(
        st.binary(max_size=60),
        st.binary(max_size=60).map(lambda body: struct.pack(">II", len(body) + 8, 196608) + body),
        st.binary(max_size=8).map(lambda body: struct.pack(">II", 16, 80877102) + body),
    )
)
def test_no_startup_message_ends_the_server(redshift: Workplace, data: bytes) -> None:
    address = ("127.0.0.1", redshift.stack.redshift_port)
    with socket.create_connection(address, SECONDS) as raw:
        raw.sendall(data)
    assert redshift.sql("SELECT 1") == [(1,)]

"""Statements and messages of any kind, over the network: none ends the server.

Nor puts one a session out of step: after each a SELECT 1 answers, on the same connection or,
where that ended, on a new one.
"""

import os
import random
import socket
import struct
from contextlib import closing, suppress

import psycopg2
from hypothesis import given
from hypothesis import strategies as st

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


def mutated(draw):
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
    """One connection, replaced where it ended."""

    def __init__(self, place):
        self.place, self.connection, self.asked = place, place.connect(), 0

    def answers(self):
        if self.connection.closed:
            self.connection = self.place.connect()
        if self.connection.info.transaction_status:
            self.connection.cursor().execute("ROLLBACK")
        self.asked += 1  # another each time: an answer to an earlier question would not do
        return self.place.sql(f"SELECT {self.asked}", self.connection) == [(self.asked,)]


@quickly
@given(st.lists(statements, min_size=1, max_size=3))
def test_no_statement_ends_the_server(redshift, batch):
    sessions = Sessions(redshift)
    with closing(sessions.connection):
        for statement in batch:
            with suppress(psycopg2.Error):  # an answer as well
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
queries = payloads.map(lambda payload: message(b"Q", payload))
parses = st.tuples(st.sampled_from(b"PBDEC"), payloads, st.binary(max_size=6)).map(
    lambda parts: message(bytes([parts[0]]), b"\0" + parts[1] + parts[2]) + message(b"S", b"")
)
others = st.tuples(st.binary(min_size=1, max_size=1), st.binary(max_size=12)).map(
    lambda parts: message(*parts) + message(b"S", b"")
)
broken = st.one_of(
    st.binary(min_size=1, max_size=40),
    payloads.map(lambda payload: message(b"Q", payload)[:-3]),
    st.sampled_from([b"Q\0\0\0\0", b"Q\0\0\0\3", b"Q\xff\xff\xff\xff", b"P\x7f\xff\xff\xff"]),
)


def finish(raw: socket.socket) -> bool:
    """Read answers up to where the server waits for the next message; False if it hung up."""
    data = b""
    while not data.endswith((b"Z\0\0\0\5I", b"Z\0\0\0\5T", b"Z\0\0\0\5E")):
        got = raw.recv(65536)
        if not got:
            return False
        data = (data + got)[-6:]
        if data.startswith(b"G"):  # it wants data of a COPY FROM STDIN
            raw.sendall(message(b"f", b"no\0"))
    return True


def converse(place, data):
    """Send bytes over an authenticated connection; tell whether it still is one after."""
    with closing(place.connect()) as connection:
        with socket.socket(fileno=os.dup(connection.fileno())) as raw:
            raw.settimeout(20)
            raw.sendall(data)
            if not finish(raw):
                return False
        place.sql("ROLLBACK", connection)
        return place.sql("SELECT 1", connection) == [(1,)]


@quickly
@given(st.one_of(queries, parses, others))
def test_no_message_puts_the_session_out_of_step(redshift, data):
    converse(redshift, data)
    assert redshift.sql("SELECT 1") == [(1,)]


@quickly
@given(broken)
def test_broken_messages_end_at_most_their_own_connection(redshift, data):
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
def test_no_greeting_ends_the_server(redshift, data):
    address = ("127.0.0.1", redshift.stack.redshift_port)
    with socket.create_connection(address, 20) as raw:
        raw.sendall(data)
    assert redshift.sql("SELECT 1") == [(1,)]

"""COPY and UNLOAD run with the client's privileges and no others."""

from typing import Any

import pytest

from aws_orders_tests.laptop_aws.conftest import Workplace
from laptop_aws.redshift.plan import encode
from laptop_aws.redshift.statements import parse
from laptop_aws.redshift.tokens import split, tokenize

STATEMENTS = [
    "UNLOAD ('SELECT rolname, rolpassword FROM pg_authid') TO '{url}' IAM_ROLE default CSV"
    " PARALLEL OFF ALLOWOVERWRITE",
    "COPY pg_catalog.pg_authid FROM 's3://none/none' IAM_ROLE default CSV",
]


def procedures(place: Workplace) -> list[tuple[Any, ...]]:
    """Return the routines behind COPY and UNLOAD that this client may call."""
    return place.sql(
        "SELECT oid::regprocedure::text, prokind, proargtypes::regtype[]::text FROM pg_proc"
        " WHERE pronamespace = 'redshift'::regnamespace"
        " AND has_function_privilege(oid, 'EXECUTE') ORDER BY 1"
    )


def test_the_procedures_of_copy_and_unload_check_the_clients_privileges(
    redshift: Workplace,
) -> None:
    before = f"UNLOAD ('SELECT 1') TO '{redshift.url('own')}' IAM_ROLE default CSV ALLOWOVERWRITE"
    texts = [text.replace("{url}", redshift.url("stolen")) for text in STATEMENTS]
    plans = [encode(parse(statement)) for text in texts for statement in split(tokenize(text))]
    redshift.sql("SET statement_timeout = 500")  # an unexpected call may wait for an answer
    called = 0
    for signature, kind, types in procedures(redshift):
        for plan in plans if "json" in types else ():
            call = "CALL" if kind == "p" else "SELECT"
            argument = plan.replace("'", "''")
            redshift.fails(f"{before}; {call} {signature.partition('(')[0]}('{argument}')")
            called += 1
    assert called == 4  # redshift.copy and redshift.unload, with each plan
    assert redshift.keys("stolen") == []


def test_unload_runs_its_query_as_the_client(redshift: Workplace) -> None:
    redshift.unload("SELECT current_user, session_user")
    assert redshift.get("out/p_000") == b"awsuser,awsuser\n"


def test_a_function_in_an_unload_gets_no_more_rights(redshift: Workplace) -> None:
    redshift.sql(
        "CREATE FUNCTION climb() RETURNS text LANGUAGE plpgsql AS"
        " $$BEGIN RETURN pg_read_file('postgresql.conf'); END$$"
    )
    error = redshift.fails(
        "UNLOAD ('SELECT climb()') TO 's3://{bucket}/out/' IAM_ROLE default CSV PARALLEL OFF"
    )
    assert "permission denied" in str(error)


def test_a_function_in_a_tables_default_gets_no_more_rights(redshift: Workplace) -> None:
    redshift.sql("CREATE TABLE t (a int, b text DEFAULT current_user)")
    redshift.put({"in/1": "1\n"})
    redshift.copy("t (a)")
    assert redshift.sql("SELECT b FROM t") == [("awsuser",)]


@pytest.mark.parametrize(
    "statement",
    [
        "COPY pg_catalog.pg_class FROM 's3://{bucket}/in/' IAM_ROLE default CSV",
        "SELECT pg_read_file('postgresql.conf')",
        "CREATE TEMP TABLE x (a text); COPY x FROM PROGRAM 'id'",
        "COPY (SELECT 1) TO '/srv/x'",
        "INSERT INTO sys_load_error_detail (query_id) VALUES (1)",
        "DELETE FROM redshift.load_errors",
        "SELECT * FROM pg_authid",
    ],
)
def test_files_programs_and_system_tables_are_out_of_reach(
    redshift: Workplace, statement: str
) -> None:
    redshift.put({"in/1": "1\n"})
    redshift.fails(statement)

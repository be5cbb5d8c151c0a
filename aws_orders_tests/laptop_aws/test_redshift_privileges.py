"""What a client may do: no more by COPY and UNLOAD than without them, and as itself."""

import json

import pytest

SHARED = {"region": None, "parquet": False, "delimiter": ",", "gzip": False, "manifest": False}
PLANS = [
    SHARED
    | {"query": "SELECT rolname, rolpassword FROM pg_authid", "null_as": "", "header": False}
    | {"extension": "", "parallel": False, "max_file_bytes": 10**7, "verbose": False}
    | {"allow_overwrite": True, "clean_path": False},
    SHARED | {"table": "pg_catalog.pg_authid", "columns": [], "max_errors": 1, "options": None},
]


def procedures(place):
    """Return what stands behind COPY and UNLOAD and may be called by this client."""
    return place.sql(
        "SELECT oid::regprocedure::text, prokind, proargtypes::regtype[]::text FROM pg_proc"
        " WHERE pronamespace = 'redshift'::regnamespace"
        " AND has_function_privilege(oid, 'EXECUTE') ORDER BY 1"
    )


def test_nothing_behind_copy_and_unload_lets_a_client_read_what_it_may_not(redshift):
    before = f"UNLOAD ('SELECT 1') TO '{redshift.url('own')}' IAM_ROLE default CSV ALLOWOVERWRITE"
    to = {"prefix": redshift.url("stolen")}
    redshift.sql("SET statement_timeout = 500")  # a call that is not expected may wait
    for signature, kind, types in procedures(redshift):
        for plan in PLANS if "json" in types else ():
            text = json.dumps(plan | (to if "query" in plan else {"source": "s3://none/none"}))
            call = "CALL" if kind == "p" else "SELECT"
            argument = text.replace("'", "''")
            redshift.fails(f"{before}; {call} {signature.partition('(')[0]}('{argument}')")
    assert redshift.keys("stolen") == []


def test_unload_runs_its_query_as_the_client(redshift):
    redshift.unload("SELECT current_user, session_user")
    assert redshift.get("out/p_000") == b"awsuser,awsuser\n"


def test_a_function_in_an_unload_gets_no_more_rights(redshift):
    redshift.sql(
        "CREATE FUNCTION climb() RETURNS text LANGUAGE plpgsql AS"
        " $$BEGIN RETURN pg_read_file('postgresql.conf'); END$$"
    )
    error = redshift.fails(
        "UNLOAD ('SELECT climb()') TO 's3://{bucket}/out/' IAM_ROLE default CSV PARALLEL OFF"
    )
    assert "permission denied" in str(error)


def test_a_function_in_a_tables_default_gets_no_more_rights(redshift):
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
def test_files_programs_and_system_tables_are_out_of_reach(redshift, statement):
    redshift.put({"in/1": "1\n"})
    redshift.fails(statement)

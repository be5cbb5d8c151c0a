"""What the warehouse says, read-only: connection, encryption, privileges, the role of COPY."""

from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any

from psycopg2.sql import SQL, Composed, Identifier

from aws_orders.contract import TABLES, Table
from aws_orders.doctor.findings import Check, Finding, Status, Trouble, carry_out
from aws_orders.resources.redshift import schema_sql
from aws_orders.resources.redshift.resource import RedshiftResource
from aws_orders.resources.redshift.schema_changes import AddColumn, CreateTable, WidenColumn
from aws_orders.resources.redshift.schema_evolution import read_plan, refused
from aws_orders.resources.redshift.session import Session

UNREACHABLE = (
    "Check REDSHIFT_HOST and REDSHIFT_PORT, that the warehouse runs, and that its security group "
    "and the network let this machine in."
)
# What the statements of `sql` need.
TABLE_PRIVILEGES = ("select", "insert", "delete")


def warehouse(redshift: RedshiftResource) -> Iterator[Finding]:
    """Connect, and look around."""
    with ExitStack() as opened:
        sessions: list[Session] = []

        def connects() -> str:
            session = opened.enter_context(redshift.session())
            sessions.append(session)
            user = session.scalar("SELECT current_user")
            return f"user {user}, {session.scalar('SELECT version()')}"

        what = f"warehouse ({redshift.auth}), {redshift.database}"
        yield carry_out(Check(what, connects, absent=UNREACHABLE))
        for session in sessions:
            for check in (
                encryption(redshift, session),
                *privileges(redshift, session),
                schema_plan(redshift, session),
            ):
                yield carry_out(check)


def encryption(redshift: RedshiftResource, session: Session) -> Check:
    """Check that the session is encrypted, and the server's certificate checked."""

    def look() -> str | Trouble:
        if redshift.sslmode == "verify-full":
            return f"{session.connection.info.ssl_attribute('protocol')}, certificate checked"
        return Trouble(
            f"sslmode {redshift.sslmode}",
            "verify-full: anybody in between could listen otherwise, or pose as the warehouse",
            "Unset REDSHIFT_SSLMODE. On this machine alone, never mind.",
            Status.WARN,
        )

    return Check("warehouse: TLS", look)


def privileges(redshift: RedshiftResource, session: Session) -> Iterator[Check]:
    """Check what the user may do with the database, the schema and the tables.

    These functions run on the leader node, so their arguments are values, never columns:
    https://docs.aws.amazon.com/redshift/latest/dg/c_SQL_functions_leader_node_only.html
    """
    schema, user = redshift.schema_name, str(session.scalar("SELECT current_user"))

    def may(function: str, *arguments: str) -> bool:
        slots = SQL(", ").join(SQL("%s") for _ in arguments)
        query = SQL("SELECT {}({})").format(Identifier(function), slots)
        return bool(session.scalar(query, arguments))

    def grant(privileges: str, on: Composed) -> str:
        granted = SQL("GRANT {} ON {} TO {};").format(SQL(privileges), on, Identifier(user))
        return "As an owner or admin: " + granted.as_string(session.connection)

    def temporary() -> str | Trouble:
        if may("has_database_privilege", redshift.database, "temp"):
            return "allowed"
        database = SQL("DATABASE {}").format(Identifier(redshift.database))
        return Trouble("denied", "TEMPORARY on the database", grant("TEMPORARY", database))

    def in_schema() -> str | Trouble:
        named = SQL("SCHEMA {}").format(Identifier(schema))
        known = "SELECT count(*) FROM pg_namespace WHERE nspname = %s"
        if not session.scalar(known, (schema,)):
            create = SQL("CREATE {};").format(named).as_string(session.connection)
            return Trouble("no such schema", schema, f"{create} Or correct REDSHIFT_SCHEMA.")
        lacking = [p for p in ("usage", "create") if not may("has_schema_privilege", schema, p)]
        if not lacking:
            return "usage and create"
        words = ", ".join(lacking).upper()
        return Trouble(f"no {words}", "USAGE and CREATE on it", grant(words, named))

    def on_table(table: Table) -> str | Trouble:
        known = "SELECT count(*) FROM pg_tables WHERE schemaname = %s AND tablename = %s"
        if not session.scalar(known, (schema, table.name)):
            return "not there yet; the first run creates it"
        name = SQL("{}").format(Identifier(schema, table.name))
        text = name.as_string(session.connection)
        lacking = [p for p in TABLE_PRIVILEGES if not may("has_table_privilege", text, p)]
        if not lacking:
            return ", ".join(TABLE_PRIVILEGES)
        words, needed = ", ".join(lacking).upper(), ", ".join(TABLE_PRIVILEGES).upper()
        return Trouble(f"no {words}", needed, grant(words, SQL("TABLE {}").format(name)))

    def load_errors() -> str:
        session.scalar("SELECT count(*) FROM sys_load_error_detail WHERE query_id = -1")
        return "readable"

    yield Check("warehouse: temporary tables", temporary)
    yield Check(f"warehouse: schema {schema}", in_schema)
    for table in TABLES:
        yield Check(f"warehouse: table {table.name}", partial(on_table, table))
    yield Check("warehouse: rows that COPY rejects", load_errors)


def schema_plan(redshift: RedshiftResource, session: Session) -> Check:
    """Check which changes the next run makes to the tables, and whether the user may make them."""
    schema = redshift.schema_name

    def look() -> str | Trouble:
        plan = read_plan(session, schema, TABLES)
        if plan.refused:
            error = refused(session, schema, plan.refused)
            return Trouble(f"{error.where}: {error.found}", error.expected, error.fix)
        if not plan.changes:
            return "the tables are as the contract says"
        created = [c.table.name for c in plan.changes if isinstance(c, CreateTable)]
        altering = [c for c in plan.changes if isinstance(c, AddColumn | WidenColumn)]
        steps = [f"creates {', '.join(created)}"] if created else []
        steps += [schema_sql.statement(schema, c).as_string(session.connection) for c in altering]
        planned = "the next run: " + "; ".join(steps)
        user = str(session.scalar("SELECT current_user"))
        grants = {
            c.table.name: schema_sql.grant_alter(schema, c.table, user)
            for c in altering
            if session.scalar(schema_sql.OWNER, (schema, c.table.name)) != user
        }
        if not grants:
            return planned
        return Trouble(
            f"{planned}; {user} does not own {', '.join(grants)}",
            "the table's owner, or ALTER on the table (not visible from here)",
            "Unless it is granted: "
            + " ".join(g.as_string(session.connection) for g in grants.values()),
            Status.WARN,
        )

    return Check("warehouse: schema changes", look)


def role(redshift: RedshiftResource) -> Check:
    """Check that the role of COPY and UNLOAD is attached, as far as AWS tells of it."""

    def look() -> str | Trouble:
        if redshift.workgroup:
            attached, default = _of_workgroup(redshift)
        elif redshift.cluster:
            attached, default = _of_cluster(redshift)
        else:
            return Trouble(
                f"{redshift.iam_role}; whether it works is not to be seen from outside",
                "REDSHIFT_WORKGROUP or REDSHIFT_CLUSTER, to ask AWS",
                "aws-orders doctor --live tries it.",
                Status.WARN,
            )
        wanted = default if redshift.iam_role == "default" else redshift.iam_role
        if wanted and wanted in attached:
            return f"{wanted} is attached"
        return Trouble(
            ", ".join(attached) or "none attached",
            wanted or "a default role",
            "Attach the role to the warehouse, or correct REDSHIFT_IAM_ROLE.",
        )

    what = "warehouse: role of COPY and UNLOAD"
    if redshift.workgroup:
        on = f"workgroup {redshift.workgroup} and its namespace"
        action = "redshift-serverless:GetWorkgroup and GetNamespace"
        return Check(what, look, action, on, needed=False)
    on = f"cluster {redshift.cluster}"
    return Check(what, look, "redshift:DescribeClusters", on, needed=False)


def _of_workgroup(redshift: RedshiftResource) -> tuple[list[str], str]:
    client = redshift.aws_client("redshift-serverless")
    name = client.get_workgroup(workgroupName=redshift.workgroup)["workgroup"]["namespaceName"]
    found: dict[str, Any] = client.get_namespace(namespaceName=name)["namespace"]
    # A role is told of as "IamRole(applyStatus=in-sync, iamRoleArn=arn:…)" there.
    roles = [role.rpartition("iamRoleArn=")[2].rstrip(")") for role in found.get("iamRoles", [])]
    return roles, found.get("defaultIamRoleArn", "")


def _of_cluster(redshift: RedshiftResource) -> tuple[list[str], str]:
    client = redshift.aws_client("redshift")
    (found,) = client.describe_clusters(ClusterIdentifier=redshift.cluster)["Clusters"]
    roles = [role["IamRoleArn"] for role in found.get("IamRoles", [])]
    return roles, found.get("DefaultIamRoleArn", "")

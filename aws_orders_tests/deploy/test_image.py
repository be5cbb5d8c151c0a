"""The Dockerfile and the compose file, as far as they can be judged without a Docker engine."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from aws_orders_tests.deploy.cloudformation import DEPLOY
from aws_orders_tests.deploy.test_templates import ecs_template

PROJECT = DEPLOY.parent
DOCKERFILE = (PROJECT / "Dockerfile").read_text()
LOOPBACK = {"127.0.0.1", "localhost"}


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    return dict(yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"])


def test_hadolint_finds_nothing() -> None:
    program = Path(sys.executable).with_name("hadolint")
    done = subprocess.run(
        [program, PROJECT / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_the_image_is_pinned_runs_as_nobody_special_and_leaves_the_laptop_out() -> None:
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert set(bases) == {"python:3.11.14-slim-bookworm"}
    assert "--constraint constraints.txt '.[deploy]'" in DOCKERFILE
    assert re.findall(r"^USER (.*)", DOCKERFILE, re.MULTILINE) == ["1000"]
    assert not re.search(r"PASSWORD|SECRET|ACCESS_KEY", DOCKERFILE)


def test_what_the_dockerfile_copies_exists_and_is_let_through() -> None:
    copied = [
        name
        for line in re.findall(r"^COPY (?!--from)(.*)", DOCKERFILE, re.MULTILINE)
        for name in line.split()[:-1]
    ]
    through = {
        line[1:] for line in (PROJECT / ".dockerignore").read_text().splitlines() if line[:1] == "!"
    }
    assert set(copied) == through
    assert all((PROJECT / name).exists() for name in copied)


def test_only_the_ui_is_open_and_only_to_the_server_itself(services: dict[str, Any]) -> None:
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert ports == ["127.0.0.1:3000:3000"]
    code = services["code"]["command"]
    assert code[code.index("-h") + 1] in LOOPBACK
    for name in ("daemon", "webserver"):
        assert services[name]["network_mode"] == "service:code"


def test_each_service_is_checked_restarted_and_without_privileges(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert service["logging"]["options"]["max-size"]
        if name == "migrate":
            assert service["restart"] == "no"
            continue
        assert service["restart"] == "unless-stopped"
        assert "healthcheck" in service
        if name != "postgres":
            assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])


def test_services_wait_for_services_that_there_are(services: dict[str, Any]) -> None:
    for service in services.values():
        for name, wait in service.get("depends_on", {}).items():
            done = wait["condition"] == "service_completed_successfully"
            assert done or "healthcheck" in services[name]


def test_no_password_stands_in_the_compose_file(services: dict[str, Any]) -> None:
    for service in services.values():
        for name, value in service.get("environment", {}).items():
            if "PASSWORD" in name:
                assert value.startswith("${DAGSTER_POSTGRES_PASSWORD:?")


def test_compose_and_ecs_run_the_same_commands(services: dict[str, Any]) -> None:
    host = ecs_template().of_type("AWS::ECS::TaskDefinition")["Host"]["ContainerDefinitions"]
    commands = {container["Name"]: container["Command"] for container in host}
    assert commands.keys() == services.keys() - {"postgres"}
    for name, command in commands.items():
        same = [word if word != "0.0.0.0" else "127.0.0.1" for word in services[name]["command"]]
        assert same == command


@pytest.mark.parametrize("name", ["migrate", "code", "daemon", "webserver"])
def test_every_command_is_one_that_dagster_has(services: dict[str, Any], name: str) -> None:
    program, *words = services[name]["command"]
    verbs = [word for word in words[: 2 if name in ("migrate", "code") else 1] if word[0] != "-"]
    path = Path(sys.executable).with_name(program)
    done = subprocess.run([path, *verbs, "--help"], capture_output=True, text=True, check=True)
    for option in (word for word in words if word.startswith("-")):
        assert re.search(rf"(^|\s){option}\b", done.stdout), option

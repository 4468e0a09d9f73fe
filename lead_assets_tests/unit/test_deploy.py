"""What of ``deploy/`` can be checked without containers: the services, their commands, and that no secret is in it."""

import re
import shlex
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from lead_assets.cli import main
from lead_assets.defs.celery import STAGES
from lead_assets_tests.conftest import PROJECT

DEPLOY = PROJECT / "deploy"
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"] == "lead_assets"}
WORKERS = {name: service for name, service in OURS.items() if name.startswith("worker-")}


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_has_limits_and_those_that_stay_a_health_check(name: str) -> None:
    service = SERVICES[name]
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory"}
    assert ("healthcheck" in service) is (service["restart"] != "no")
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", [])), "open to other machines"


def test_each_stage_has_a_worker_that_listens_to_it() -> None:
    commands = [shlex.join(service["command"]) for service in WORKERS.values()]
    listened = [queue for command in commands for queue in re.findall(r"--queue (\S+)", command)]
    assert sorted(listened) == sorted(STAGES)


@pytest.mark.parametrize("name", [name for name, service in OURS.items() if service["command"][0] == "lead-assets"])
def test_our_commands_are_understood(name: str) -> None:
    first, *arguments = SERVICES[name]["command"][1:]
    command = main.get_command(click.Context(main), first)
    assert command is not None
    command.make_context(first, arguments)  # a usage error where an option is not known


@pytest.mark.parametrize("name", ["code", "webserver", "daemon"])
def test_dagsters_commands_are_understood(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program, *arguments = SERVICES[name]["command"]
    (script,) = entry_points(group="console_scripts", name=program)
    monkeypatch.setattr(sys, "argv", [program, *arguments, "--help"])
    with pytest.raises(SystemExit) as ended:  # as the script would: 2 where an option is not known
        script.load()()
    assert ended.value.code == 0


def test_every_secret_is_a_file_that_is_not_in_the_repository() -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    assert {secret["file"] for secret in compose["secrets"].values()} == {
        f"secrets/{name}" for name in ("postgres_password", "redis_password", "typesense_api_key", "env")
    }
    assert "deploy/secrets/" in (PROJECT / ".gitignore").read_text().splitlines()
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            assert name.endswith("_FILE") or not re.search(r"PASSWORD|SECRET|KEY|TOKEN", name), value


def test_the_entrypoint_makes_the_environment_from_the_files(tmp_path: Path) -> None:
    script = (DEPLOY / "entrypoint.sh").read_text().replace("/run/secrets", str(tmp_path))
    for name in ("postgres_password", "redis_password", "typesense_api_key"):
        (tmp_path / name).write_text(f"of_{name}\n")
    (tmp_path / "env").write_text("OPENAI_API_KEY='a key'\n")
    names = ("DATABASE_URL", "CELERY_BROKER_URL", "TYPESENSE_API_KEY", "OPENAI_API_KEY")
    show = "; ".join(f'echo "${name}"' for name in names)
    done = subprocess.run(["sh", "-c", script, "sh", "sh", "-c", show], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "postgresql://lead_assets:of_postgres_password@postgres:5432/lead_assets",
        "redis://:of_redis_password@redis:6379/0",
        "of_typesense_api_key",
        "a key",
    ]


def test_secrets_are_made_once(tmp_path: Path) -> None:
    script = tmp_path / "make_secrets.sh"
    script.write_text((DEPLOY / "make_secrets.sh").read_text())
    subprocess.run(["sh", str(script)], check=True)
    first = {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}
    assert set(first) == {"postgres_password", "redis_password", "typesense_api_key", "env"}
    assert all(path.stat().st_mode & 0o077 == 0 for path in (tmp_path / "secrets").iterdir())
    subprocess.run(["sh", str(script)], check=True)
    assert {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()} == first

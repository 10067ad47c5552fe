from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = ROOT / "docker-compose.yml"
SECRETS = {"VERTEBRA_REDIS_PASSWORD", "VERTEBRA_POSTGRES_PASSWORD"}
OPTIONAL = "VERTEBRA_API_KEYS"
"""Keys beside those of the database; older files of variables have them."""

VARIABLE = re.compile(r"(?<!\$)\$\{(\w+)(:?[?\-+][^}]*)?\}")


class MissingVariableError(Exception):
    pass


def interpolate(text, values):
    """Replace ``${X}``, ``${X:-default}`` and ``${X:?message}`` as compose does."""

    def value(match):
        name, rule = match.group(1), match.group(2) or ""
        if values.get(name):
            return values[name]
        if rule.startswith(":?"):
            raise MissingVariableError(f"{name}: {rule[2:]}")
        return rule[2:] if rule.startswith(":-") else ""

    return VARIABLE.sub(value, text)


def load(**values):
    return yaml.safe_load(interpolate(COMPOSE.read_text(), values))


@pytest.fixture
def services():
    return load(**dict.fromkeys(SECRETS, "s3cret"))["services"]


def test_follows_the_compose_schema():
    tool = Path(sys.executable).with_name("check-jsonschema")
    done = subprocess.run(
        [str(tool), "--builtin-schema", "vendor.compose-spec", str(COMPOSE)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONWARNINGS": ""},
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_secret_is_required_with_a_message():
    text = COMPOSE.read_text()
    rules = {name: rule for name, rule in VARIABLE.findall(text) if name in SECRETS}
    assert rules.keys() == SECRETS
    for name, rule in VARIABLE.findall(text):
        if name != OPTIONAL and (name in SECRETS or re.search("PASSWORD|SECRET|KEY|TOKEN", name)):
            assert re.fullmatch(r":\?.{10,}", rule), name
        else:
            assert rule.startswith(":-"), name


@pytest.mark.parametrize("missing", sorted(SECRETS))
@pytest.mark.parametrize("empty", [False, True])
def test_config_fails_without_a_secret(missing, empty):
    values = dict.fromkeys(SECRETS - {missing}, "s3cret") | ({missing: ""} if empty else {})
    with pytest.raises(MissingVariableError, match=missing):
        load(**values)


def test_no_literal_secret_in_the_file():
    data = yaml.safe_load(COMPOSE.read_text())
    for service in data["services"].values():
        for name, value in (service.get("environment") or {}).items():
            if re.search("PASSWORD|KEYS|SECRET|TOKEN", name):
                assert str(value).startswith("${"), name


def test_services(services):
    assert set(services) == {"database", "gateway", "worker", "worker-gpu", "redis", "postgres"}
    assert services["worker-gpu"]["profiles"] == ["gpu"]
    assert all("profiles" not in services[name] for name in ("gateway", "worker", "redis", "postgres"))
    assert services["worker-gpu"]["environment"]["VERTEBRA_DEVICE"] == "cuda"
    device = services["worker-gpu"]["deploy"]["resources"]["reservations"]["devices"][0]
    assert device == {"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}


def test_only_the_gateway_is_published_and_on_loopback(services):
    assert [name for name, service in services.items() if service.get("ports")] == ["gateway"]
    assert services["gateway"]["ports"] == ["127.0.0.1:8000:8000"]
    assert [name for name, service in services.items() if "outside" in service["networks"]] == ["gateway"]
    assert load(**dict.fromkeys(SECRETS, "x"))["networks"]["inside"] == {"internal": True}


def test_every_service_is_hardened_and_watched(services):
    for service in services.values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        if service is not services["database"]:  # it ends
            assert service["restart"] == "unless-stopped"
            assert service["healthcheck"]["test"]
        assert {"cpus", "memory", "pids"} <= service["deploy"]["resources"]["limits"].keys()
    assert services["redis"]["user"] == services["postgres"]["user"] == "999:999"


def test_services_agree_on_their_addresses(services):
    for name in ("gateway", "worker", "worker-gpu"):
        environment = services[name]["environment"]
        assert environment["VERTEBRA_BROKER_URL"] == "redis://:s3cret@redis:6379/0"
        assert environment["VERTEBRA_DATABASE_URL"] == "postgresql+psycopg://vertebra:s3cret@postgres:5432/vertebra"
        assert environment["VERTEBRA_STORAGE_URL"] == "file:///data/blobs"
        assert "blobs:/data/blobs" in services[name]["volumes"]
        assert services[name]["depends_on"]["redis"] == {"condition": "service_healthy"}
    assert services["gateway"]["environment"]["FORWARDED_ALLOW_IPS"] == "127.0.0.1"
    assert services["gateway"]["environment"]["VERTEBRA_API_KEYS"] == ""
    assert "secrets:/data/secrets" in services["gateway"]["volumes"]
    assert services["postgres"]["environment"]["POSTGRES_USER"] == "vertebra"


def test_the_tables_are_upgraded_before_the_others_start(services):
    database = services["database"]
    assert database["command"] == ["database", "upgrade"]
    assert database["image"] == services["gateway"]["image"]
    assert database["build"] == services["gateway"]["build"]
    assert database["restart"] == "on-failure"
    assert database["environment"] == {
        name: value for name, value in services["worker"]["environment"].items() if name in database["environment"]
    }
    assert database["environment"]["VERTEBRA_DATABASE_URL"].endswith("@postgres:5432/vertebra")
    for name in ("gateway", "worker", "worker-gpu"):
        assert services[name]["depends_on"]["database"] == {"condition": "service_completed_successfully"}


def test_queue_survives_a_restart(services):
    command = services["redis"]["command"][-1]
    assert "--appendonly yes" in command
    assert "--maxmemory-policy noeviction" in command
    assert services["redis"]["volumes"] == ["redis:/data"]


def test_builds_use_the_dockerfiles(services):
    for name in ("gateway", "worker", "worker-gpu"):
        build = services[name]["build"]
        assert build["context"] == "."
        assert (ROOT / build["dockerfile"]).is_file()

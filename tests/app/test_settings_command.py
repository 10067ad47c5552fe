"""`vertebra-stress settings`, `--version` and the help."""

from __future__ import annotations

import json
from importlib.metadata import version
from typing import Any

import pytest

from app.cli import main
from app.commands.exit_codes import DONE, MEANINGS, WRONG_ARGUMENTS, WRONG_HERE
from app.jobs.settings import Settings

SECRETS = {
    "VERTEBRA_API_KEYS": "s3cret:tenant",
    "VERTEBRA_BROKER_URL": "redis://:s3cret@host/0",
    "VERTEBRA_DATABASE_URL": "postgresql://user:s3cret@host/db",
    "VERTEBRA_STORAGE_URL": "s3://id:s3cret@bucket/prefix",
    "VERTEBRA_API_KEY": "s3cret",
}


def printed(capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, Any]]:
    assert main(["settings", "--json"]) == DONE
    document = json.loads(capsys.readouterr().out)
    return {setting["name"]: setting for setting in document["settings"]}


def test_every_setting_says_where_its_value_comes_from(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VERTEBRA_RETENTION_HOURS", "24")
    monkeypatch.setenv("VERTEBRA_TENANT_RETENTION_HOURS", '{"ward": 12}')
    monkeypatch.setenv("VERTEBRA_PROT", "9000")
    settings = printed(capsys)
    assert {f"VERTEBRA_{name.upper()}" for name in Settings.model_fields} <= set(settings)
    assert settings["VERTEBRA_RETENTION_HOURS"] == {
        "name": "VERTEBRA_RETENTION_HOURS", "value": 24.0, "source": "environment", "default": 72.0,
        "description": "Finished jobs and their files stay this long.",
    }  # fmt: skip
    assert settings["VERTEBRA_TENANT_RETENTION_HOURS"]["value"] == {"ward": 12.0}
    assert (settings["VERTEBRA_PORT"]["value"], settings["VERTEBRA_PORT"]["source"]) == (8000, "default")
    assert all(setting["description"] for setting in settings.values())
    assert main(["settings"]) == DONE
    text = capsys.readouterr().out
    assert "VERTEBRA_RETENTION_HOURS = 24.0  (environment)\n    default: 72.0\n    Finished jobs" in text
    assert "VERTEBRA_PROT is set, but there is no such setting." in text


def test_secrets_are_hidden(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    settings = printed(capsys)
    assert settings["VERTEBRA_STORAGE_URL"]["value"] == "s3://…@bucket/prefix"
    assert {settings[name]["value"] for name in SECRETS if "STORAGE" not in name} == {"(set, not shown)"}
    assert main(["settings"]) == DONE
    assert "s3cret" not in capsys.readouterr().out


def test_the_version_and_the_exit_codes_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    for option, expected in {
        "--version": [f"vertebra-stress {version('vertebra-stress')}"],
        "--help": [f"{code:<4} {meaning}" for code, meaning in MEANINGS.items()],
    }.items():
        with pytest.raises(SystemExit) as end:
            main([option])
        assert end.value.code == DONE
        out = capsys.readouterr().out
        assert all(text in out for text in expected)


def test_a_port_that_cannot_be(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit) as end:
        main(["serve", "--port", "70000"])
    assert end.value.code == WRONG_ARGUMENTS
    assert "expected a port from 0 to 65535" in capsys.readouterr().err
    monkeypatch.setenv("VERTEBRA_PORT", "many")
    assert main(["settings"]) == WRONG_HERE
    assert "VERTEBRA_PORT" in capsys.readouterr().err

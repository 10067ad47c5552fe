from __future__ import annotations

import pytest
from pydantic import ValidationError

from app.cli import main
from app.jobs.settings import Settings, SettingsError


@pytest.mark.parametrize("text", ['{"k:1": "a", "k2": "b"}', "k:1:a, k2:b"])
def test_api_keys(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("VERTEBRA_API_KEYS", text)
    keys = Settings().api_keys
    assert {key.get_secret_value(): tenant for key, tenant in keys.items()} == {"k:1": "a", "k2": "b"}
    assert "k2" not in repr(Settings())


def test_faulty_settings_are_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("VERTEBRA_API_KEYS", "just-a-key")
    with pytest.raises(ValidationError):
        Settings()
    assert main(["worker"]) == 1
    assert "VERTEBRA_API_KEYS" in capsys.readouterr().err
    with pytest.raises(ValidationError, match="stale_after_s"):
        Settings(api_keys={}, heartbeat_s=10, stale_after_s=15)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.8.8.8"])
def test_loopback_needs_no_key(host: str) -> None:
    Settings(host=host).check_bind()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.1.2.3", "hospital.example"])
def test_other_hosts_need_a_key(host: str) -> None:
    with pytest.raises(SettingsError, match="VERTEBRA_API_KEYS"):
        Settings(host=host).check_bind()
    Settings(host=host, api_keys={"k": "t"}).check_bind()
    Settings(host=host, allow_anonymous=True).check_bind()


@pytest.mark.parametrize("command", ["serve", "gateway"])
def test_the_commands_refuse_other_hosts_too(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VERTEBRA_HOST", "0.0.0.0")
    assert main([command]) == 1
    assert "VERTEBRA_ALLOW_ANONYMOUS=1" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["gateway", "worker"])
def test_gateway_and_worker_need_a_broker(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("VERTEBRA_BROKER_URL", raising=False)
    assert main([command]) == 1
    assert "VERTEBRA_BROKER_URL" in capsys.readouterr().err


def test_limits_follow_the_deadline() -> None:
    settings = Settings()
    assert (settings.job_deadline_s, settings.hard_limit_s, settings.visibility_timeout_s) == (540, 600, 900)

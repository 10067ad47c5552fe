from __future__ import annotations

import pytest
from pydantic import ValidationError

from app.cli import main
from app.jobs.settings import Settings


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


def test_only_a_setting_opens_the_service_and_a_key_closes_it() -> None:
    assert not Settings().is_open
    assert Settings(allow_anonymous=True).is_open
    assert not Settings(allow_anonymous=True, api_keys={"k": "t"}).is_open


@pytest.mark.parametrize("command", ["gateway", "worker"])
def test_gateway_and_worker_need_a_broker(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("VERTEBRA_BROKER_URL", raising=False)
    assert main([command]) == 1
    assert "VERTEBRA_BROKER_URL" in capsys.readouterr().err


def test_a_tenants_retention(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERTEBRA_TENANT_RETENTION_HOURS", '{"ward": 24, "archive": 0.5}')
    assert Settings().tenant_retention_hours == {"ward": 24.0, "archive": 0.5}
    monkeypatch.setenv("VERTEBRA_TENANT_RETENTION_HOURS", '{"ward": 0}')
    with pytest.raises(ValidationError, match="greater than 0"):
        Settings()


def test_dicomweb_servers_are_named_and_given_to_tenants(monkeypatch: pytest.MonkeyPatch) -> None:
    servers = '{"pacs": "https://user:secret@pacs.example/dicom-web", "open": "http://127.0.0.1:8042/dicom-web"}'
    monkeypatch.setenv("VERTEBRA_DICOMWEB_SERVERS", servers)
    monkeypatch.setenv("VERTEBRA_DICOMWEB_TENANTS", '{"pacs": ["ward"]}')
    assert Settings().dicomweb_servers_of("ward") == ["pacs", "open"]
    assert Settings().dicomweb_servers_of("other") == ["open"]
    assert "secret" not in repr(Settings())
    monkeypatch.setenv("VERTEBRA_DICOMWEB_TENANTS", '{"pcas": ["ward"]}')
    with pytest.raises(ValidationError, match="should name servers of dicomweb_servers, got pcas"):
        Settings()
    monkeypatch.delenv("VERTEBRA_DICOMWEB_TENANTS")
    for faulty in (
        '{"PACS": "https://a"}',
        '{"pacs\\n": "https://a"}',
        '{"pacs": "https://user:secret@[a"}',
        '{"pacs": "ftp://a"}',
        '{"pacs": "https://a:99999"}',
        '{"pacs": "https:///x"}',
        '{"pacs": "https://a?b=1"}',
    ):
        monkeypatch.setenv("VERTEBRA_DICOMWEB_SERVERS", faulty)
        with pytest.raises(ValidationError, match="should"):
            Settings()


def test_a_faulty_setting_is_told_without_its_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (
        ("VERTEBRA_DICOMWEB_SERVERS", '["https://user:secret@a"]'),
        ("VERTEBRA_DICOMWEB_SERVERS", '{"pacs": "https://user:secret@\u2100"}'),
        ("VERTEBRA_DICOMWEB_SERVERS", '{"pacs": ["https://user:secret@a"]}'),
        ("VERTEBRA_API_KEYS", '{"k": ["secret"]}'),
    ):
        monkeypatch.setenv(name, value)
        with pytest.raises(ValidationError) as caught:
            Settings()
        assert "secret" not in str(caught.value)
        monkeypatch.delenv(name)


def test_limits_follow_the_deadline() -> None:
    settings = Settings()
    assert (settings.job_deadline_s, settings.hard_limit_s, settings.visibility_timeout_s) == (540, 600, 900)

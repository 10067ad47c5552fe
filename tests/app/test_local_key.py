"""The key of `serve` on this machine: made once, kept in a private file, sent to nobody else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app import cli, local_key
from app.identity.key_store import KeyStore
from app.identity.key_text import key_id_of
from app.jobs.database import open_database
from app.jobs.settings import Settings
from app.local_key_maker import prepare

URL = "http://127.0.0.1:8000"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path)


def test_the_key_is_made_once_and_again_when_it_has_ended(settings: Settings) -> None:
    first = prepare(settings, URL)
    assert first is not None
    moved = prepare(settings, "http://127.0.0.1:9000")
    assert moved == local_key.LocalKey("http://127.0.0.1:9000", first.key)
    engine = open_database(settings.database)
    keys = KeyStore(engine)
    assert [(row.tenant, row.scopes) for row in keys.list_keys()] == [("local", "submit read webhooks admin")]
    keys.revoke(str(key_id_of(first.key)))
    second = prepare(settings, URL)
    assert second is not None
    assert second.key != first.key
    engine.dispose()


def test_no_key_is_made_where_the_settings_say_who_may_come(tmp_path: Path) -> None:
    for chosen in ({"api_keys": {"k": "t"}}, {"allow_anonymous": True}):
        assert prepare(Settings(data_dir=tmp_path, **chosen), URL) is None
    assert not (tmp_path / "secrets").exists()


@pytest.mark.parametrize(
    ("url", "is_sent"),
    [
        (URL, True),
        ("http://localhost:8000", True),
        ("http://[::1]:8000/", True),
        ("http://127.0.0.1:8001", False),
        ("http://hospital.example:8000", False),
        ("http://127.0.0.1.evil.example:8000", False),
        ("https://127.0.0.1:8000", False),
    ],
)
def test_the_key_is_sent_to_its_service_alone(settings: Settings, url: str, is_sent: bool) -> None:
    made = prepare(settings, URL)
    assert made is not None
    assert local_key.find(url, settings.secrets_dir) == (made.key if is_sent else None)


def test_a_damaged_file_holds_no_key(settings: Settings) -> None:
    prepare(settings, URL)
    file = settings.secrets_dir / "local-key.json"
    for text in ("", "{}", "[1]", json.dumps({"url": URL})):
        file.write_text(text)
        assert local_key.find(URL, settings.secrets_dir) is None
    assert prepare(settings, URL)
    assert local_key.find(URL, settings.secrets_dir)


def test_the_command_shows_key_and_link(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VERTEBRA_DATA_DIR", str(settings.data_dir))
    assert cli.main(["keys", "local"]) == 1
    assert "`vertebra-stress serve` makes one" in capsys.readouterr().err
    made = prepare(settings, URL)
    assert made is not None
    assert cli.main(["keys", "local"]) == 0
    printed = capsys.readouterr().out
    assert made.key in printed
    assert f"{URL}/sign-in?code={key_id_of(made.key)}." in printed

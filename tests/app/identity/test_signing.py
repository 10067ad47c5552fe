"""Signatures of links: what they cover, how secrets change, who can read them."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.contract.errors import StorageUnavailable
from app.identity.signing import LONGEST_LINK_S, SIGNS_FOR_S, Signer


class Clock:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "secrets" / "signing.json"


@pytest.fixture
def signer(path: Path, clock: Clock) -> Signer:
    return Signer(path, clock)


def test_a_signature_covers_purpose_and_every_part(signer: Signer, path: Path, clock: Clock) -> None:
    secret_id, signature = signer.sign("result", "job", "a", "bc")
    assert signer.verifies(secret_id, signature, "result", "job", "a", "bc")
    assert Signer(path, clock).verifies(secret_id, signature, "result", "job", "a", "bc")  # another gateway
    assert not signer.verifies(secret_id, signature, "sign-in", "job", "a", "bc")
    assert not signer.verifies(secret_id, signature, "result", "job", "ab", "c")
    assert not signer.verifies(secret_id, signature, "result", "job", "a")
    assert not signer.verifies("00000000", signature, "result", "job", "a", "bc")
    for other in ("", "0" * 64, signature.upper(), "\N{SNOWMAN}"):
        assert not signer.verifies(secret_id, other, "result", "job", "a", "bc")


def test_only_the_owner_can_read_the_secrets(signer: Signer, path: Path) -> None:
    signer.sign("x")
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert [entry.name for entry in sorted(path.parent.iterdir())] == ["signing.json", "signing.lock"]


def test_secrets_change_and_old_ones_verify_until_their_links_have_ended(signer: Signer, clock: Clock) -> None:
    first = signer.sign("x")
    clock.now += SIGNS_FOR_S - 1
    assert signer.sign("x") == first
    clock.now += 1
    second = signer.sign("x")
    assert second[0] != first[0]
    clock.now += LONGEST_LINK_S - 1
    assert signer.verifies(*first, "x")
    clock.now += 1
    assert not signer.verifies(*first, "x")
    signer.sign("x")
    assert first[0] not in signer._path.read_text()


def test_secrets_can_be_forgotten(signer: Signer, path: Path, clock: Clock) -> None:
    other = Signer(path, clock)
    signed = signer.sign("x")
    assert other.verifies(*signed, "x")
    signer.forget_all()
    assert not other.verifies(*signed, "x")
    assert not signer.verifies(*signed, "x")
    assert signer.sign("x")[0] != signed[0]


def test_signers_at_the_same_time_agree_on_one_secret(path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        made = set(pool.map(lambda _: Signer(path).sign("x"), range(64)))
    assert len(made) == 1
    assert len(json.loads(path.read_text())) == 1


def test_a_file_that_cannot_be_written(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "file").write_text("")
    blocked = Signer(tmp_path / "file" / "signing.json", clock)
    with pytest.raises(StorageUnavailable, match="VERTEBRA_SIGNING_FILE"):
        blocked.sign("x")
    assert not blocked.verifies("00000000", "0" * 64, "x")

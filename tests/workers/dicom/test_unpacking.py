"""Zips from strangers: what no export of a study holds is refused by a problem, and nothing is written elsewhere."""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from app.contract.errors import BadArchive, DecompressionBomb, InputError
from workers.dicom import unpacking
from workers.dicom.unpacking import is_dicom_upload, unpack

DICOM = b"\0" * 128 + b"DICM" + b"x" * 100


def zip_of(path: Path, *entries: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return path


def link(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


def encrypted(path: Path) -> Path:
    """Set the flag of encryption in both headers of the only file."""
    data = bytearray(zip_of(path, ("a.dcm", DICOM)).read_bytes())
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    return path


def with_false_directory(path: Path) -> Path:
    """A zip that claims a directory of 3 GB."""
    data = bytearray(zip_of(path, ("a.dcm", DICOM)).read_bytes())
    end = data.index(b"PK\x05\x06")
    size = 3 << 30
    data[end + 12 : end + 16] = size.to_bytes(4, "little")
    with path.open("wb") as out:
        out.write(data[:end])
        out.truncate(size + 100)
        out.seek(size + 100)
        out.write(data[end:])
    return path


def with_wild_record(at: int, size: int, value: int) -> Callable[[Path], Path]:
    """A zip whose last record has another number, of 4 bytes at an offset, or of 8 the place of the directory."""

    def make(path: Path) -> Path:
        data = bytearray(zip_of(path, ("a.dcm", DICOM)).read_bytes())
        end = data.index(b"PK\x05\x06")
        if size == 8:  # the records of zip64 stand before
            numbers = (1, 1, end - data.index(b"PK\x01\x02"), value)
            record = b"PK\x06\x06" + (44).to_bytes(8, "little") + bytes(12)
            record += b"".join(number.to_bytes(8, "little") for number in numbers)
            locator = b"PK\x06\x07" + bytes(4) + end.to_bytes(8, "little") + (1).to_bytes(4, "little")
            data[end:end] = record + locator
            end = data.index(b"PK\x05\x06")
            data[end + 12 : end + 20] = b"\xff" * 8
        else:
            data[end + at : end + at + size] = value.to_bytes(size, "little")
        path.write_bytes(data)
        return path

    return make


def lying(path: Path) -> Path:
    """A file with more bytes than the zip says."""
    data = bytearray(zip_of(path, ("a.dcm", DICOM + b"y" * 10_000)).read_bytes())
    for at in (22, data.index(b"PK\x01\x02") + 24):
        data[at : at + 4] = (200).to_bytes(4, "little")
    path.write_bytes(data)
    return path


def cut(path: Path) -> Path:
    path.write_bytes(zip_of(path, ("a.dcm", DICOM * 50)).read_bytes()[:-60])
    return path


HOSTILE: dict[str, Callable[[Path], Path]] = {
    "a path out of the zip": lambda path: zip_of(path, ("../../evil.dcm", DICOM)),
    "an absolute path": lambda path: zip_of(path, ("/etc/evil.dcm", DICOM)),
    "a drive": lambda path: zip_of(path, ("C:\\evil.dcm", DICOM)),
    "a path with backslashes": lambda path: zip_of(path, ("a\\..\\..\\evil.dcm", DICOM)),
    "a link": lambda path: zip_of(path, (link("a.dcm"), b"/etc/passwd")),
    "a password": encrypted,
    "a zip within": lambda path: zip_of(path, ("a.dcm", DICOM), ("inner.zip", b"PK\x03\x04...")),
    "a gzip within": lambda path: zip_of(path, ("a.dcm.gz", b"\x1f\x8b\x08...")),
    "a false directory": with_false_directory,
    "a directory before the file": with_wild_record(12, 4, 5000),
    "a directory behind the file": with_wild_record(16, 4, 0xFFFFFFF0),
    "a directory at a place too large": with_wild_record(48, 8, 1 << 63),
    "a directory at the largest place": with_wild_record(48, 8, (1 << 64) - 1),
    "a false size": lying,
    "an end that is cut off": cut,
}


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE)
def test_hostile_zips_are_refused(make: Callable[[Path], Path], tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "folder"
    folder.mkdir(parents=True)
    upload = make(tmp_path / "upload.zip")
    with pytest.raises(BadArchive) as caught:
        unpack(upload, folder)
    assert caught.value.expected
    assert caught.value.got
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} <= {"upload.zip", "00000.dcm"}


def test_a_bomb_is_refused_before_it_expands(tmp_path: Path) -> None:
    bomb = zip_of(tmp_path / "bomb.zip", ("a.dcm", DICOM + b"\0" * (80 << 20)))
    with pytest.raises(DecompressionBomb):
        unpack(bomb, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["bomb.zip"]


def test_many_large_files_are_refused_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "MAX_UNPACKED_BYTES", 500)
    with pytest.raises(DecompressionBomb):
        unpack(zip_of(tmp_path / "a.zip", ("a", DICOM), ("b", DICOM), ("c", DICOM)), tmp_path)


def test_more_files_than_any_study_has_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "MAX_DICOM_FILES", 2)
    with pytest.raises(BadArchive):
        unpack(zip_of(tmp_path / "a.zip", ("a", DICOM), ("b", DICOM), ("c", DICOM)), tmp_path)


def test_files_that_are_no_dicom_are_left_out(tmp_path: Path) -> None:
    """A CD's viewer, its text and an empty file."""
    upload = zip_of(
        tmp_path / "cd.zip",
        ("VIEWER/viewer.jar", b"PK\x03\x04..."),
        ("README.TXT", b"hello"),
        ("empty", b""),
        ("DICOM/IM1", DICOM),
        ("DICOM/", b""),
    )
    paths, others = unpack(upload, tmp_path)
    assert [path.read_bytes() for path in paths] == [DICOM]
    assert others == 3


def test_an_upload_is_known_by_its_content(tmp_path: Path) -> None:
    one = tmp_path / "ct"
    for content, expected in ((DICOM, True), (b"PK\x03\x04", True), (b"\x1f\x8b", False), (b"", False)):
        one.write_bytes(content)
        assert is_dicom_upload(one) is expected
    one.write_bytes(DICOM)
    assert unpack(one, tmp_path) == ([one], 0)


def test_an_empty_zip_holds_no_files(tmp_path: Path) -> None:
    assert unpack(zip_of(tmp_path / "empty.zip"), tmp_path) == ([], 0)


def test_noise_with_the_head_of_a_zip_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "noise.zip"
    path.write_bytes(b"PK\x03\x04" + bytes(range(256)) * 50)
    with pytest.raises(InputError):
        unpack(path, tmp_path)

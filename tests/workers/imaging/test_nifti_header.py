import gzip
import subprocess
import sys
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.contract import errors
from tests.workers.imaging.nifti_files import SHAPE, header_bytes, image, write
from workers.imaging.volume import Limits, read_ct, read_mask


@pytest.fixture
def blob(tmp_path):
    return tmp_path / "blob"  # the store's files have no extension


BAD_HEADERS = {
    "negative dim": (dict(dim=[3, -20, 24, 28, 1, 1, 1, 1]), errors.BadDimensions),
    "zero dim": (dict(dim=[3, 0, 24, 28, 1, 1, 1, 1]), errors.BadDimensions),
    "no dims": (dict(dim=[0, 20, 24, 28, 1, 1, 1, 1]), errors.BadDimensions),
    "30000 dims": (dict(dim=[3, 30000, 30000, 30000, 1, 1, 1, 1]), errors.BadDimensions),
    "too large": (dict(dim=[3, 4096, 4096, 4096, 1, 1, 1, 1]), errors.BadDimensions),
    "flat": (dict(dim=[3, 240, 56, 1, 1, 1, 1, 1]), errors.BadDimensions),
    "2-D": (dict(dim=[2, 240, 56, 1, 1, 1, 1, 1]), errors.NotThreeDimensional),
    "4-D": (dict(dim=[4, 20, 24, 14, 2, 1, 1, 1]), errors.NotThreeDimensional),
    "RGB": (dict(datatype=128), errors.BadVoxels),
    "complex": (dict(datatype=32), errors.BadVoxels),
    "float128": (dict(datatype=1536), errors.BadVoxels),
    "unknown type": (dict(datatype=77), errors.BadVoxels),
    "infinite slope": (dict(scl_slope=np.inf), errors.BadVoxels),
    "overflowing slope": (dict(scl_slope=3e38), errors.BadVoxels),
    "pair": (dict(magic=b"ni1"), errors.NotNifti),
    "offset -1": (dict(vox_offset=-1), errors.CorruptFile),
    "offset nan": (dict(vox_offset=np.nan), errors.CorruptFile),
    "offset behind the end": (dict(vox_offset=1e6), errors.CorruptFile),
    "NaN affine": (dict(srow_x=[np.nan, 0, 0, 0]), errors.BadAffine),
    "infinite affine": (dict(srow_x=[np.inf, 0, 0, 0]), errors.BadAffine),
    "singular affine": (dict(srow_x=[0, 0, 0, 0]), errors.BadAffine),
    "parallel axes": (dict(srow_x=[0.9, 0.9, 0, 0], srow_y=[0.1, 0.1, 0, 0]), errors.BadAffine),
    "sheared": (dict(srow_x=[0.9, 0.9, 0, 0], srow_y=[0, 0.4, 0, 0]), errors.BadAffine),
    "no affine": (dict(sform_code=0, qform_code=0), errors.BadAffine),
    "pixdim disagrees": (dict(pixdim=[1, 0.9, 0.9, 4, 1, 1, 1, 1]), errors.BadAffine),
    "bad quaternion": (dict(sform_code=0, qform_code=1, quatern_b=3), errors.BadAffine),
    "metres": (
        dict(
            srow_x=[9e-4, 0, 0, 0],
            srow_y=[0, 9e-4, 0, 0],
            srow_z=[0, 0, 2e-3, 0],
            pixdim=[1, 9e-4, 9e-4, 2e-3, 1, 1, 1, 1],
        ),
        errors.BadSpacing,
    ),
    "1000 mm voxels": (
        dict(
            srow_x=[1e3, 0, 0, 0], srow_y=[0, 1e3, 0, 0], srow_z=[0, 0, 1e3, 0], pixdim=[1, 1e3, 1e3, 1e3, 1, 1, 1, 1]
        ),
        errors.BadSpacing,
    ),
    "three metres along the body": (
        dict(dim=[3, 4, 4, 310, 1, 1, 1, 1], srow_z=[0, 0, 10, 0], pixdim=[1, 0.9055, 0.9055, 10, 1, 1, 1, 1]),
        errors.BadSpacing,
    ),
    "a metre across": (
        dict(dim=[3, 101, 4, 28, 1, 1, 1, 1], srow_x=[9.5, 0, 0, 0], pixdim=[1, 9.5, 0.9055, 2, 1, 1, 1, 1]),
        errors.BadSpacing,
    ),
    "pixdim nan": (dict(pixdim=[1, np.nan, 0.9, 2, 1, 1, 1, 1]), errors.BadSpacing),
}


@pytest.mark.parametrize(("fields", "error"), BAD_HEADERS.values(), ids=BAD_HEADERS)
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["nii", "nii.gz"])
def test_bad_header(blob, fields, error, pack):
    if fields.get("dim", [0, 0])[1] == 4096 and pack is gzip.compress:
        error = errors.DecompressionBomb  # declared beyond the limit by a small compressed file
    with pytest.raises(error) as caught:
        read_ct(write(blob, pack(header_bytes(**fields))))
    assert caught.value.expected
    assert caught.value.got
    assert len(caught.value.detail) > 20


NOT_NIFTI = {
    "PNG": b"\x89PNG\r\n\x1a\n" + b"\0" * 400,
    "DICOM": b"DICM",
    "JSON": b"{}",
    "gzip of text": gzip.compress(b"hello"),
    "no magic": b"\x5c\x01\0\0" + b"\0" * 344,
}


@pytest.mark.parametrize("data", NOT_NIFTI.values(), ids=NOT_NIFTI)
def test_not_nifti(blob, data):
    with pytest.raises(errors.NotNifti):
        read_ct(write(blob, data))


def test_empty_file(blob):
    with pytest.raises(errors.EmptyUpload):
        read_ct(write(blob, b""))
    with pytest.raises(errors.EmptyUpload):
        read_mask(blob)


@pytest.mark.parametrize("keep", [3, 12, 100, 0.3, 0.7, 0.99, -9, -8, -4, -1])
def test_truncated_gzip(blob, keep):
    data = gzip.compress(image().to_bytes())
    with pytest.raises(errors.CorruptFile):
        read_ct(write(blob, data[: int(keep * len(data)) if isinstance(keep, float) else keep]))


@pytest.mark.parametrize("missing", [1, 1000, 20000])
def test_truncated_nii(blob, missing):
    with pytest.raises(errors.CorruptFile):
        read_ct(write(blob, image().to_bytes()[:-missing]))


def test_bit_flips_in_gzip(blob):
    """Whatever the damage makes of the values, the checksum has the word."""
    data = gzip.compress(image().to_bytes())
    rng = np.random.default_rng(1)
    for at in rng.integers(10, len(data), 60):
        bad = bytearray(data)
        bad[at] ^= 1 << int(rng.integers(8))
        with pytest.raises(errors.CorruptFile):
            read_ct(write(blob, bytes(bad)))


def test_trailing_garbage(blob):
    with pytest.raises(errors.CorruptFile):
        read_ct(write(blob, gzip.compress(image().to_bytes()) + b"garbage"))


def test_goes_on_behind_the_voxels(blob):
    more = image().to_bytes() + bytes(3 << 20)
    with pytest.raises(errors.DecompressionBomb):
        read_ct(write(blob, gzip.compress(more)))
    with pytest.raises(errors.CorruptFile):
        read_ct(write(blob, more))


def test_ratio_limit_is_for_cts_only(blob):
    labels = np.zeros((64, 64, 64), np.uint8)
    labels[20:40, 20:40, 20:40] = 20
    write(blob, gzip.compress(image(labels).to_bytes()))
    limits = Limits(ratio_free_bytes=1000, max_ratio=50)
    with pytest.raises(errors.DecompressionBomb):
        read_ct(blob, limits)
    assert read_mask(blob, limits).voxels.max() == 20


BOMB = """
import gzip, sys, numpy as np
from pathlib import Path
from app.contract.errors import VertebraError
from workers.imaging.volume import read_ct, read_mask
def peak_kb():  # unlike ru_maxrss it starts anew with the program, whatever started it
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
before = peak_kb()
for read in (read_ct, read_mask):
    try:
        read(Path(sys.argv[1]))
    except VertebraError as error:
        print(error.slug, end=" ")
print((peak_kb() - before) // 1024)
"""


@pytest.mark.parametrize(
    ("declared", "slug"), [((1024, 1024, 1000), "decompression_bomb"), (SHAPE, "decompression_bomb")]
)
def test_bomb_does_not_fill_memory(blob, declared, slug):
    with gzip.open(blob, "wb", compresslevel=1) as out:
        out.write(header_bytes(dim=[3, *declared, 1, 1, 1, 1])[:352])
        for _ in range(400):
            out.write(bytes(1 << 20))
    done = subprocess.run([sys.executable, "-c", BOMB, str(blob)], capture_output=True, text=True, check=True)
    *slugs, megabytes = done.stdout.split()
    assert slugs == [slug, slug]
    assert int(megabytes) < 40


def test_patient_strings_are_not_echoed(blob):
    for fields in (dict(dim=[4, 20, 24, 14, 2, 1, 1, 1]), dict(magic=b"DOE"), dict(sform_code=0, qform_code=0)):
        data = header_bytes(
            descrip=b"DOE^JANE", db_name=b"DOE^JANE", aux_file=b"DOE^JANE", intent_name=b"DOE^JANE", **fields
        )
        with pytest.raises(errors.InputError) as caught:
            read_ct(write(blob, data))
        assert "DOE" not in str(caught.value.problem())


@settings(max_examples=150, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    flips=st.lists(st.tuples(st.integers(0, 351), st.integers(0, 255)), min_size=1, max_size=4), packed=st.booleans()
)
def test_damaged_headers_raise_nothing_else(blob, flips, packed):
    raw = bytearray(image().to_bytes())
    for at, value in flips:
        raw[at] = value
    write(blob, gzip.compress(bytes(raw), 1) if packed else bytes(raw))
    for read in (read_ct, read_mask):
        with suppress(errors.VertebraError):
            read(blob)

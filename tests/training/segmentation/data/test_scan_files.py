"""Files of scans."""

from __future__ import annotations

import numpy as np

from training.segmentation.data.scan_files import CropScan, read_crop


def test_a_crop_is_read_as_it_was_written(tmp_path):
    random = np.random.default_rng(0)
    image, inside = (random.integers(0, 255, (8, 9, 7)).astype(kind) for kind in (np.int16, np.uint8))
    centre = np.array([4.0, 5.0, 3.0], np.float32)
    made = CropScan(image, inside, centre, "L1", centre[None], ("L1",), ("a",))
    made.save(tmp_path / "crop.npz")
    back = read_crop(tmp_path / "crop.npz")
    for name in ("image", "inside", "centre", "centres"):
        np.testing.assert_array_equal(getattr(back, name), getattr(made, name))
    assert (back.level, back.levels, back.people) == ("L1", ("L1",), ("a",))

"""The distances of neighbouring bodies are those of people."""

from __future__ import annotations

import numpy as np

from training.segmentation.data.annotations import read_annotations
from workers.locate.levels import LEVELS, PITCH_MM


def test_marked_people_differ_from_the_table_in_size_alone():
    """Each person's distances, over the table's, have one factor, which is that of the person's size."""
    sizes = []
    for annotation in read_annotations():
        if annotation.known_by == "uncertain" or len(annotation.bodies) < 5:
            continue
        distances = np.linalg.norm(np.diff(annotation.centres, axis=0), axis=1)
        table = PITCH_MM[[LEVELS.index(level) for level in annotation.levels[:-1]]]
        ratio = np.log(distances / table)
        assert ratio.std() < 0.08
        sizes.append(float(ratio.mean()))
    assert len(sizes) == 6
    assert abs(np.mean(sizes)) < 0.03
    assert np.abs(sizes).max() < 0.15

"""Real spines: which vertebrae they have, and that fitted nodes are read instead of fitted again."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("joblib", reason="joblib is not installed (make training)")

from models.bundle import Bundle
from synthetic_ct.bone_labels import THORACOLUMBAR_LEVELS
from training.segmentation.data import source_spines
from training.segmentation.data.source_spines import SPINE_SOURCES, read_spines
from training.shapes.sources import Source


def test_every_person_has_neighbouring_vertebrae():
    ranks: dict[str, list[int]] = {}
    for source in SPINE_SOURCES:
        assert not source.scan
        ranks.setdefault(source.person, []).append(THORACOLUMBAR_LEVELS.index(source.level))
    for person, own in ranks.items():
        assert len(own) >= 4, person
        assert sorted(own) == list(range(min(own), max(own) + 1)), person


def test_fitted_nodes_are_read(tmp_path, monkeypatch, morpher):
    template = Bundle().template
    nodes = template.nodes[: template.n_surface].astype(np.float32)
    sources = (Source("b", "L1", "none"), Source("a", "L2", "none"), Source("a", "L1", "none"))
    (tmp_path / "posed").mkdir()
    for i, source in enumerate(sources):
        np.savez(tmp_path / "posed" / f"{source.name}.npz", points=nodes + np.float32(i))
    monkeypatch.setattr(source_spines, "MeshMorpher", lambda *_: morpher)
    monkeypatch.setattr(source_spines, "register", lambda *_: [])
    monkeypatch.setattr(source_spines, "mode_spread", lambda _: np.zeros(1))
    spines = read_spines(tmp_path / "nowhere", tmp_path, sources)
    assert [(spine.person, [v.level for v in spine.vertebrae]) for spine in spines] == [
        ("a", ["L1", "L2"]),
        ("b", ["L1"]),
    ]
    l1, l2 = spines[0].vertebrae
    np.testing.assert_array_equal(l1.points, (nodes + np.float32(2))[l1.surface.index])
    np.testing.assert_array_equal(l2.points, (nodes + np.float32(1))[l2.surface.index])

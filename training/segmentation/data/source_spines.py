"""The real spines that synthetic people are made from: the template fitted to neighbouring vertebrae of one person."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tqdm import tqdm

from models.bundle import Bundle
from models.types import Floats
from synthetic_ct.bone_labels import THORACOLUMBAR_LEVELS
from synthetic_ct.drawing_surface import DrawingSurface
from synthetic_ct.vertebra import Spine, Vertebra
from training.artifacts.files import save_npz
from training.shapes.registration import mode_spread, register
from training.shapes.sources import SOURCES, Source, read_surface
from workers.mask.conventions import TOTALSEGMENTATOR, VERSE_LABELS
from workers.mesh.subject_mesh import MeshMorpher

TOTALSEGMENTATOR_LABELS = {level: label for label, level in TOTALSEGMENTATOR.items()}
LABEL_MAP_TOPS = {"s0327": "T9", "s0328": "T11"}
"""Uppermost vertebra that is taken from each whole label map, which goes down to L5."""


def _label_map_sources() -> Iterator[Source]:
    for person, top in LABEL_MAP_TOPS.items():
        for level in THORACOLUMBAR_LEVELS[THORACOLUMBAR_LEVELS.index(top) :]:
            path = f"labels/totalsegmentator_{person}/labels.nii.gz"
            yield Source(person, level, path, (TOTALSEGMENTATOR_LABELS[level],))


SPINE_SOURCES = (
    *(s for s in SOURCES if not s.scan and s.person != "tptbox"),
    Source("verse004", "T9", "shapes/verse004/vertebrae.nii.gz", (VERSE_LABELS["T9"],)),
    Source("verse004", "T10", "shapes/verse004/vertebrae.nii.gz", (VERSE_LABELS["T10"],)),
    Source(
        "totalsegmentator",
        "T12",
        "ct/totalsegmentator_example/vertebrae.nii.gz",
        (TOTALSEGMENTATOR_LABELS["T12"],),
    ),
    *_label_map_sources(),
)
"""The source vertebrae whose position among their neighbours is known.

Second scans and the single L3 of tptbox are left out. Three thoracic vertebrae that `SOURCES` lacks are added, and
those of the whole label maps. Each spine lies where its person was scanned."""


def read_spines(data: Path, work: Path, sources: tuple[Source, ...] = SPINE_SOURCES) -> list[Spine]:
    """Return the real spines, one a person, sorted by person's name; fit the template to those not fitted yet.

    Parameters
    ----------
    data
        Folder of the source shapes.
    work
        Folder of intermediate results: ``posed`` keeps the fitted nodes, ``registered`` the registered shapes.
    sources
        The vertebrae to read.
    """
    folder = work / "posed"
    folder.mkdir(parents=True, exist_ok=True)
    bundle = Bundle()
    morpher = MeshMorpher(bundle.template, bundle.shape_model)
    surface = DrawingSurface.of(morpher, mode_spread(register(SOURCES, data, work)))
    by_person: dict[str, list[Vertebra]] = {}
    for source in tqdm(sources, desc="fitting", disable=None):
        nodes = _fitted_nodes(source, data, folder / f"{source.name}.npz", morpher)
        vertebra = Vertebra(source.level, source.person, nodes[surface.index], surface)
        by_person.setdefault(source.person, []).append(vertebra)
    return [
        Spine(person, tuple(sorted(vertebrae, key=lambda v: THORACOLUMBAR_LEVELS.index(v.level))))
        for person, vertebrae in sorted(by_person.items())
    ]


def _fitted_nodes(source: Source, data: Path, path: Path, morpher: MeshMorpher) -> Floats:
    """Return the template's surface nodes (n, 3), mm, fitted to a source; `path` keeps them for the next time."""
    if not path.exists():
        points = morpher.morph(*read_surface(source, data)).points[: morpher.template.n_surface]
        save_npz(path, points=points.astype(np.float32))
    with np.load(path) as stored:
        return np.asarray(stored["points"], np.float64)

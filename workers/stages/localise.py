"""Find a vertebra in a whole CT: ribs, sacrum and the count of vertebrae tell which is which.

Coarse to fine, as Payer et al., VISAPP 2020, best of VerSe'19. A coarse 3-D network names the bone of every voxel and
marks the centres of the vertebral bodies. The marks, from top to bottom, are consecutive levels; where the row starts
is decided by what all of them look like together, and by two counts: from the lowest rib down, and from the sacrum up.
Where these disagree (transitional anatomy, a short twelfth rib, a small field of view) the confidence falls, and below
`LEAST_CONFIDENCE` there is no answer but alternatives.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, special

from app.jobs.errors import VertebraNotFound, VertebraTruncated
from workers.stages.segment_grid import AIR_HU, COARSE_MM, coarse
from workers.stages.slices import normalise
from workers.stages.volume import Volume

Singles = NDArray[np.float32]
Floats = NDArray[np.float64]

CLASSES = ("background", "T1-T9", "T10", "T11", "T12", "L1", "L2", "L3", "L4", "L5", "sacrum", "rib")
"""What the coarse network tells apart."""
LEVELS = tuple(f"T{i}" for i in range(1, 13)) + tuple(f"L{i}" for i in range(1, 6)) + ("S1",)
SACRUM, RIB = CLASSES.index("sacrum"), CLASSES.index("rib")
CLASS_OF_LEVEL = np.array([CLASSES.index(v) if v in CLASSES else 1 for v in LEVELS[:-1]] + [SACRUM])
TILE, OVERLAP, DIVISOR = 112, 32, 16
"""Voxels along z that are looked at in one go, shared by neighbouring tiles; every side is a multiple of `DIVISOR`."""
LEAST_MARK = 0.25
LEAST_BONE = 0.4
NEAR_MM = 14.0
"""Two marks nearer than this are one body's."""
GAP = 1.65
"""A step this much longer than its neighbours hides a vertebra that was not marked: the count ends there."""
TEMPER = 0.6
"""Neighbours err together, so each one's evidence counts for less than if it were independent."""
RIB_COUNT = {0: 0.84, 1: 0.07}
SACRUM_COUNT = {0: 0.88, 1: 0.05}
"""How often the count from the ribs or the sacrum is right, and how often off by one in either direction (twelfth ribs
are missing or too short to see in some per cent, lumbosacral transitional vertebrae are found in 4 to 30 %; Konin and
Walz, AJNR 31(10), 2010)."""
LEAST_CONFIDENCE = 0.75


@dataclass(frozen=True)
class Maps:
    """What the network sees, on the coarse grid.

    Attributes
    ----------
    classes
        (len(CLASSES), i, j, k) float32 probabilities.
    mark
        (i, j, k) float32: how much a voxel is the centre of a vertebral body, 0 to 1.
    affine
        (4, 4) voxel to RAS mm.
    """

    classes: Singles
    mark: Singles
    affine: Floats

    def world(self, voxels: Floats) -> Floats:
        """Return the positions (n, 3) mm of voxel coordinates (n, 3)."""
        return np.asarray(voxels @ self.affine[:3, :3].T + self.affine[:3, 3])


@dataclass(frozen=True)
class Body:
    """A vertebral body: its centre (3,) mm RAS and the probability (n levels,) of what each level would look like."""

    centre: Floats
    evidence: Floats
    ribs: bool


@dataclass(frozen=True)
class Candidate:
    """A vertebra that may be the one asked for."""

    centre: Floats
    probability: float


@dataclass(frozen=True)
class Localisation:
    """Where the vertebra is, and how sure that is.

    Attributes
    ----------
    vertebra
        Level asked for.
    centre
        (3,) mm RAS, of its body.
    confidence
        Probability that this is the level asked for, 0 to 1.
    alternatives
        Other vertebrae that may be it, likeliest first.
    seen
        Levels in the scan from top to bottom, numbered in the likeliest way.
    centres
        (n, 3) mm RAS of their bodies.
    by_ribs, by_sacrum
        Level that the vertebra would be by counting from the lowest rib, or from the sacrum; None where it is not seen.
    """

    vertebra: str
    centre: Floats
    confidence: float
    alternatives: tuple[Candidate, ...]
    seen: tuple[str, ...]
    centres: Floats
    by_ribs: str | None
    by_sacrum: str | None


class Localiser:
    """Runs the coarse network.

    Parameters
    ----------
    session
        ONNX Runtime session: ``volume`` (1, 1, i, j, k) to ``classes`` and ``mark``, probabilities.
    """

    def __init__(self, session: Any) -> None:
        self.session = session

    def maps(self, ct: Volume) -> Maps:
        """Return what the network sees in the whole CT; memory is bounded by one tile, time grows with the slices."""
        image = coarse(ct)
        body = np.argwhere(image.voxels > -500.0)
        low, high = (body.min(axis=0), body.max(axis=0) + 1) if len(body) else (np.zeros(3, int), np.ones(3, int))
        hu = image.voxels[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
        affine = image.affine.copy()
        affine[:3, 3] += affine[:3, :3] @ low
        classes = np.empty((len(CLASSES), *hu.shape), np.float32)
        mark = np.empty(hu.shape, np.float32)
        n = hu.shape[2]
        starts = list(range(0, max(n - OVERLAP, 1), TILE - OVERLAP))
        for i, start in enumerate(starts):
            stop = min(start + TILE, n)
            found = self._run(hu[:, :, start:stop])
            first = start if i == 0 else start + OVERLAP // 2
            last = stop if i == len(starts) - 1 else stop - OVERLAP // 2
            classes[..., first:last] = found[0][..., first - start : last - start]
            mark[..., first:last] = found[1][..., first - start : last - start]
        return Maps(classes, mark, affine)

    def _run(self, hu: Singles) -> tuple[Singles, Singles]:
        shape = tuple(-(-n // DIVISOR) * DIVISOR for n in hu.shape)
        volume = np.full(shape, AIR_HU, np.float32)
        i, j, k = (slice(0, n) for n in hu.shape)
        volume[i, j, k] = hu
        classes, mark = self.session.run(["classes", "mark"], {"volume": normalise(volume)[None, None]})
        return classes[0, :, i, j, k], mark[0, 0, i, j, k]

    def find(self, ct: Volume, vertebra: str) -> Localisation:
        """Return where `vertebra` is.

        Raises
        ------
        VertebraNotFound
            It is not in the scan, or which one it is cannot be told; the error says what was seen.
        VertebraTruncated
            The scan ends where it must be.
        """
        maps = self.maps(ct)
        return number(find_bodies(maps), maps, ct, vertebra)


def find_bodies(maps: Maps) -> list[Body]:
    """Return the vertebral bodies from top to bottom."""
    peak = (maps.mark == ndimage.maximum_filter(maps.mark, 5)) & (maps.mark > LEAST_MARK)
    bodies, strength = [], []
    for at in np.argwhere(peak):
        window = tuple(slice(max(a - 2, 0), a + 3) for a in at)
        weight = maps.mark[window].astype(np.float64)
        grid = np.stack(
            np.meshgrid(
                *[np.arange(s.start, s.start + n) for s, n in zip(window, weight.shape, strict=True)], indexing="ij"
            )
        )
        centre = (grid * weight).sum(axis=(1, 2, 3)) / weight.sum()
        seen = (maps.classes[(slice(None), *window)] * weight).sum(axis=(1, 2, 3)) / weight.sum()
        if seen[1 : SACRUM + 1].sum() < LEAST_BONE:
            continue
        evidence = seen[CLASS_OF_LEVEL] / max(float(seen[1 : SACRUM + 1].sum()), 1e-6)
        bodies.append(Body(maps.world(centre[None])[0], evidence, _has_ribs(maps, centre)))
        strength.append(float(maps.mark[tuple(at)]))
    kept: list[Body] = []
    for i in np.argsort(strength)[::-1]:
        if all(np.linalg.norm(bodies[i].centre - other.centre) > NEAR_MM for other in kept):
            kept.append(bodies[i])
    return sorted(kept, key=lambda body: -body.centre[2])


def _has_ribs(maps: Maps, centre: Floats) -> bool:
    """Whether a rib starts at the body about `centre` (voxels): at its side or behind, at its own height."""
    side, back, height = 48.0 / COARSE_MM, 40.0 / COARSE_MM, 10.0 / COARSE_MM
    low = np.maximum(np.floor(centre - [side, back, height]).astype(int), 0)
    high = np.ceil(centre + np.array([side, 4.0 / COARSE_MM, height])).astype(int) + 1
    part = maps.classes[RIB][tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    return int((part > 0.5).sum()) >= 4


def _row(bodies: list[Body]) -> list[list[Body]]:
    """Split the bodies where one between two seems to be missing."""
    rows: list[list[Body]] = [[]]
    steps = [float(np.linalg.norm(a.centre - b.centre)) for a, b in pairwise(bodies)]
    for i, body in enumerate(bodies):
        if i:
            around = [s for s in (*steps[max(i - 3, 0) : i - 1], *steps[i : i + 2])]
            if around and steps[i - 1] > GAP * float(np.median(around)):
                rows.append([])
        rows[-1].append(body)
    return rows


def number(bodies: list[Body], maps: Maps, ct: Volume, vertebra: str) -> Localisation:
    """Number the bodies (`find_bodies`) and return the one asked for; raises as `Localiser.find`."""
    if not bodies:
        raise VertebraNotFound(
            "No vertebra was recognised. Send a CT of the lumbar spine, or a mask.",
            expected=vertebra,
            got="a scan without a recognised vertebra",
        )
    wanted = LEVELS.index(vertebra)
    best: Localisation | None = None
    seen_all: list[str] = []
    near_edge: Floats | None = None
    for row in _row(bodies):
        posterior, by_ribs, by_sacrum = _starts(row, maps, last=row[-1] is bodies[-1])
        start = int(posterior.argmax())
        names = [LEVELS[start + i] for i in range(len(row))]
        seen_all += names
        chance = np.array([posterior[wanted - i] if 0 <= wanted - i < len(posterior) else 0.0 for i in range(len(row))])
        order = np.argsort(chance)[::-1]
        top = int(order[0])
        beyond = wanted - start
        if beyond in (-1, len(row)) and len(row) > 1:
            step = row[0].centre - row[1].centre if beyond < 0 else row[-1].centre - row[-2].centre
            near_edge = (row[0] if beyond < 0 else row[-1]).centre + step
        if best is None or chance[top] > best.confidence:
            best = Localisation(
                vertebra,
                row[top].centre,
                float(chance[top]),
                tuple(Candidate(row[i].centre, float(chance[i])) for i in order[1:] if chance[i] > 0.02),
                tuple(names),
                np.array([body.centre for body in row]),
                _named(by_ribs, top),
                _named(by_sacrum, top),
            )
    assert best is not None
    if best.confidence >= LEAST_CONFIDENCE:
        return best
    got = ", ".join(seen_all)
    if vertebra not in seen_all and best.confidence < 1.0 - LEAST_CONFIDENCE:
        if near_edge is not None and _at_edge(ct, near_edge):
            raise VertebraTruncated(
                f"The scan ends at {vertebra}. Send a scan that holds the whole vertebra.",
                expected=f"{vertebra} whole",
                got=f"a scan of {got}",
            )
        raise VertebraNotFound(
            f"{vertebra} was not found in the scan. Send one that holds it, or say with seed_ras_mm where it is.",
            expected=vertebra,
            got=f"a scan of {got}",
        )
    options = [Candidate(best.centre, best.confidence), *best.alternatives]
    told = "; ".join(f"{c.probability:.0%} at ({', '.join(f'{v:.0f}' for v in c.centre)})" for c in options[:3])
    raise VertebraNotFound(
        f"Which vertebra is {vertebra} cannot be told with confidence (ribs and sacrum out of view, or transitional "
        "anatomy). Say with seed_ras_mm which one, or send a mask.",
        expected=f"{vertebra} with a confidence of at least {LEAST_CONFIDENCE:.0%}",
        got=f"{told} mm RAS",
    )


def _named(start: int | None, place: int) -> str | None:
    return LEVELS[start + place] if start is not None and 0 <= start + place < len(LEVELS) else None


def _starts(row: list[Body], maps: Maps, last: bool) -> tuple[Floats, int | None, int | None]:
    """Return the probability of each level of the first body of a row, and that level by the two counts."""
    n = len(LEVELS)
    score = np.full(n, -np.inf)
    for start in range(n - len(row) + 1):
        score[start] = TEMPER * sum(float(np.log(b.evidence[start + i] + 0.01)) for i, b in enumerate(row))
    by_ribs = by_sacrum = None
    ribbed = [i for i, body in enumerate(row) if body.ribs]
    if ribbed and ribbed[-1] < len(row) - 1:
        by_ribs = LEVELS.index("T12") - ribbed[-1]
        score += [_count(start - by_ribs, RIB_COUNT) for start in range(n)]
    if last and _over_sacrum(row[-1], maps):
        by_sacrum = LEVELS.index("L5") - (len(row) - 1)
        score += [_count(start - by_sacrum, SACRUM_COUNT) for start in range(n)]
    return special.softmax(score), by_ribs, by_sacrum


def _count(off: int, table: dict[int, float]) -> float:
    return float(np.log(table.get(abs(off), 0.005)))


def _over_sacrum(body: Body, maps: Maps) -> bool:
    """Whether the sacrum begins under a body: many of its voxels, the highest of them near."""
    voxels = np.argwhere(maps.classes[SACRUM] > 0.5)
    if len(voxels) < 60:
        return False
    top = np.quantile(maps.world(voxels.astype(np.float64))[:, 2], 0.97)
    return bool(-70.0 < top - body.centre[2] < 10.0)


def _at_edge(ct: Volume, point: Floats, margin_mm: float = 30.0) -> bool:
    """Whether a point lies within `margin_mm` of the faces of the scan, inside or out."""
    index = np.linalg.inv(ct.affine) @ np.append(point, 1.0)
    away = np.minimum(index[:3], np.array(ct.voxels.shape) - 1 - index[:3]) * ct.spacing
    return bool(-margin_mm < away.min() < margin_mm)

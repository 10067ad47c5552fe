"""Points in a vertebra that a client may click on: in the body, and in the arch where a reference mask shows it."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from models.types import Floats
from training.segmentation.data.annotations import Annotation, Body
from workers.imaging.frame import frame_of
from workers.imaging.volume import Volume

OFF_CENTRE_MM = 12.0
"""A click so far beside the middle of the body is still inside: bodies are 30 mm deep and 40 mm wide or more."""
IN_BODY = {"centre": (0, 0), "right": (1, 0), "left": (-1, 0), "front": (0, 1), "back": (0, -1)}
"""Places in the body: to the right and forward of the centre, in units of `OFF_CENTRE_MM`."""
IN_ARCH = {
    "right pedicle": ((8.0, 22.0), (-28.0, -17.0)),
    "left pedicle": ((-22.0, -8.0), (-28.0, -17.0)),
    "lamina": ((-10.0, 10.0), (-48.0, -34.0)),
}
"""Boxes about the body centre, mm to the right and forward, whose deepest bone is the place."""
TIP_MM = 10.0
"""The tip of a process is the deepest bone of so much of its end."""


def vertebra_frame(annotation: Annotation, body: Body) -> Floats:
    """Return a vertebra's frame (3, 3) by the row of annotated bodies; the world's axes where it has no neighbour."""
    own = annotation.levels.index(body.level)
    beside = annotation.centres[max(own - 1, 0) : own + 2]
    return frame_of(beside[0] - beside[-1]) if len(beside) > 1 else np.eye(3)


def seeds_in_body(body: Body, frame: Floats) -> dict[str, Floats]:
    """Return points (3,) mm RAS in a body by the name of the place; `frame` (3, 3) is the vertebra's."""
    return {
        name: body.centre + OFF_CENTRE_MM * (right * frame[:, 0] + forward * frame[:, 1])
        for name, (right, forward) in IN_BODY.items()
    }


def seeds_in_arch(reference: Volume, centre: Floats, frame: Floats) -> dict[str, Floats]:
    """Return points (3,) mm RAS in pedicles, lamina and processes by the name of the place.

    Parameters
    ----------
    reference
        Mask of the vertebra, 0 or 1.
    centre
        (3,) mm RAS, of its body.
    frame
        (3, 3), the vertebra's.
    """
    inside = reference.voxels > 0
    depth = ndimage.distance_transform_edt(inside, sampling=reference.spacing)[inside]
    world = np.argwhere(inside) @ reference.affine[:3, :3].T + reference.affine[:3, 3]
    right, forward, _ = ((world - centre) @ frame).T
    behind = forward < IN_ARCH["right pedicle"][1][1]
    places = {
        name: (right > sides[0]) & (right < sides[1]) & (forward > ends[0]) & (forward < ends[1])
        for name, (sides, ends) in IN_ARCH.items()
    }
    places["spinous process"] = forward < forward.min() + TIP_MM
    places["right transverse process"] = behind & (right > right[behind].max() - TIP_MM)
    places["left transverse process"] = behind & (right < right[behind].min() + TIP_MM)
    return {name: world[place][depth[place].argmax()] for name, place in places.items() if place.any()}

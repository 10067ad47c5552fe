from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import pyvista as pv
from PIL import Image

from tests.workers.results.box import SIZE
from workers.results.captions import Caption
from workers.results.colour_bar import round_ticks, scale_ticks
from workers.results.colour_scale import ColourScale
from workers.results.headline_numbers import headline_numbers
from workers.results.notice_band import wrapped
from workers.results.panels import PANEL_TOP, PANELS, common_scale, project
from workers.results.pen import Pen, TextStyle
from workers.results.preview import draw_views, write_preview
from workers.results.rasteriser import rasterise
from workers.results.sagittal_cut import SagittalCut
from workers.results.stressed_mesh import NodalArray
from workers.results.views import View, direction_letters

CAPTION = Caption("L1", 500.0, "fe")


def drawn(mesh, path):
    write_preview(path, draw_views(mesh), CAPTION)
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def bone(panel):
    """Pixels with a strong colour: neither paper nor ink."""
    return panel.max(axis=2) - panel.min(axis=2) > 90


def test_png_has_its_size_and_is_not_blank(box, tmp_path):
    pixels = drawn(box, tmp_path / "preview.png")
    assert pixels.shape == (760, 1680, 3)
    for k in range(3):
        panel = pixels[160:620, 560 * k : 560 * (k + 1)]
        assert 0.1 < bone(panel).mean() < 0.9
        assert len(np.unique(panel.reshape(-1, 3), axis=0)) > 500
    white = (pixels == 255).all(axis=2).mean()
    assert 0.3 < white < 0.9


def test_the_headline_is_steady(box):
    value, steady, overall = headline_numbers(box)
    x, y, z = box.template.nodes.T
    field = 1 + 0.1 * z + 0.01 * x + 0.001 * y
    away = (z > 3.0) & (z < 9.0)
    assert value.startswith("99th percentile 2.3")
    assert steady == f"peak off the endplates {field[away].max():.3g} MPa, body"
    assert overall == f"peak overall {field.max():.3g} MPa, depends on the mesh"


def test_the_ring_marks_the_steady_peak(box):
    projection = project(box, PANELS[0], common_scale(box.surface.vertices))
    height = box.points[box.steady_peak_node, 2] - box.points[:, 2].min()
    assert 3.0 < height < 9.0
    assert box.steady_peak_node < box.template.n_surface
    np.testing.assert_allclose(projection.peak, projection.nodes[box.steady_peak_node])


def test_same_field_same_bytes(box, tmp_path):
    drawn(box, tmp_path / "a.png")
    drawn(box, tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_superior_is_up(upright, tmp_path):
    panel = drawn(upright, tmp_path / "a.png")[160:620, 40:520]
    rows, cols = np.nonzero(bone(panel))
    middle = (cols > np.percentile(cols, 20)) & (cols < np.percentile(cols, 80))
    warmth = panel[rows, cols, 0] - panel[rows, cols, 2]  # red minus blue
    top, bottom = rows < np.percentile(rows, 15), rows > np.percentile(rows, 85)
    assert warmth[top & middle].mean() > 60
    assert warmth[bottom & middle].mean() < -60


def test_patient_left_is_at_the_right_of_the_anterior_view(sideways, tmp_path):
    panel = drawn(sideways, tmp_path / "a.png")[160:620, 40:520]
    rows, cols = np.nonzero(bone(panel))
    warmth = panel[rows, cols, 0] - panel[rows, cols, 2]
    assert warmth[cols > np.percentile(cols, 85)].mean() > 60
    assert warmth[cols < np.percentile(cols, 15)].mean() < -60


def test_prediction_solution_and_difference_stand_below(upright, tmp_path):
    solved = 1.1 * upright.field.von_mises
    both = replace(upright, extra={"von_mises_fe": NodalArray(solved, "MPa")})
    alone, pixels = drawn(upright, tmp_path / "a.png"), drawn(both, tmp_path / "b.png")
    np.testing.assert_array_equal(pixels[:760], alone)
    assert pixels.shape == (760 + 760 - PANEL_TOP, 1680, 3)
    row = pixels[760 + 64 : 760 + 524]
    prediction, solution, difference = (row[:, 560 * k + 40 : 560 * (k + 1) - 40] for k in range(3))
    assert (prediction != solution).any()  # the solution is a tenth larger, on the same scale
    shown = difference[bone(difference)]
    assert (shown[:, 0] > shown[:, 2] + 60).mean() > 0.9  # the prediction is too low, so orange


def test_cuts_through_the_bone_stand_below(own_bone, box, tmp_path):
    alone, pixels = drawn(box, tmp_path / "a.png"), drawn(own_bone, tmp_path / "b.png")
    np.testing.assert_array_equal(pixels[:760], alone)
    assert pixels.shape == (760 + 760 - PANEL_TOP, 1680, 3)
    density, stress, ratio = (pixels[820:1220, 560 * k + 40 : 560 * (k + 1) - 40] for k in range(3))
    rows, cols = np.nonzero((ratio != 255).any(axis=2) & bone(ratio))
    yellow = ratio[rows, cols, 0] - ratio[rows, cols, 2]
    assert yellow[rows < np.percentile(rows, 15)].mean() > yellow[rows > np.percentile(rows, 85)].mean() + 60
    assert (density != ratio).any()
    assert (stress != ratio).any()


def test_the_cut_runs_through_the_middle_of_the_body(own_bone):
    cut = SagittalCut.of(own_bone.template)
    corners = cut.at_corners(own_bone.template.nodes)
    np.testing.assert_allclose(corners[:, 0], SIZE[0] / 2, atol=1e-9)
    a, b, c = (corners[k::3] for k in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2
    assert area == pytest.approx(SIZE[1] * SIZE[2], rel=1e-9)
    expected = 40.0 + 10.0 * corners[:, 2] + 2.0 * corners[:, 1]
    np.testing.assert_allclose(cut.at_corners(own_bone.extra["density"].values), expected, rtol=1e-9)


@pytest.mark.parametrize("end", [0.3, 0.99, 12.0])
def test_ticks_about_zero_are_the_same_on_both_sides(end):
    ticks = scale_ticks(ColourScale(-end, end, "blue to red"))
    assert ticks == [-tick for tick in reversed(ticks)]
    assert 0 in ticks
    assert 5 <= len(ticks) <= 9
    assert ticks[-1] <= end * (1 + 1e-9)


def test_long_texts_are_wrapped():
    pen, style = Pen(Image.new("RGB", (1, 1))), TextStyle(18)
    text = "The voxels of the mask measure up to 3.0 mm: finer detail is interpolated."
    lines = wrapped(pen, text, style, 300)
    assert " ".join(lines) == text
    assert len(lines) == 3
    assert all(pen.width_of(line, style) <= 300 for line in lines)
    assert wrapped(pen, text, style, 1) == text.split()


def test_letters_follow_the_views():
    views = {panel.name: panel.view for panel in PANELS}
    names = {name: tuple(map(direction_letters, (-v.right, v.right, v.up))) for name, v in views.items()}
    assert names["Anterior"] == ("R", "L", "S")
    assert names["Left lateral"] == ("A", "P", "S")
    assert names["Superior-posterior"] == ("L", "R", "SA")


@pytest.mark.parametrize("limit", [3e-4, 0.7, 0.99, 1.36, 12.0, 950.0])
def test_ticks_are_round_and_reach_far(limit):
    ticks = round_ticks(limit)
    assert ticks[0] == 0
    assert 3 <= len(ticks) <= 7
    assert 0.55 * limit <= ticks[-1] <= limit * (1 + 1e-9)


def sphere(radius, at):
    mesh = pv.Sphere(radius=radius, center=at, theta_resolution=90, phi_resolution=90)
    return np.asarray(mesh.points, np.float64), mesh.regular_faces.astype(np.int32)


def test_rasterised_sphere_has_its_area_and_depth():
    points, triangles = sphere(80.0, (100.0, 100.0, 0.0))
    screen = points * (1, -1, 1) + (0, 200, 0)
    hits = rasterise(screen, triangles, 200, 200)
    assert len(hits.rows) == pytest.approx(np.pi * 80**2, rel=0.01)
    assert hits.weights.min() > -1e-4
    np.testing.assert_allclose(hits.weights.sum(axis=1), 1, atol=1e-5)
    r2 = (hits.cols - 100) ** 2 + (hits.rows - 100) ** 2
    inner = r2 < 70**2
    depth = hits.interpolate(triangles, screen[:, 2])
    np.testing.assert_allclose(depth[inner], np.sqrt(80**2 - r2[inner]), atol=0.2)


def test_the_nearer_surface_hides_the_farther():
    far, triangles = sphere(40.0, (60.0, 60.0, 0.0))
    near, _ = sphere(15.0, (60.0, 60.0, 70.0))
    both = np.vstack([far, near]) * (1, -1, 1) + (0, 120, 0)
    hits = rasterise(both, np.vstack([triangles, triangles + len(far)]).astype(np.int32), 120, 120)
    inside = (hits.cols - 60) ** 2 + (hits.rows - 60) ** 2 < 13**2
    assert (hits.faces[inside] >= len(triangles)).all()
    assert (hits.faces[(hits.cols - 60) ** 2 + (hits.rows - 60) ** 2 > 17**2] < len(triangles)).all()


def test_a_view_is_a_right_handed_frame():
    view = View.looking_from((-0.3, -0.76, 0.58))
    np.testing.assert_allclose(np.cross(view.right, view.up), view.toward, atol=1e-12)


def test_works_without_display_in_a_forked_child(tmp_path):
    script = f"""
        import os, sys
        sys.path.insert(0, {str(Path(__file__).parents[3])!r})
        from pathlib import Path
        from tests.workers.results.box import box_template, stress_of, stressed_box
        from workers.results.captions import Caption
        from workers.results.preview import draw_views, write_preview
        template = box_template()
        child = os.fork()
        if child == 0:
            mesh = stressed_box(stress_of(1 + template.nodes[:, 2]))
            write_preview(Path({str(tmp_path / "child.png")!r}), draw_views(mesh), Caption("L1", 500, "fe"))
            os._exit(0)
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """
    env = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY", "XDG_RUNTIME_DIR")}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(script)],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    with Image.open(tmp_path / "child.png") as image:
        assert image.size == (1680, 760)

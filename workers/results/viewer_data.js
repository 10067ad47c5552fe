"use strict";
// The data of the page, and the camera. Arrays are base64; coordinates are in mm, RAS+, relative to data.origin.
const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
const floats = (text) => new Float32Array(bytes(text).buffer);
const restPoints = floats(data.points);
const triangles = new Uint32Array(bytes(data.triangles).buffer);
const region = bytes(data.region);
const displacement = data.displacement ? floats(data.displacement) : null;
const maps = Object.fromEntries(Object.entries(data.maps).map(([name, text]) => [name, bytes(text)]));  // RGB tables
const fields = data.fields.map((f) => ({ name: f.name, quantities: f.quantities.map((q) => (
  { ...q, values: floats(q.values), voxels: bytes(q.voxels), auto: q.limits })) }));
const nodeOf = (array, node) => array.subarray(3 * node, 3 * node + 3);
const radius = Math.sqrt(restPoints.reduce((m, _, i) => i % 3 ? m :
  Math.max(m, restPoints[i] ** 2 + restPoints[i + 1] ** 2 + restPoints[i + 2] ** 2), 0));
const BEYOND = 1.01;                                          // a cut at the end of its slider is clear of the bone
const reach = [0, 1, 2].map((k) => BEYOND * restPoints.reduce((m, x, i) => i % 3 === k ? Math.max(m, Math.abs(x)) : m, 0));

const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
const minus = (a, b) => [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
const unit = (a) => { const n = Math.hypot(...a); return a.map((x) => x / n); };

// ---- what is shown ----
let fieldShown = 0, shown = fields[0].quantities[0], points = restPoints.slice(), normals = restPoints.slice();
let marked = null;                                            // the node that was read last
let cut = null;                                               // {normal, offset}: bone beyond the plane is not drawn

// ---- the camera: rows of `basis` are right, up, toward the viewer, in RAS+ ----
const FIT = 2.15;                                             // the bone's diameter in radii, and 7 % of room
const ZOOM_RANGE = [0.4, 20];
const viewFrom = (toward, up = [0, 0, 1]) => {
  const d = unit(toward), r = unit(cross(up, d));
  return [r, cross(d, r), d];
};
const VIEWS = { R: viewFrom([1, 0, 0]), L: viewFrom([-1, 0, 0]), A: viewFrom([0, 1, 0]), P: viewFrom([0, -1, 0]),
  S: viewFrom([0, 0, 1], [0, 1, 0]), I: viewFrom([0, 0, -1], [0, 1, 0]) };
let basis = viewFrom([-0.75, -0.5, 0.5]), zoom = 1, pan = [0, 0];
const width = () => $("scene").clientWidth, height = () => $("scene").clientHeight;
const scale = () => zoom * Math.min(width(), height()) / (FIT * radius);  // CSS pixels a mm
function project(x) {                                         // column, row and depth (mm, larger is nearer)
  const s = scale(), w = basis.map((row) => dot(row, x));
  return [width() / 2 + pan[0] + w[0] * s, height() / 2 - pan[1] - w[1] * s, w[2]];
}
function turn(a, b, angle) {                                  // two rows of the basis in their plane
  const [c, s] = [Math.cos(angle), Math.sin(angle)], [u, v] = [basis[a], basis[b]];
  basis[a] = u.map((x, k) => c * x - s * v[k]);
  basis[b] = u.map((x, k) => s * x + c * v[k]);
}
const zoomBy = (factor) => { zoom = Math.min(ZOOM_RANGE[1], Math.max(ZOOM_RANGE[0], zoom * factor)); };

// Reading values: which node or which place on a cut is under a point of the canvas.
const isCut = (i) => cut && dot(cut.normal, points.subarray(i, i + 3)) > cut.offset;
function pick(x, y) {                                         // the frontmost triangle: nearest node, depth, inside or outside
  const seen = new Float32Array(points.length);
  for (let i = 0; i < points.length; i += 3) seen.set(project(points.subarray(i, i + 3)), i);
  const area = (i, j, u, v) => (seen[j] - seen[i]) * (v - seen[i + 1]) - (seen[j + 1] - seen[i + 1]) * (u - seen[i]);
  const distance = (i) => Math.hypot(seen[i] - x, seen[i + 1] - y);
  let best = null;
  for (let t = 0; t < triangles.length; t += 3) {
    const [a, b, c] = [3 * triangles[t], 3 * triangles[t + 1], 3 * triangles[t + 2]];
    if (best && seen[a + 2] < best.depth) continue;
    const signs = [area(a, b, x, y), area(b, c, x, y), area(c, a, x, y)];
    const facing = signs.every((s) => s <= 0), away = signs.every((s) => s >= 0);
    if (!facing && !away || isCut(a) || isCut(b) || isCut(c)) continue;
    best = { node: [a, b, c].sort((i, j) => distance(i) - distance(j))[0] / 3, depth: seen[a + 2], isAway: away && !facing };
  }
  return best;
}
function onCut(x, y) {                                        // the place on the cut, in mm
  const s = scale(), [a, b] = [(x - width() / 2 - pan[0]) / s, (height() / 2 - pan[1] - y) / s];
  const base = basis[0].map((_, k) => a * basis[0][k] + b * basis[1][k]);
  const t = (cut.offset - dot(cut.normal, base)) / dot(cut.normal, basis[2]);
  return base.map((v, k) => v + t * basis[2][k]);
}
function valueAt(q, place) {                                  // of the nearest voxel
  const { first, shape, spacing } = data.grid;
  const [i, j, k] = place.map((x, axis) => Math.min(Math.max(Math.round((x - first[axis]) / spacing), 0), shape[axis] - 1));
  const [low, high] = q.voxelLimits;
  return low + q.voxels[(k * shape[1] + j) * shape[0] + i] / 255 * (high - low);
}
const digits = (x) => Math.abs(x) < 1000 ? x.toPrecision(3) : Math.round(x).toLocaleString("en");  // three
const inUnit = (value, q) => `${digits(value)} ${q.unit}`.trim();
const inWorld = (place) => [0, 1, 2].map((k) => (place[k] + data.origin[k]).toFixed(1)).join(", ");
function read(x, y) {
  const hit = pick(x, y);
  if (!hit) return;
  if (cut && hit.isAway) {                                    // the ray leaves the bone before it enters: it came through the cut
    const place = onCut(x, y);
    marked = null; goTo(place);
    tell("on the cut", (q) => valueAt(q, place), `RAS ${inWorld(place)} mm, values of the nearest 1.5 mm`);
  } else readNode(hit.node);
}
function readNode(node) {
  marked = node; goTo(nodeOf(restPoints, node));
  tell(data.regions[region[node]], (q) => q.values[node], `RAS ${inWorld(nodeOf(restPoints, node))} mm, node ${node}`);
}
function tell(where, value, place) {
  const name = fields.length > 1 ? [fields[fieldShown].name] : [];
  const lines = fields[fieldShown].quantities.map((q) => `${q.label}: ${inUnit(value(q), q)}`);
  $("probe").textContent = [where, ...name, ...lines, place].join("\n");
  redraw();
}

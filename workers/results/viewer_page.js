"use strict";

// ---- sizes and speeds (CSS pixels, unless another unit is said) ----
const FOOTER = 80;                                            // height that the bone leaves free
const FIT = 2.15;                                             // the bone's diameter in radii, and 7 % of room
const ZOOM_RANGE = [0.4, 20];
const ZOOM_PER_WHEEL = 0.001;                                 // a notch of 100 changes the size by a tenth
const TURN_PER_PIXEL = 0.008;                                 // rad: a drag over 400 pixels is half a turn
const CLICK_TRAVEL = 4;                                       // a pointer that travelled less has clicked
const RING_RADIUS = 10, RING_NAME_RISE = 20;                  // of the ring around a node, and up to its name
const RING_LINES = [["#fff", 5], ["#16202c", 2]];             // the white rim keeps the dark ring readable
const COMPASS = { fromRight: 90, fromBottom: 110, axis: 38, letter: 52 };
const COMPASS_FADE = 0.35;                                    // opacity of an axis that points away
const INK = "#16202c", MUTED = "#5d6b7a";                     // as in the style sheet
const LEAST_RANGE = 1e-9;                                     // of a scale whose values are all the same
const COLOURS = 256;                                          // of the table

// ---- data: arrays are base64, coordinates in mm, RAS+, relative to data.origin ----
const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer;
const restPoints = new Float32Array(bytes(data.points));
const triangles = new Uint32Array(bytes(data.triangles));
const table = new Uint8Array(bytes(data.table));              // RGB colours
const region = new Uint8Array(bytes(data.region));
const displacement = data.displacement ? new Float32Array(bytes(data.displacement)) : null;
const quantities = data.quantities.map((q) => ({ ...q, values: new Float32Array(bytes(q.values)) }));
const radius = Math.sqrt(restPoints.reduce((m, _, i) => i % 3 ? m :
  Math.max(m, restPoints[i] ** 2 + restPoints[i + 1] ** 2 + restPoints[i + 2] ** 2), 0));
const width = () => $("scene").clientWidth, height = () => $("scene").clientHeight;
const nodeOf = (array, node) => array.subarray(3 * node, 3 * node + 3);

// ---- vectors and the camera: rows of `basis` are right, up, toward the viewer, in RAS+ ----
const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
const minus = (a, b) => [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
const unit = (a) => { const n = Math.hypot(...a); return a.map((x) => x / n); };
const viewFrom = (toward, up = [0, 0, 1]) => {
  const d = unit(toward), r = unit(cross(up, d));
  return [r, cross(d, r), d];
};
const VIEWS = { R: viewFrom([1, 0, 0]), L: viewFrom([-1, 0, 0]), A: viewFrom([0, 1, 0]), P: viewFrom([0, -1, 0]),
  S: viewFrom([0, 0, 1], [0, 1, 0]), I: viewFrom([0, 0, -1], [0, 1, 0]) };
let basis = viewFrom([-0.75, -0.5, 0.5]), zoom = 1, pan = [0, 0], shown = quantities[0], limits = [0, 1];
let points = restPoints.slice(), normals = restPoints.slice(), marked = null;
const scale = () => zoom * Math.min(width(), height() - FOOTER) / (FIT * radius);  // pixels a mm
function project(x) {
  const s = scale(), w = basis.map((row) => dot(row, x));
  return [width() / 2 + pan[0] + w[0] * s, (height() - FOOTER) / 2 - pan[1] - w[1] * s, w[2]];
}
function turn(a, b, angle) {                                  // two rows of the basis in their plane
  const [c, s] = [Math.cos(angle), Math.sin(angle)], [u, v] = [basis[a], basis[b]];
  basis[a] = u.map((x, k) => c * x - s * v[k]);
  basis[b] = u.map((x, k) => s * x + c * v[k]);
}

// ---- WebGL: p, n, v are position, normal and value of a node; m the basis, f scale and pan, r the limits ----
const gl = $("scene").getContext("webgl", { antialias: true });
if (!gl) $("probe").textContent = "This browser offers no WebGL. Open surface.vtp in ParaView instead.";
const VERTEX = `attribute vec3 p, n; attribute float v; uniform mat3 m; uniform vec4 f; uniform vec2 r;
  varying vec3 q; varying float s;
  void main() { vec3 w = m * p; q = m * n; s = (v - r.x) / (r.y - r.x);
    gl_Position = vec4(w.xy * f.xy + f.zw, -w.z * ${(0.5 / radius).toExponential(4)}, 1.0); }`;
// The same lamp over the viewer's left shoulder as in preview.png: ambient, diffuse and facing light, and a faint gloss.
const FRAGMENT = `precision highp float; varying vec3 q; varying float s; uniform sampler2D t;
  void main() { vec3 n = normalize(q); float lamp = max(dot(n, vec3(-0.35, 0.55, 0.76)), 0.0);
    vec3 c = texture2D(t, vec2((clamp(s, 0.0, 1.0) * 255.0 + 0.5) / 256.0, 0.5)).rgb;
    float gloss = 0.1 * pow(clamp(2.0 * lamp * n.z - 0.76, 0.0, 1.0), 12.0);
    gl_FragColor = vec4(c * (0.6 + 0.28 * lamp + 0.13 * max(n.z, 0.0)) + gloss, 1.0); }`;
const buffers = {};
let program;
function compile(kind, text) {
  const shader = gl.createShader(kind);
  gl.shaderSource(shader, text);
  gl.compileShader(shader);
  if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) throw new Error(gl.getShaderInfoLog(shader));
  return shader;
}
function start() {
  gl.getExtension("OES_element_index_uint");
  program = gl.createProgram();
  gl.attachShader(program, compile(gl.VERTEX_SHADER, VERTEX));
  gl.attachShader(program, compile(gl.FRAGMENT_SHADER, FRAGMENT));
  gl.linkProgram(program); gl.useProgram(program);
  gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, gl.createBuffer());
  gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, triangles, gl.STATIC_DRAW);
  gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
  gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGB, COLOURS, 1, 0, gl.RGB, gl.UNSIGNED_BYTE, table);
  for (const key of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(gl.TEXTURE_2D, key, gl.LINEAR);
  for (const key of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) gl.texParameteri(gl.TEXTURE_2D, key, gl.CLAMP_TO_EDGE);
  gl.enable(gl.DEPTH_TEST); gl.clearColor(1, 1, 1, 1);
}
function upload(name, width, values) {
  if (!gl) return;
  gl.bindBuffer(gl.ARRAY_BUFFER, buffers[name] ??= gl.createBuffer());
  gl.bufferData(gl.ARRAY_BUFFER, values, gl.DYNAMIC_DRAW);
  const at = gl.getAttribLocation(program, name);
  gl.enableVertexAttribArray(at); gl.vertexAttribPointer(at, width, gl.FLOAT, false, 0, 0);
}
function deform() {                                           // the points as displaced, and their normals
  const times = displacement ? $("deform").value * data.deform : 0;
  points = restPoints.map((x, i) => x + (displacement ? times * displacement[i] : 0));
  $("bendText").textContent = Math.round(times);
  normals = new Float32Array(points.length);
  for (let t = 0; t < triangles.length; t += 3) {
    const [a, b, c] = [0, 1, 2].map((k) => nodeOf(points, triangles[t + k]));
    const n = cross(minus(b, a), minus(c, a));
    for (let k = 0; k < 3; k++) for (let j = 0; j < 3; j++) normals[3 * triangles[t + k] + j] += n[j];
  }
  upload("p", 3, points); upload("n", 3, normals); redraw();
}

// ---- drawing ----
let pending = false;
const redraw = () => { if (!pending) { pending = true; requestAnimationFrame(draw); } };
function draw() {
  pending = false;
  const ratio = devicePixelRatio || 1;
  for (const id of ["scene", "letters"]) {
    const [w, h] = [Math.round(width() * ratio), Math.round(height() * ratio)];
    if ($(id).width !== w || $(id).height !== h) { $(id).width = w; $(id).height = h; }
  }
  if (gl) drawSurface();
  const letters = $("letters").getContext("2d");
  letters.setTransform(ratio, 0, 0, ratio, 0, 0);
  letters.clearRect(0, 0, width(), height());
  letters.textAlign = "center"; letters.textBaseline = "middle";
  drawRing(letters, shown.peak, shown.peakLabel);
  if (marked !== null && marked !== shown.peak) drawRing(letters, marked, shown.values[marked].toPrecision(3));
  drawCompass(letters);
}
function drawSurface() {
  const set = (name, how, ...v) => gl["uniform" + how](gl.getUniformLocation(program, name), ...v);
  const s = scale();
  gl.viewport(0, 0, $("scene").width, $("scene").height);
  gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
  set("m", "Matrix3fv", false, [0, 1, 2].flatMap((k) => basis.map((row) => row[k])));
  set("f", "4f", 2 * s / width(), 2 * s / height(), 2 * pan[0] / width(), (2 * pan[1] + FOOTER) / height());
  set("r", "2f", ...limits);
  gl.drawElements(gl.TRIANGLES, triangles.length, gl.UNSIGNED_INT, 0);
}
function drawRing(c, node, name) {                            // dashed where the node faces away
  const [x, y] = project(nodeOf(points, node));
  const away = dot(basis[2], nodeOf(normals, node)) < 0;
  if (away) name += " (far side)";
  c.setLineDash(away ? [5, 3] : []);
  for (const [colour, width] of RING_LINES) {
    c.strokeStyle = colour; c.lineWidth = width; c.beginPath(); c.arc(x, y, RING_RADIUS, 0, 7); c.stroke();
  }
  c.setLineDash([]);
  c.font = "bold 14px DejaVu Sans, sans-serif"; c.lineWidth = 4; c.strokeStyle = "#fff"; c.fillStyle = INK;
  c.strokeText(name, x, y - RING_NAME_RISE); c.fillText(name, x, y - RING_NAME_RISE);
}
function drawCompass(c) {                                     // the axes with their orientation letters
  const [x, y] = [width() - COMPASS.fromRight, height() - COMPASS.fromBottom];
  [["R", "L"], ["A", "P"], ["S", "I"]].forEach((names, k) => names.forEach((name, j) => {
    const v = basis.map((row) => (j ? -1 : 1) * row[k]);
    c.globalAlpha = COMPASS_FADE + (1 - COMPASS_FADE) * (v[2] + 1) / 2;
    c.strokeStyle = c.fillStyle = MUTED; c.lineWidth = 1.5;
    c.beginPath(); c.moveTo(x, y); c.lineTo(x + COMPASS.axis * v[0], y - COMPASS.axis * v[1]); c.stroke();
    c.fillText(name, x + COMPASS.letter * v[0], y - COMPASS.letter * v[1]);
  }));
  c.globalAlpha = 1;
}

// ---- colour scale ----
function percentile(sorted, p) { return sorted[Math.round((sorted.length - 1) * p / 100)]; }
function rescale() {
  const p = +$("end").value, low = shown.low === 0 ? 0 : percentile(shown.sorted, 100 - p);
  limits = [low, Math.max(percentile(shown.sorted, p), low + LEAST_RANGE)];
  $("endText").textContent = `${limits[1].toPrecision(3)} ${shown.unit}`;
  $("barTitle").textContent = `${shown.label} (${shown.unit}), scale ends at ` +
    (p === 100 ? "the surface maximum" : `the ${p}th percentile of the surface`);
  $("ticks").replaceChildren(...[0, 0.25, 0.5, 0.75, 1].map((f) => {
    const tick = document.createElement("span");
    tick.style.left = `${100 * f}%`;
    tick.textContent = String(+(limits[0] + f * (limits[1] - limits[0])).toPrecision(3));
    return tick;
  }));
  redraw();
}
function show(index) {
  shown = quantities[index];
  shown.sorted ??= shown.values.slice().sort();
  upload("v", 1, shown.values); rescale();
}
function fillBar() {
  const bar = $("bar").getContext("2d"); $("bar").width = COLOURS; $("bar").height = 1;
  const strip = bar.createImageData(COLOURS, 1);
  for (let i = 0; i < COLOURS; i++) strip.data.set([...nodeOf(table, i), 255], 4 * i);
  bar.putImageData(strip, 0, 0);
}

// ---- pointer ----
function pick(x, y) {                                         // nearest node of the frontmost triangle
  const seen = new Float32Array(points.length);
  for (let i = 0; i < points.length; i += 3) seen.set(project(points.subarray(i, i + 3)), i);
  const area = (i, j, u, v) => (seen[j] - seen[i]) * (v - seen[i + 1]) - (seen[j + 1] - seen[i + 1]) * (u - seen[i]);
  const distance = (i) => Math.hypot(seen[i] - x, seen[i + 1] - y);
  let best = null, front = -Infinity;
  for (let t = 0; t < triangles.length; t += 3) {
    const [a, b, c] = [3 * triangles[t], 3 * triangles[t + 1], 3 * triangles[t + 2]];
    if (area(a, b, x, y) > 0 || area(b, c, x, y) > 0 || area(c, a, x, y) > 0 || seen[a + 2] < front) continue;
    front = seen[a + 2];
    best = [a, b, c].sort((i, j) => distance(i) - distance(j))[0] / 3;
  }
  return best;
}
function probe(node) {
  marked = node;
  const at = [0, 1, 2].map((k) => (restPoints[3 * node + k] + data.origin[k]).toFixed(1)).join(", ");
  $("probe").textContent = [data.regions[region[node]],
    ...quantities.map((q) => `${q.label}: ${q.values[node].toPrecision(3)} ${q.unit}`), `RAS ${at} mm, node ${node}`].join("\n");
  redraw();
}
let drag = null;
$("scene").onpointerdown = (e) => {
  drag = { x: e.offsetX, y: e.offsetY, travel: 0 };
  $("scene").setPointerCapture(e.pointerId);
};
$("scene").onpointermove = (e) => {
  if (!drag) return;
  const [dx, dy] = [e.offsetX - drag.x, e.offsetY - drag.y];
  if (e.shiftKey) pan = [pan[0] + dx, pan[1] - dy];
  else { turn(0, 2, dx * TURN_PER_PIXEL); turn(1, 2, -dy * TURN_PER_PIXEL); }
  drag = { x: e.offsetX, y: e.offsetY, travel: drag.travel + Math.hypot(dx, dy) };
  redraw();
};
$("scene").onpointerup = (e) => {
  if (drag && drag.travel < CLICK_TRAVEL) { const node = pick(e.offsetX, e.offsetY); if (node !== null) probe(node); }
  drag = null;
};
$("scene").onwheel = (e) => {
  e.preventDefault();
  zoom = Math.min(ZOOM_RANGE[1], Math.max(ZOOM_RANGE[0], zoom * Math.exp(-e.deltaY * ZOOM_PER_WHEEL)));
  redraw();
};

// ---- start ----
quantities.forEach((q, i) => $("quantity").add(new Option(`${q.label} (${q.unit})`, i)));
Object.entries(VIEWS).forEach(([name, view]) => {
  const button = document.createElement("button");
  button.textContent = name; button.title = `View from ${name}`;
  button.onclick = () => { basis = view.map((row) => row.slice()); pan = [0, 0]; redraw(); };
  $("views").append(button);
});
$("quantity").onchange = (e) => show(+e.target.value);
$("end").oninput = rescale; $("deform").oninput = deform; addEventListener("resize", redraw);
if (!displacement) $("bend").hidden = true;
fillBar();
if (gl) start();
deform(); show(0);
document.body.dataset.ready = gl && gl.getError() === 0 ? "yes" : "no";

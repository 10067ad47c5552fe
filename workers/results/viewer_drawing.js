// WebGL 2: p, n, v are position, normal and value of a node; m the basis, f scale and pan, r the ends of the colours,
// cut the plane: normal and offset. The lamp is that of preview.png: ambient, diffuse and facing light, a faint gloss.
const COLOURS = 256;                                          // of a table
const RING_RADIUS = 10, RING_NAME_RISE = 20;                  // of the ring around a node, and up to its name
const COMPASS = { fromRight: 70, fromBottom: 70, axis: 34, letter: 48 };
const COMPASS_FADE = 0.45;                                    // opacity of an axis that points away
const CAP_LIGHT = 0.95;                                       // of the face of a cut
const PLACE = `gl_Position = vec4(w.xy * f.xy + f.zw, -w.z * ${(0.5 / radius).toExponential(4)}, 1.0);`;
const PAINT = `vec3 paint(float s) { return texture(t, vec2((clamp(s, 0.0, 1.0) * 255.0 + 0.5) / 256.0, 0.5)).rgb; }`;
const HEAD = "#version 300 es\nprecision highp float; precision highp sampler3D;";
const SURFACE = [`${HEAD} in vec3 p, n; in float v; uniform mat3 m; uniform vec4 f, cut; uniform vec2 r;
  out vec3 q; out float s, side;
  void main() { vec3 w = m * p; q = m * n; s = (v - r.x) / (r.y - r.x); side = dot(cut.xyz, p) - cut.w; ${PLACE} }`,
`${HEAD} in vec3 q; in float s, side; uniform sampler2D t; out vec4 colour; ${PAINT}
  void main() { if (side > 0.0) discard;
    vec3 n = normalize(q); float lamp = max(dot(n, vec3(-0.35, 0.55, 0.76)), 0.0);
    float gloss = 0.1 * pow(clamp(2.0 * lamp * n.z - 0.76, 0.0, 1.0), 12.0);
    colour = vec4(paint(s) * (0.6 + 0.28 * lamp + 0.13 * max(n.z, 0.0)) + gloss, 1.0); }`];
const CAP = [`${HEAD} in vec3 p; uniform mat3 m; uniform vec4 f; out vec3 x; void main() { vec3 w = m * p; x = p; ${PLACE} }`,
`${HEAD} in vec3 x; uniform sampler2D t; uniform sampler3D voxels; uniform vec3 first, size; uniform vec2 r, ends;
  out vec4 colour; ${PAINT}
  void main() { float v = mix(ends.x, ends.y, texture(voxels, (x - first) / size).r);
    colour = vec4(paint((v - r.x) / (r.y - r.x)) * ${CAP_LIGHT}, 1.0); }`];
const gl = $("scene").getContext("webgl2", { antialias: true, stencil: true });
if (!gl) $("probe").textContent = "This browser offers no WebGL 2. Open surface.vtp in ParaView instead.";
const buffers = {};
let surface, cap;
function program([vertex, fragment]) {
  const made = gl.createProgram();
  for (const [kind, text] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, text); gl.compileShader(shader);
    if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) throw new Error(gl.getShaderInfoLog(shader));
    gl.attachShader(made, shader);
  }
  gl.linkProgram(made);
  return made;
}
function texture(place, kind) {
  gl.activeTexture(place); gl.bindTexture(kind, gl.createTexture());
  for (const key of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(kind, key, gl.LINEAR);
  for (const key of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T, gl.TEXTURE_WRAP_R]) gl.texParameteri(kind, key, gl.CLAMP_TO_EDGE);
}
function start() {
  surface = program(SURFACE); cap = program(CAP);
  gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
  gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, gl.createBuffer());
  gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, triangles, gl.STATIC_DRAW);
  texture(gl.TEXTURE0, gl.TEXTURE_2D); texture(gl.TEXTURE1, gl.TEXTURE_3D);
  gl.enable(gl.DEPTH_TEST); gl.clearColor(0, 0, 0, 0);        // the page's own colour shines through
}
function upload(name, values) {
  if (!gl) return;
  gl.bindBuffer(gl.ARRAY_BUFFER, buffers[name] ??= gl.createBuffer());
  gl.bufferData(gl.ARRAY_BUFFER, values, gl.DYNAMIC_DRAW);
}
function uploadColours(table) {
  if (gl) { gl.activeTexture(gl.TEXTURE0); gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGB, COLOURS, 1, 0, gl.RGB, gl.UNSIGNED_BYTE, table); }
}
function uploadVoxels(voxels) {
  if (!gl) return;
  gl.activeTexture(gl.TEXTURE1);
  gl.texImage3D(gl.TEXTURE_3D, 0, gl.R8, ...data.grid.shape, 0, gl.RED, gl.UNSIGNED_BYTE, voxels);
}

// ---- a frame ----
let pending = false;
const redraw = () => { if (!pending) { pending = true; requestAnimationFrame(draw); } };
function draw() {
  pending = false;
  const ratio = devicePixelRatio || 1;
  for (const id of ["scene", "letters"]) {
    const [w, h] = [Math.round(width() * ratio), Math.round(height() * ratio)];
    if ($(id).width !== w || $(id).height !== h) { $(id).width = w; $(id).height = h; }
  }
  if (gl) drawBone();
  const letters = $("letters").getContext("2d"), style = getComputedStyle(document.documentElement);
  const [ink, muted, paper] = ["--ink", "--muted", "--paper"].map((name) => style.getPropertyValue(name));
  letters.setTransform(ratio, 0, 0, ratio, 0, 0);
  letters.clearRect(0, 0, width(), height());
  letters.textAlign = "center"; letters.textBaseline = "middle";
  drawRing(letters, shown.peak.node, shown.peak.at, shown.peak.label, ink, paper);
  if (marked !== null && marked !== shown.peak.node) drawRing(letters, marked, null, digits(shown.values[marked]), ink, paper);
  drawCompass(letters, muted);
}
function use(chosen, attributes) {
  gl.useProgram(chosen);
  for (const [name, length] of attributes) {
    const at = gl.getAttribLocation(chosen, name);
    gl.bindBuffer(gl.ARRAY_BUFFER, buffers[chosen === cap ? "corners" : name]);
    gl.enableVertexAttribArray(at); gl.vertexAttribPointer(at, length, gl.FLOAT, false, 0, 0);
  }
  const s = scale(), set = (name, how, ...v) => gl["uniform" + how](gl.getUniformLocation(chosen, name), ...v);
  set("m", "Matrix3fv", false, [0, 1, 2].flatMap((k) => basis.map((row) => row[k])));
  set("f", "4f", 2 * s / width(), 2 * s / height(), 2 * pan[0] / width(), 2 * pan[1] / height());
  set("r", "2f", ...shown.limits); set("t", "1i", 0);
  return set;
}
function drawBone() {
  gl.viewport(0, 0, $("scene").width, $("scene").height);
  gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT | gl.STENCIL_BUFFER_BIT);
  const set = use(surface, [["p", 3], ["n", 3], ["v", 1]]);
  set("cut", "4f", ...(cut ? [...cut.normal, cut.offset] : [0, 0, 0, 1]));
  const drawSurface = () => gl.drawElements(gl.TRIANGLES, triangles.length, gl.UNSIGNED_INT, 0);
  if (cut) countCrossings(drawSurface);
  drawSurface();
  if (cut) drawCap();
}
function countCrossings(drawSurface) {                        // where rays leave more often than they enter, the cut is bone
  gl.enable(gl.STENCIL_TEST); gl.disable(gl.DEPTH_TEST); gl.colorMask(false, false, false, false); gl.depthMask(false);
  gl.stencilFunc(gl.ALWAYS, 0, 255);
  gl.stencilOpSeparate(gl.FRONT, gl.KEEP, gl.KEEP, gl.DECR_WRAP); gl.stencilOpSeparate(gl.BACK, gl.KEEP, gl.KEEP, gl.INCR_WRAP);
  drawSurface();
  gl.disable(gl.STENCIL_TEST); gl.enable(gl.DEPTH_TEST); gl.colorMask(true, true, true, true); gl.depthMask(true);
}
function drawCap() {
  const n = cut.normal, a = unit(cross(n, Math.abs(n[2]) > 0.9 ? [1, 0, 0] : [0, 0, 1])), b = cross(n, a), far = 2 * radius;
  upload("corners", new Float32Array([[-1, -1], [1, -1], [-1, 1], [1, 1]].flatMap(([i, j]) =>
    [0, 1, 2].map((k) => cut.offset * n[k] + far * (i * a[k] + j * b[k])))));
  const set = use(cap, [["p", 3]]), { first, shape, spacing } = data.grid;
  set("first", "3f", ...first.map((x) => x - spacing / 2)); set("size", "3f", ...shape.map((k) => k * spacing));
  set("ends", "2f", ...shown.voxelLimits); set("voxels", "1i", 1);
  gl.enable(gl.STENCIL_TEST); gl.stencilFunc(gl.NOTEQUAL, 0, 255); gl.stencilOp(gl.KEEP, gl.KEEP, gl.KEEP);
  gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);
  gl.disable(gl.STENCIL_TEST);
}
function drawRing(c, node, at, name, ink, paper) {            // dashed where the node is inside or faces away
  const x3 = node === null ? at : nodeOf(points, node), [x, y] = project(x3);
  if (cut && dot(cut.normal, x3) > cut.offset) return;
  const away = node === null || dot(basis[2], nodeOf(normals, node)) < 0;
  if (away) name += node === null ? " (inside)" : " (far side)";
  c.setLineDash(away ? [5, 3] : []);
  for (const [colour, line] of [[paper, 5], [ink, 2]]) {      // the rim keeps the ring readable on every colour
    c.strokeStyle = colour; c.lineWidth = line; c.beginPath(); c.arc(x, y, RING_RADIUS, 0, 7); c.stroke();
  }
  c.setLineDash([]);
  c.font = "bold 14px DejaVu Sans, sans-serif"; c.lineWidth = 4; c.strokeStyle = paper; c.fillStyle = ink;
  const half = c.measureText(name).width / 2 + 4, middle = Math.min(Math.max(x, half), Math.max(width() - half, half));
  c.strokeText(name, middle, y - RING_NAME_RISE); c.fillText(name, middle, y - RING_NAME_RISE);
}
function drawCompass(c, muted) {                              // the axes with their orientation letters
  const [x, y] = [width() - COMPASS.fromRight, height() - COMPASS.fromBottom];
  [["R", "L"], ["A", "P"], ["S", "I"]].forEach((names, k) => names.forEach((name, j) => {
    const v = basis.map((row) => (j ? -1 : 1) * row[k]);
    c.globalAlpha = COMPASS_FADE + (1 - COMPASS_FADE) * (v[2] + 1) / 2;
    c.strokeStyle = c.fillStyle = muted; c.lineWidth = 1.5;
    c.beginPath(); c.moveTo(x, y); c.lineTo(x + COMPASS.axis * v[0], y - COMPASS.axis * v[1]); c.stroke();
    c.fillText(name, x + COMPASS.letter * v[0], y - COMPASS.letter * v[1]);
  }));
  c.globalAlpha = 1;
}

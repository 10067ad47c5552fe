// Pointer, keys, touch and the form; then the start.
const ZOOM_PER_WHEEL = 0.001;                                 // a notch of 100 changes the size by a tenth
const TURN_PER_PIXEL = 0.008;                                 // rad: a drag over 400 pixels is half a turn
const TURN_PER_KEY = Math.PI / 36, PAN_PER_KEY = 20, ZOOM_PER_KEY = 1.15;
const CLICK_TRAVEL = 4;                                       // a pointer that travelled less, in CSS pixels, has clicked
const spin = (dx, dy) => { turn(0, 2, dx); turn(1, 2, -dy); };

const pointers = new Map();                                   // those that are down: place and travel
$("scene").onpointerdown = (e) => {
  pointers.set(e.pointerId, { x: e.offsetX, y: e.offsetY, travel: 0 });
  $("scene").setPointerCapture(e.pointerId);
};
$("scene").onpointermove = (e) => {
  const before = pointers.get(e.pointerId);
  if (!before) return;
  const now = { x: e.offsetX, y: e.offsetY }, [dx, dy] = [now.x - before.x, now.y - before.y];
  const other = [...pointers].find(([id]) => id !== e.pointerId)?.[1];
  if (other) {                                                // two fingers: pinch and move
    zoomBy(Math.hypot(now.x - other.x, now.y - other.y) / Math.max(Math.hypot(before.x - other.x, before.y - other.y), 1));
    pan = [pan[0] + dx / 2, pan[1] - dy / 2];
  } else if (e.shiftKey) pan = [pan[0] + dx, pan[1] - dy];
  else spin(dx * TURN_PER_PIXEL, dy * TURN_PER_PIXEL);
  pointers.set(e.pointerId, { ...now, travel: before.travel + Math.hypot(dx, dy) + (other ? CLICK_TRAVEL : 0) });
  redraw();
};
$("scene").onpointerup = $("scene").onpointercancel = (e) => {
  const ended = pointers.get(e.pointerId);
  pointers.delete(e.pointerId);
  if (ended && e.type === "pointerup" && ended.travel < CLICK_TRAVEL && !pointers.size) read(e.offsetX, e.offsetY);
};
$("scene").onwheel = (e) => { e.preventDefault(); zoomBy(Math.exp(-e.deltaY * ZOOM_PER_WHEEL)); redraw(); };
const look = (name) => { basis = VIEWS[name].map((row) => row.slice()); pan = [0, 0]; redraw(); };
$("scene").onkeydown = (e) => {
  const arrow = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[e.key];
  const letter = e.key.toUpperCase();
  if (e.ctrlKey || e.metaKey || e.altKey) return;
  if (arrow && e.shiftKey) pan = [pan[0] + PAN_PER_KEY * arrow[0], pan[1] - PAN_PER_KEY * arrow[1]];
  else if (arrow) spin(TURN_PER_KEY * arrow[0], TURN_PER_KEY * arrow[1]);
  else if (e.key === "+" || e.key === "=") zoomBy(ZOOM_PER_KEY);
  else if (e.key === "-") zoomBy(1 / ZOOM_PER_KEY);
  else if (e.key === "Enter") read(width() / 2, height() / 2);
  else if (VIEWS[letter]) look(letter);
  else return;
  e.preventDefault(); redraw();
};

function deform() {                                           // the points as displaced, and their normals
  const times = displacement && !cut ? $("deform").value * data.deform : 0;
  points = restPoints.map((x, i) => x + (times ? times * displacement[i] : 0));
  $("bendText").textContent = Math.round(times);
  normals = new Float32Array(points.length);
  for (let t = 0; t < triangles.length; t += 3) {
    const [a, b, c] = [0, 1, 2].map((k) => nodeOf(points, triangles[t + k]));
    const n = cross(minus(b, a), minus(c, a));
    for (let k = 0; k < 3; k++) for (let j = 0; j < 3; j++) normals[3 * triangles[t + k] + j] += n[j];
  }
  upload("p", points); upload("n", normals); redraw();
}
const LEAST_FACING = 0.2, FACES = ["RL", "AP", "SI"];         // a cut that faces away is looked at from its side
function setCut() {
  const axis = $("cut").value, was = Boolean(cut), sign = $("cutOther").checked ? -1 : 1;
  $("cutMore").hidden = axis === ""; $("deform").disabled = axis !== "";
  cut = axis === "" ? null : { normal: [0, 1, 2].map((k) => (k === +axis ? sign : 0)), offset: sign * $("cutAt").value * reach[+axis] };
  if (cut && dot(cut.normal, basis[2]) < LEAST_FACING) look(FACES[axis][sign > 0 ? 0 : 1]);
  if (was !== Boolean(cut)) deform();                         // a cut shows the bone as it was
  redraw();
}

// ---- start ----
document.body.classList.toggle("framed", window !== window.top);  // the page around it says how sure the report is
fields.forEach((f, i) => $("field").add(new Option(f.name, i)));
$("fieldBox").hidden = fields.length === 1;
for (const name of Object.keys(VIEWS)) {
  const button = Object.assign(document.createElement("button"), { type: "button", textContent: name, title: `View from ${name}` });
  button.onclick = () => look(name);
  $("views").append(button);
}
$("field").onchange = () => showQuantity(+$("field").value, Math.min(+$("quantity").value, fields[+$("field").value].quantities.length - 1));
$("quantity").onchange = () => showQuantity(fieldShown, +$("quantity").value);
$("map").onchange = showMap;
$("low").onchange = () => setRange("low"); $("high").onchange = () => setRange("high");
$("auto").onclick = () => { shown.limits = shown.auto; showRange(); };
$("deform").oninput = deform;
for (const id of ["cut", "cutAt", "cutOther"]) $(id).oninput = setCut;
$("closer").onclick = () => { zoomBy(ZOOM_PER_KEY); redraw(); }; $("farther").onclick = () => { zoomBy(1 / ZOOM_PER_KEY); redraw(); };
$("controls").onsubmit = (e) => e.preventDefault();
new ResizeObserver(redraw).observe($("scene"));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
if (!displacement) $("bend").hidden = true;
if (gl) start();
deform(); showQuantity(0, 0); startSlices();
document.body.dataset.ready = gl && gl.getError() === 0 ? "yes" : "no";

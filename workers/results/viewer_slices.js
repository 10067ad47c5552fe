// The CT in three linked planes: grey values, the outline of the mask, and the quantity that is shown over the bone.
const ct = data.ct ? { ...data.ct, grey: bytes(data.ct.grey), inside: bytes(data.ct.inside) } : null;
const OUTLINE = [255, 64, 64];                                // of the mask: red is in no colour map's middle
// `across` and `up` are axes of the world and whether they run against the picture: the patient's right is at the left
const PLANES = [
  { name: "axial", across: 0, up: 1, along: 2, letters: ["R", "L", "A", "P"] },
  { name: "coronal", across: 0, up: 2, along: 1, letters: ["R", "L", "S", "I"] },
  { name: "sagittal", across: 1, up: 2, along: 0, letters: ["A", "P", "S", "I"] },
];
let place = null;                                             // the crosshair, mm from data.origin
const voxelOf = (k, x) => Math.min(Math.max(Math.round((x - ct.first[k]) / ct.spacing), 0), ct.shape[k] - 1);
const indexOf = (v) => (v[2] * ct.shape[1] + v[1]) * ct.shape[0] + v[0];
const isInside = (i) => (ct.inside[i >> 3] >> (i & 7)) & 1;
function paintPlane(plane) {
  const [w, h] = [ct.shape[plane.across], ct.shape[plane.up]], image = new ImageData(w, h), table = maps[$("map").value];
  const share = +$("overlay").value, [low, high] = shown.limits, v = [0, 0, 0];
  v[plane.along] = voxelOf(plane.along, place[plane.along]);
  const steps = [plane.across, plane.up].map((k) => [1, ct.shape[0], ct.shape[0] * ct.shape[1]][k]);
  for (let row = 0; row < h; row++) for (let column = 0; column < w; column++) {
    v[plane.across] = w - 1 - column; v[plane.up] = h - 1 - row;
    const i = indexOf(v), grey = ct.grey[i], held = isInside(i);
    let colour = [grey, grey, grey];
    if (held && steps.some((s) => !isInside(i - s) || !isInside(i + s))) colour = OUTLINE;
    else if (held && share) {
      const value = valueAt(shown, v.map((n, k) => ct.first[k] + n * ct.spacing));
      const c = Math.round(Math.min(Math.max((value - low) / (high - low), 0), 1) * (COLOURS - 1));
      colour = colour.map((g, k) => g + share * (table[3 * c + k] - g));
    }
    image.data.set([...colour, 255], 4 * (row * w + column));
  }
  return image;
}
function drawPlane(plane) {
  const image = paintPlane(plane), canvas = $(plane.name), zoomed = Math.max(1, Math.floor(canvas.clientWidth * (devicePixelRatio || 1) / image.width));
  const small = Object.assign(document.createElement("canvas"), { width: image.width, height: image.height });
  small.getContext("2d").putImageData(image, 0, 0);
  Object.assign(canvas, { width: image.width * zoomed, height: image.height * zoomed });
  const c = canvas.getContext("2d"), x = (image.width - 0.5 - (place[plane.across] - ct.first[plane.across]) / ct.spacing) * zoomed;
  const y = (image.height - 0.5 - (place[plane.up] - ct.first[plane.up]) / ct.spacing) * zoomed;
  c.drawImage(small, 0, 0, canvas.width, canvas.height);
  c.strokeStyle = "#ffe14d"; c.beginPath(); c.moveTo(x, 0); c.lineTo(x, canvas.height); c.moveTo(0, y); c.lineTo(canvas.width, y); c.stroke();
  c.fillStyle = "#fff"; c.font = `bold ${6 * zoomed}px sans-serif`; c.textAlign = "center"; c.textBaseline = "middle";
  const [m, cx, cy] = [5 * zoomed, canvas.width / 2, canvas.height / 2];
  [[m, cy], [canvas.width - m, cy], [cx, m], [cx, canvas.height - m]].forEach((at, k) => c.fillText(plane.letters[k], ...at));
  $(plane.name + "At").value = place[plane.along];
}
function drawSlices() {
  if (!ct || !place) return;
  PLANES.forEach(drawPlane);
  const value = isInside(indexOf([0, 1, 2].map((k) => voxelOf(k, place[k])))) ? `, ${shown.label} ${inUnit(valueAt(shown, place), shown)}` : ", outside the mask";
  $("place").textContent = `RAS ${inWorld(place)} mm${value}`;
}
function goTo(to) {                                           // moves the crosshair of all planes, within the slices
  if (!ct) return;
  place = [0, 1, 2].map((k) => Math.min(Math.max(to[k], ct.first[k]), ct.first[k] + (ct.shape[k] - 1) * ct.spacing));
  drawSlices();
}
function middleOfBody() {
  const body = data.regions.indexOf("body"), sum = [0, 0, 0];
  region.forEach((r, node) => { if (r === body) nodeOf(restPoints, node).forEach((x, k) => { sum[k] += x; }); });
  return sum.map((x) => x / region.filter((r) => r === body).length);
}
function startSlices() {
  if (!ct) return;
  $("slices").hidden = false;
  for (const plane of PLANES) {
    const canvas = $(plane.name), slider = $(plane.name + "At"), { first, shape, spacing } = ct;
    const point = (e) => {
      if (!e.buttons) return;
      const to = [...place], [w, h] = [shape[plane.across], shape[plane.up]];
      to[plane.across] = first[plane.across] + (w - 0.5 - e.offsetX / canvas.clientWidth * w) * spacing;
      to[plane.up] = first[plane.up] + (h - 0.5 - e.offsetY / canvas.clientHeight * h) * spacing;
      goTo(to);
    };
    canvas.onpointerdown = point; canvas.onpointermove = point;
    Object.assign(slider, { min: first[plane.along], max: first[plane.along] + (shape[plane.along] - 1) * spacing, step: spacing });
    slider.oninput = () => { const to = [...place]; to[plane.along] = +slider.value; goTo(to); };
  }
  $("overlay").oninput = drawSlices; new ResizeObserver(drawSlices).observe($("axial"));
  goTo(middleOfBody());
}

// The colours: map and range of the quantity that is shown, and the bar that explains them.
const MOST_STEPS = 6, ROUND_STEPS = [1, 2, 2.5, 5, 10, 20];   // of the bar's ticks, as in preview.png
function showMap() {
  const table = maps[$("map").value], bar = $("bar").getContext("2d");
  uploadColours(table);
  $("bar").width = COLOURS; $("bar").height = 1;
  const strip = bar.createImageData(COLOURS, 1);
  for (let i = 0; i < COLOURS; i++) strip.data.set([...nodeOf(table, i), 255], 4 * i);
  bar.putImageData(strip, 0, 0);
  redraw(); drawSlices();
}
function roundTicks(low, high) {                              // at most six steps that read easily
  const power = 10 ** Math.floor(Math.log10((high - low) / MOST_STEPS));
  const step = power * ROUND_STEPS.find((m) => (high - low) / (power * m) <= MOST_STEPS);
  const first = Math.ceil(low / step - 1e-9), last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, k) => (first + k) * step);
}
function showRange() {
  const [low, high] = shown.limits, isAuto = shown.limits === shown.auto, short = (x) => String(+x.toPrecision(3));
  $("low").value = short(low); $("high").value = short(high);
  $("unit").textContent = shown.unit || "no unit";
  $("barTitle").textContent = `${fields.length > 1 ? `${fields[fieldShown].name}: ` : ""}${titleOf(shown)}` + (shown.note && `: ${shown.note}`) +
    (isAuto ? ", ends at the 99th percentile of the surface" : "");
  $("ticks").replaceChildren(...roundTicks(low, high).map((value) => {
    const tick = document.createElement("span");
    tick.style.left = `${100 * (value - low) / (high - low)}%`; tick.textContent = value.toLocaleString("en", { maximumSignificantDigits: 4 });
    return tick;
  }));
  [...$("ends").children].forEach((end, k) => { end.textContent = shown.ends ? shown.ends[k] : ""; });
  redraw(); drawSlices();
}
function setRange(changed) {                                  // one that diverges stays the same on both sides of zero
  let [low, high] = [+$("low").value, +$("high").value];
  if (shown.diverges) { const end = Math.abs(changed === "low" ? low : high); [low, high] = [-end, end]; }
  const fits = high > low;
  for (const id of ["low", "high"]) $(id).setAttribute("aria-invalid", !fits);
  if (fits) { shown.limits = [low, high]; showRange(); }
}
const titleOf = (q) => `${q.label} (${q.unit || "no unit"})`;
function showQuantity(field, index) {
  const earlier = shown, quantities = fields[field].quantities;
  fieldShown = field; shown = quantities[index];
  const offered = shown.diverges ? data.diverging : data.sequential;
  if (earlier.diverges !== shown.diverges || !$("map").options.length) $("map").replaceChildren(...offered.map((name) => new Option(name)));
  if (earlier.map !== shown.map || !$("map").value) $("map").value = shown.map;
  $("quantity").replaceChildren(...quantities.map((q, i) => new Option(titleOf(q), i, false, i === index)));
  upload("v", shown.values); uploadVoxels(shown.voxels);
  showMap(); showRange();
}

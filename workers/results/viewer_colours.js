// The colours: map and range of the quantity that is shown, and the bar that explains them.
function showMap() {
  const table = maps[$("map").value], bar = $("bar").getContext("2d");
  uploadColours(table);
  $("bar").width = COLOURS; $("bar").height = 1;
  const strip = bar.createImageData(COLOURS, 1);
  for (let i = 0; i < COLOURS; i++) strip.data.set([...nodeOf(table, i), 255], 4 * i);
  bar.putImageData(strip, 0, 0);
  redraw(); drawSlices();
}
function showRange() {
  const [low, high] = shown.limits, isAuto = shown.limits === shown.auto, short = (x) => String(+x.toPrecision(3));
  $("low").value = short(low); $("high").value = short(high);
  $("unit").textContent = shown.unit || "no unit";
  $("barTitle").textContent = `${fields.length > 1 ? `${fields[fieldShown].name}: ` : ""}${titleOf(shown)}` +
    (isAuto ? ", ends at the 99th percentile of the surface" : "");
  $("ticks").replaceChildren(...[0, 0.25, 0.5, 0.75, 1].map((f) => {
    const tick = document.createElement("span");
    tick.style.left = `${100 * f}%`; tick.textContent = short(low + f * (high - low));
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

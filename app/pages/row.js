// The row of vertebral bodies that the networks found, as a table: level, evidence and place of each.
const percent = share => Math.round(100 * share) + "\u00a0%";
const place = point => point.map(v => v.toFixed(1)).join(", ");
const ribsInWords = body => body.ribs === null ? "not seen" : body.ribs ? "yes" : "no";
const sacrumInWords = body => ({above: "above the last vertebra", on: "on the sacrum", of: "part of the sacrum"}[body.sacrum] || "not seen");
function table(headings, rows) {
  const head = make("tr"), body = make("tbody");
  head.append(...headings.map(text => make("th", text, {scope: "col"})));
  for (const cells of rows) { const row = make("tr"); row.append(...cells.map(text => make("td", text))); body.append(row); }
  const whole = make("table"), top = make("thead");
  top.append(head); whole.append(top, body);
  return whole;
}
const rowTable = bodies => table(
  ["Level", "Confidence", "Ribs", "Sacrum", "Body centre, RAS+ mm"],
  bodies.map(b => [b.level || "unknown", b.level ? percent(b.confidence) : "", ribsInWords(b), sacrumInWords(b), place(b.centre_ras_mm)]),
);

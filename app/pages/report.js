// A finished job in words: warnings, level, outline and expected error first, then the numbers.
const words = name => name.replaceAll("_", " ");
const mpa = value => value.toPrecision(3) + "\u00a0MPa";
const ofPeak = value => value.toFixed(value < 0.1 ? 2 : 1) + "\u00a0%";  // never 0.0 % of what is not zero
const paragraphs = (texts, kind) => texts.map(text => make("p", text, kind ? {class: kind} : {}));
function describeReport(report) {
  const seen = report.segmentation, outline = seen && seen.outline, row = seen && seen.row || [];
  const unverified = seen ? seen.level_verified === false : report.vertebra === "unknown";
  const parts = [
    ...describeWarnings(report.warnings),
    make("h2", "How sure"), ...paragraphs([describeLevel(report)], unverified && "caution"),
    ...paragraphs([describeOutline(seen, outline)], outline && outline.uncertain && "caution"),
    ...(report.size ? paragraphs([describeSize(report)], (report.size.unusual || report.size.off_edge) && "caution") : []),
    ...paragraphs([describeError(report)]),
  ];
  if (row.length) { const details = make("details"); details.append(make("summary", "The row of vertebral bodies"), rowTable(row)); parts.push(details); }
  return [...parts, make("h2", "Stress"), ...describeStress(report)];
}
function describeWarnings(warnings) {
  if (!warnings.length) return [make("h2", "Warnings"), make("p", "None.")];
  const list = make("ul", null, {class: "caution"});
  list.append(...warnings.map(text => make("li", text)));
  return [make("h2", "Warnings"), list];
}
const levelName = vertebra => vertebra === "unknown" ? "a vertebra of unknown level" : vertebra;
function describeLevelOfMask(vertebra, numbering) {
  if (!numbering) return `Level: ${vertebra}, as the client says. A mask was sent.`;
  const who = vertebra === "unknown" ? "Level: unknown. Neither the client nor the mask says it." : `Level: ${vertebra}, as the ${numbering.level === vertebra && numbering.chosen_by !== "level" ? "mask" : "client"} says.`;
  const means = numbering.level ? `Label ${numbering.label} is ${numbering.level}.` : `The label is ${numbering.label}.`;
  return `${who} ${means} ${numbering.reason}`;
}
function describeLevel({vertebra, segmentation: seen, numbering}) {
  if (!seen) return describeLevelOfMask(vertebra, numbering);
  const counts = [["level_by_ribs", "down from the lowest rib"], ["level_by_sacrum", "up from the sacrum"]].filter(([name]) => seen[name]).map(([name, how]) => `counted ${how} it is ${seen[name]}`);
  const sure = seen.confidence === null ? "" : ` Confidence ${percent(seen.confidence)}.`;
  const counted = counts.length ? ` ${sentence(counts.join(", "))}` : "";
  if (seen.level_verified === false) return `Level: ${vertebra}, not verified. Ribs and sacrum do not settle it.${counted}${sure} Check the level before you use the numbers.`;
  if (seen.level_verified) return `Level: ${vertebra}, verified.${counted}${sure}`;
  if (seen.confidence === null) return `Level: ${vertebra}, as the client says. A seed was sent, so nothing was counted.`;
  return `Level: ${vertebra}.${counted}${sure}`;
}
function describeSize({size, vertebra}) {
  const [low, high] = size.usual_volume_cm3.map(Math.round), level = vertebra === "unknown" ? "T11 to L5" : vertebra;
  const edge = size.off_edge ? ` The mask ends ${Math.abs(size.edge_offset_mm).toFixed(1)} mm ${size.edge_offset_mm < 0 ? "outside" : "inside"} the edge of the bone.` : "";
  return `Size: ${Math.round(size.volume_cm3)} cm³, ${size.unusual ? "unlike that of adults" : "as in adults"} (${level}: ${low} to ${high} cm³).${edge}`;
}
function describeOutline(seen, outline) {
  if (!seen) return "Outline: that of the mask that was sent. It counts as exact.";
  if (!outline) return "Outline: by the networks. Its quality was not judged.";
  const edges = [["superior", outline.superior_endplate_edge], ["inferior", outline.inferior_endplate_edge]].filter(([, share]) => share !== null).map(([name, share]) => `${percent(share)} of the ${name} endplate`);
  return [
    outline.uncertain ? "Outline: uncertain. Look at the mask before you use the numbers, or send a mask." : "Outline: by the networks, within the limit.",
    outline.view_dice !== null && `Two views of the body agree with a Dice of ${outline.view_dice.toFixed(2)}.`,
    edges.length && `The image has an edge from bone to disc along ${edges.join(" and ")}.`,
    outline.height_ratio !== null && `The height of the body is ${outline.height_ratio.toFixed(2)} of the distance of the bodies.`,
    outline.dense_share && `${percent(outline.dense_share)} of the body is as dense as metal or cement.`,
    `It turns the axis of the load by at most ${outline.load_axis_uncertainty_deg.toFixed(1)}° (9 of 10 such outlines).`,
    `It is least sure at: ${words(outline.worst_place)}.`,
  ].filter(Boolean).join(" ");
}
function describeError({expected_error: error, prediction, size}) {
  if (!error) return prediction ? `Expected error of the prediction: ${ofPeak(prediction.expected_nmae_percent)} of the peak on average. That of the outline is not known.` : "Expected error: not known.";
  const outline = error.outline_percent === null ? `The mask that was sent counts as exact${size && (size.unusual || size.off_edge) ? ", although its size is doubtful: that error is not in the number" : ""}.` : `The outline alone causes ${ofPeak(error.outline_percent)}.`;
  const bounded = prediction && typeof prediction.error_bound_percent === "number";
  const surrogate = error.surrogate_percent === null ? "Finite elements add none." : bounded ? `The surrogate alone causes at most ${error.surrogate_percent.toFixed(2)}\u00a0%: the solver's residual shows it.` : `The surrogate alone causes ${ofPeak(error.surrogate_percent)}.`;
  return `Expected error of the stress: ${ofPeak(error.total_percent)} of the peak on average. ${outline} ${surrogate}`;
}
const describeAgreement = ({nmae_percent: error, r2, peak_error_percent: peak}) =>
  `Compared with the finite-element solution of the same mesh, the prediction has a mean error of ${error.toFixed(2)}\u00a0% of the peak (R² ${r2.toFixed(4)}); its peak is ${Math.abs(peak).toFixed(1)}\u00a0% too ${peak < 0 ? "low" : "high"}.`;
const newtons = force => `${force < 100 ? Number(force.toPrecision(3)) : Math.round(force)} N`;
const CASES = {plates: " between rigid plates", caps: " between cement caps"};
const newtonMetres = moment => `${Number((moment / 1000).toPrecision(3))} N m`;
const loadInWords = ({load_newton: load, load_case: loadCase, moments}) =>
  `${newtons(load)} axial compression${CASES[loadCase] || ""}${moments ? ` with bending (${newtonMetres(moments.flexion)} flexion, ${newtonMetres(moments.lateral)} to the right)` : ""}`;
function describeStress(report) {
  const {stress, vertebra, fidelity, agreement} = report, {peak_von_mises: peak, peak_away_from_endplates: away, overall, regions} = stress;
  const how = fidelity === "fe" ? "solved with finite elements" : "predicted by a surrogate";
  const where = ({region, position_ras_mm}) => `${words(region)}, at (${place(position_ras_mm)})`;
  const rows = [
    regions.body && ["99th percentile, body", mpa(regions.body.p99_mpa), "99 % of the body's volume lies below"],
    ["99th percentile, whole vertebra", mpa(overall.p99_mpa), "99 % of the volume lies below"],
    away && ["Peak away from the endplates", mpa(away.value_mpa), where(away)],
    ["Peak overall", mpa(peak.value_mpa), where(peak)],
  ].filter(Boolean);
  return [
    make("p", `Von Mises stress of ${levelName(vertebra)} under ${loadInWords(report)}, ${how}.`), table(["Von Mises stress", "Value", "Where"], rows),
    ...(agreement ? [make("p", describeAgreement(agreement))] : []),
    make("p", "The peak overall depends on the mesh: at the rim of the clamped endplate the exact stress is infinite. Use the steady numbers above it.", {class: "note"}),
    ...describeBone(report),
  ];
}

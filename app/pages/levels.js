// A job with several levels: a table of them, and of each what a job of one level shows, or why it is refused.
function levelsTable(levels) {
  const hasBone = levels.some(({headline: h}) => h?.bone), bone = b => b ? [densityInWords(b), `${kilo(b.stiffness_n_per_mm, 1)} kN/mm`] : ["", ""];
  const cells = ({vertebra, problem, headline: h}) => problem ? [vertebra, `refused: ${problem.title}`, ...(hasBone ? bone() : []), "", "", ""] : [
    vertebra, h.level_verified === false ? "level not verified" : "done", ...(hasBone ? bone(h.bone) : []), mpa(h.body_p99_mpa ?? h.p99_mpa),
    h.peak_away_from_endplates ? mpa(h.peak_away_from_endplates.value_mpa) : "", h.expected_error ? ofPeak(h.expected_error.total_percent) : "not known",
  ];
  return table(["Level", "State", ...(hasBone ? ["Trabecular density", "Stiffness"] : []), "99th percentile, body", "Peak away from the endplates", "Expected error, of the peak"], levels.map(cells));
}
const inWater = ({trabecular_density_mg_cm3: density, water_line_density_mg_cm3: water}) => water == null || water === density ? "" : ` (by the water line ${water.toFixed(0)})`;
const densityInWords = bone => `${bone.trabecular_density_mg_cm3.toFixed(0)} mg/cm³${inWater(bone)}${bone.calibrated ? "" : `, ${UNCALIBRATED}`}`;
function describeMeanDensity(levels) {  // the lines of the ACR are for the mean of two vertebrae, by custom L1 and L2
  const bones = ["L1", "L2"].map(name => levels.find(level => level.vertebra === name)?.headline?.bone);
  if (!bones.every(Boolean)) return [];
  const mean = {calibrated: bones.every(b => b.calibrated), trabecular_density_mg_cm3: bones.reduce((sum, b) => sum + (b.water_line_density_mg_cm3 ?? b.trabecular_density_mg_cm3), 0) / 2};
  const how = bones.some(b => b.water_line_density_mg_cm3 != null) ? ", by the line of K2HPO4 in water" : "";
  return [make("p", `Mean trabecular density of L1 and L2: ${densityInWords(mean)} (K2HPO4${how}). The ACR's lines for such a mean are ${acrLines.join(" mg/cm³ (osteoporosis) and ")} mg/cm³ (low bone mass). Research, not diagnosis.`, mean.calibrated ? {} : {class: "caution"})];
}
function filesOf(level, byName) {  // the results in the folder of a level, by their own names
  const own = Object.entries(byName).filter(([name]) => name.startsWith(level + "/"));
  return Object.fromEntries(own.map(([name, result]) => [name.slice(level.length + 1), result]));
}
function ownWarnings({warnings = []}, levels) {  // those that do not stand above for all levels
  const done = levels.filter(({problem}) => !problem);
  return done.length < 2 ? warnings : warnings.filter(text => !done.every(level => level.warnings.includes(text)));
}
function describeLevels(levels, byName, job) {
  const wide = make("div", null, {class: "scrolls", tabindex: "0", role: "region", "aria-label": "Levels"}), cards = make("ul", null, {class: "levels"});
  wide.append(levelsTable(levels));
  cards.append(...levels.map(level => levelCard({...level, warnings: ownWarnings(level, levels)}, filesOf(level.vertebra, byName), job)));
  return [make("h2", "Levels"), wide, ...describeMeanDensity(levels), cards];
}
function levelCard(level, files, job) {  // what matters most of a level; the rest on demand
  const {vertebra, problem, headline, warnings = []} = level, card = make("li");
  card.append(make("h3", vertebra));
  if (files["preview.png"]) card.append(make("img", null, {src: files["preview.png"].url, alt: `Three views of ${vertebra} coloured by von Mises stress`}));
  if (warnings.length) { const list = make("ul", null, {class: "caution"}); list.append(...warnings.map(text => make("li", text))); card.append(list); }
  card.append(problem ? make("p", `Refused: ${problem.title}.`, {class: "problem"}) : headlineList(headline), levelDetails(level, files, job));
  return card;
}
function headlineList(h) {
  const list = make("dl"), away = h.peak_away_from_endplates, error = h.expected_error;
  const add = (name, value) => list.append(make("dt", name), make("dd", value));
  if (away) add("Peak away from the endplates", mpa(away.value_mpa));
  add("99th percentile, " + (h.body_p99_mpa === null ? "whole vertebra" : "body"), mpa(h.body_p99_mpa ?? h.p99_mpa));
  add("Expected error", error ? ofPeak(error.total_percent) + " of the peak" : "not known");
  if (h.bone) { add("Trabecular density", densityInWords(h.bone)); add("Stiffness and linear strength", `${kilo(h.bone.stiffness_n_per_mm, 1)} kN/mm, ${kilo(h.bone.linear_strength_newton, 2)} kN`); }
  if (h.level_verified !== null) add("Level", h.level_verified ? "verified" : "not verified: check it first");
  return list;
}
function levelDetails({vertebra, problem}, files, job) {
  const whole = make("details", null, {class: "level"}), choice = problem?.alternatives?.length;
  whole.append(make("summary", choice ? `Which one is ${vertebra}? See the candidates` : problem ? `Why ${vertebra} is refused` : `${vertebra} in full: how sure, where, 3-D view`));
  if (problem) {
    const pictures = Object.fromEntries(Object.entries(files).map(([name, result]) => [name, result.url]));
    whole.append(...describeProblem(problem), ...describeRefusal({...job, error: problem, params: {...job.params, vertebra}}, pictures));
  } else whole.addEventListener("toggle", () => showLevel(whole, vertebra, files), {once: true});
  return whole;
}
async function showLevel(whole, vertebra, files) {
  whole.append(...describeReport(await (await api(files["report.json"].url)).json()));
  if (files["report.pdf"]) {
    const paper = make("p", "For paper and for the record: ");
    paper.append(make("a", `the report of ${vertebra} on one page (PDF)`, {href: files["report.pdf"].url, target: "_blank", rel: "noopener"}));
    whole.append(paper);
  }
  if (!files["viewer.html"]) return;
  const alone = make("p");
  alone.append(make("a", "Open the 3-D view in a window of its own", {href: files["viewer.html"].url, target: "_blank", rel: "noopener"}));
  whole.append(alone, make("iframe", null, {src: files["viewer.html"].url, title: `Interactive 3-D view of the stress in ${vertebra}`, sandbox: "allow-scripts"}));
}

// The patient's own bone: density beside its reference lines, stiffness and strength, each with what it is not.
const SVG = "http://www.w3.org/2000/svg";
const draw = (tag, attributes, text) => { const e = document.createElementNS(SVG, tag); for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v); if (text != null) e.textContent = text; return e; };
const kilo = (newton, digits) => (newton / 1000).toFixed(digits);
const CALIBRATED_BY = {phantom: "Calibrated with a phantom.", internal: "Calibrated with tissues of the scan itself."};
const UNCALIBRATED = "UNCALIBRATED";
function describeBone(report) {
  const bone = report.bone;
  if (!bone) return [make("p", "The bone counts as equally stiff everywhere and in everybody: two vertebrae of one shape get the same stress, whatever their density.", {class: "note"})];
  const card = make("section", null, {class: bone.calibration.calibrated ? "bone" : "bone guessed", "aria-label": "The patient's own bone"});
  card.append(make("h2", "The patient's own bone"), ...calibrationInWords(bone.calibration), densityFigure(bone), boneTable(report), ...limitsOfBone(report));
  return [card];
}
function calibrationInWords({calibrated, kind, slope, intercept, measure, internal, tube_voltage_kv: tube}) {
  const line = `Density in mg/cm³ = ${slope.toPrecision(3)} × HU${intercept ? ` ${intercept < 0 ? "−" : "+"} ${Math.abs(intercept).toPrecision(3)}` : ""}${measure === "k2hpo4" ? "" : `, of ${measure}; below as K2HPO4`}. Tube voltage ${tube ? `${tube} kV` : "not known"}.`;
  if (calibrated) return [make("p", `${CALIBRATED_BY[kind] || "Calibrated."} ${line} Research, not diagnosis.`), ...(internal ? [tissuesOf(internal)] : [])];
  const loud = make("p", null, {class: "caution"});
  loud.append(make("b", `${UNCALIBRATED}. `), `Nothing calibrated this CT: density, stiffness and strength are guesses that may be off by 30 % and more. ${line} Research, not diagnosis.`);
  return [loud];
}
function tissuesOf({references, effective_energy_kev: energy, r2, method}) {
  const found = Object.entries(references).map(([name, {hounsfield, used}]) => `${name} ${hounsfield.toFixed(0)} HU${used ? "" : " (not fitted)"}`).join(", ");
  return make("p", `Found: ${found}. Effective energy ${energy.toFixed(0)} keV, R² ${r2.toFixed(4)}; method ${method}.`, {class: "note"});
}
const zoneOf = (density, {osteoporotic_mg_cm3: first, low_mg_cm3: second}) =>
  density < first ? `below the line of osteoporosis (${first})` : density <= second ? `between the lines of osteoporosis (${first}) and of low bone mass (${second})` : `above the line of low bone mass (${second})`;
const NO_MEASUREMENT = "lines for orientation; this number is no measurement";
const isMeasured = ({calibrated, contrast_agent: contrast}) => calibrated && !contrast;
const comparableDensity = ({calibration: {internal}, trabecular_density_mg_cm3: reported}) => internal ? internal.water_line_density_mg_cm3 : reported;  // with the reference lines
function densityFigure(bone) {
  const reported = bone.trabecular_density_mg_cm3, value = comparableDensity(bone), guess = bone.calibration.calibrated ? "" : `, ${UNCALIBRATED}`, figure = make("figure");
  const lead = value === reported ? `Trabecular density ${value.toFixed(0)} mg/cm³ K2HPO4${guess}` : `Trabecular density ${reported.toFixed(0)} mg/cm³ K2HPO4 by the calibration of this job (hollow mark); by the line of K2HPO4 in water, which a phantom has, ${value.toFixed(0)} mg/cm³ (full mark)`;
  const rest = reported > value ? " Stiffness and strength rest on the higher density (hollow mark): up to half again as high where bone is sparse." : "";
  const text = `${lead}: ${isMeasured(bone.calibration) ? zoneOf(value, bone) : NO_MEASUREMENT}.${rest} These are the ACR's lines for the mean of two lumbar vertebrae.`;
  const end = Math.max(200, 50 * Math.ceil(Math.max(value, reported) / 50)), x = density => 10 + 380 * Math.min(Math.max(density, 0), end) / end;
  const scale = draw("svg", {viewBox: "0 0 400 74", role: "img", "aria-label": text, class: "scale"}), lines = [bone.osteoporotic_mg_cm3, bone.low_mg_cm3];
  scale.append(draw("line", {x1: 10, x2: 390, y1: 44, y2: 44, class: "axis"}));
  for (const tick of [0, end, ...lines]) {
    const isLine = lines.includes(tick);
    scale.append(draw("line", {x1: x(tick), x2: x(tick), y1: isLine ? 26 : 40, y2: 48, class: isLine ? "reference" : "axis"}), draw("text", {x: x(tick), y: 64, "text-anchor": tick === end ? "end" : "middle"}, tick));
  }
  if (value !== reported) scale.append(draw("path", {d: `M${x(reported)} 42l-7-14h14z`, class: "other"}));
  scale.append(draw("path", {d: `M${x(value)} 42l-7-14h14z`, class: "value"}), draw("text", {x: Math.min(Math.max(x(value), guess ? 90 : 30), guess ? 310 : 370), y: 20, "text-anchor": "middle", class: "value"}, value.toFixed(0) + guess));
  figure.append(scale, make("figcaption", text));
  return figure;
}
function boneTable({bone: {strength, nonlinear}, load_newton: load, load_case: loadCase, moments, body_weight: weight}) {
  const {linear_strength_newton: linear, fragile_women_newton: women, fragile_men_newton: men} = strength;
  const rows = [
    ["Stiffness", `${kilo(strength.stiffness_n_per_mm, 1)} kN/mm`, `load over the shortening of the body${loadCase === "caps" ? " and the cement" : ""}, the body ${strength.body_height_mm.toFixed(0)} mm high`],
    ["Linear strength", `${kilo(linear, 2)} kN`, "0.0068 × stiffness × height (Crawford 2003)"],
    ["Pistoia's strength", `${kilo(strength.pistoia_strength_newton, 2)} kN`, "load that strains 2 % of the body beyond 0.7 % (Pistoia 2002)"],
    ...(nonlinear ? [["Nonlinear strength", `${kilo(nonlinear.strength_newton, 2)} kN`, `force between plates at ${nonlinear.strain_percent} % of the height, where the bone gives way`]] : []),
    ["Load over strength", strength.load_over_strength.toFixed(2), `${newtons(load)} of this job${weight ? " (weight alone, without muscle forces)" : ""} over the linear strength; not a daily activity${moments ? "; compression alone, the moment is not in it" : ""}`],
    ["Body beyond yield", percent(strength.beyond_yield_share), `share of the volume under the load${moments ? " and the moment" : ""} of this job`],
  ];
  const softer = loadCase === "traction" ? "Under an even pressure a bone reads about a tenth softer than between plates, for which the factor 0.0068 was found: run again with a rigid plate for stiffness and strength. " : "";
  const bent = moments ? "Stiffness and strengths are of compression alone; the moment is not in them. " : "";
  const crushed = nonlinear ? "On one published L2 the crushed strength is a third below the linear one. " : "";
  const whole = make("div", null, {class: "scrolls", tabindex: "0", role: "region", "aria-label": "Stiffness and strength"});
  whole.append(table(["Stiffness and strength", "Value", "What it is"], rows), make("p", `${bent}${softer}${crushed}Biomechanical CT calls a vertebra fragile at or below ${kilo(women, 1)} kN in women and ${kilo(men, 1)} kN in men, by a nonlinear model of its own. The strengths above are not on that scale: do not compare them with these lines.`, {class: "note"}));
  return whole;
}
function limitsOfBone({bone: {law_citation: law, beyond_law_share: beyond, regions}, moments}) {
  const limits = make("details"), list = make("ul"), part = make("details");
  for (const text of [
    `The load is idealised: ${moments ? "" : "no bending, "}no muscles, no discs.`,
    "Calibrations, laws and the factor 0.0068 scatter by 20 to 30 % between people. Only numbers of one law and one calibration compare.",
    "The cortical shell is thinner than a voxel; bone is taken as equally stiff in all directions.",
    "The yield stress is that of trabecular bone, so the yield ratio is too high in the cortex.",
    `${percent(beyond)} of the volume is denser or less dense than the bone that the law was measured on. ${law}.`,
  ]) list.append(make("li", text));
  limits.append(make("summary", "What these numbers are not"), list);
  part.append(make("summary", "Density and modulus by region"), table(["Region", "Density, mg/cm³ K2HPO4", "Young's modulus, MPa"],
    Object.entries(regions).map(([name, r]) => [words(name), r.density_mg_cm3.toFixed(0), r.young_modulus_mpa.toFixed(0)])));
  return [part, limits];
}

// The parameters of a job in a form (`params_fields.html`): from the fields to JSON and back.
const POINT_HELP = "The point needs three numbers: x, y, z in mm.";
const LINE_HELP = "The phantom's line needs a slope above 0 and an intercept. Whoever scanned the phantom has them.";
const LOAD_HELP = "Give the load or the body weight, not both.";
const NEWTON_MM = 1000;                                       // of a newton metre
const BOTH_HELP = "There is no prediction to compare with: with the bone's own density, with a bending moment, or with a load other than an even pressure, the stress is solved with finite elements. Choose another method.";
function readParams(form) {  // every field; null where it is left open. Throws the text for the person who must correct it.
  const field = name => form.elements[name].value.trim(), seed = field("seed");
  const params = {
    vertebra: field("vertebra").startsWith("[") ? JSON.parse(field("vertebra")) : field("vertebra") || null, mask_label: field("mask_label") ? Number(field("mask_label")) : null,
    mask_convention: field("mask_convention") || "auto", seed_ras_mm: seed ? seed.split(/[\s,;]+/).map(Number) : null,
    on_uncertain_level: field("on_uncertain_level"), ...readLoad(form, field), fidelity: field("fidelity"),
    load_case: field("load_case"), material: field("material"), density_law: field("density_law"), strength: field("material") === "density" ? field("strength") : "linear", calibration: readCalibration(field),
  };
  if (params.fidelity === "both" && mustSolve(params)) throw new Error(BOTH_HELP);
  if (seed && (params.seed_ras_mm.length !== 3 || params.seed_ras_mm.some(v => !Number.isFinite(v)))) throw new Error(POINT_HELP);
  return params;
}
const CALIBRATIONS = {phantom: "a phantom calibrates it", internal: "the tissues of the scan calibrate it", none: "UNCALIBRATED"};
function askedInWords({vertebra, load_newton: load, body_weight_kg: weight, load_case: how, moments, material, calibration, strength, fidelity}) {
  const level = vertebra === null ? "the level that the mask says" : vertebra === "all" ? "all levels" : [vertebra].flat().join(", ");
  const force = weight ? `the weight above the level of a body of ${weight} kg` : `${load} N`, pressed = how === "traction" ? "" : ` (${words(how)})`;
  const bone = material === "density" ? `bone of its own density, ${CALIBRATIONS[calibration.kind]}` : "bone that is equally stiff everywhere";
  const bent = moments ? `, moments ${moments.flexion / NEWTON_MM} N m forward and ${moments.lateral / NEWTON_MM} N m to the right` : "";
  return `Asked for: ${level}; ${force}${pressed}${bent}; ${bone}${strength === "nonlinear" ? ", crushed in the model" : ""}${fidelity === "both" ? "; prediction and finite elements" : fidelity === "fe" ? "; finite elements" : ""}.`;
}
const mustSolve = ({material, load_case, moments}) => material === "density" || load_case !== "traction" || Boolean(moments);
function readLoad(form, field) {
  const weight = Number(field("body_weight_kg")) || null, standard = Number(form.elements.load_newton.defaultValue), load = Number(field("load_newton"));
  if (weight && load !== standard) throw new Error(LOAD_HELP);
  const [flexion, lateral] = ["flexion", "lateral"].map(name => field("load_case") === "traction" ? NEWTON_MM * field(name) : 0);
  return {load_newton: load, body_weight_kg: weight, moments: flexion || lateral ? {flexion, lateral} : null};
}
function readCalibration(field) {
  const kind = field("calibration");
  if (field("material") !== "density") return null;
  if (kind === "internal") return {kind, method: field("internal_method")};
  if (kind !== "phantom") return {kind};
  if (!(field("slope") > 0) || field("intercept") === "") throw new Error(LINE_HELP);
  return {kind, slope: Number(field("slope")), intercept: Number(field("intercept")), measure: field("measure")};
}
function showNeeded(form) {  // only what the other choices ask for
  const value = name => form.elements[name].value, hasDensity = value("material") === "density";
  const needs = {density: hasDensity, phantom: hasDensity && value("calibration") === "phantom", none: hasDensity && value("calibration") === "none", internal: hasDensity && value("calibration") === "internal",
    traction: value("load_case") === "traction", solved: mustSolve({material: value("material"), load_case: value("load_case"), moments: +value("flexion") || +value("lateral")})};
  for (const part of form.querySelectorAll("[data-needs]")) {
    part.hidden = !needs[part.dataset.needs];
    for (const control of part.querySelectorAll("input, select")) control.disabled = part.hidden;  // it must not stop the form unseen
  }
}
function fillParams(form, params) {
  const set = (name, value) => { const field = form.elements[name]; if (!field.options || [...field.options].some(o => o.value === value)) field.value = value; };
  if (Array.isArray(params.vertebra)) {  // levels that no choice of the form offers
    const value = JSON.stringify(params.vertebra);
    form.elements.vertebra.append(make("option", params.vertebra.join(", "), {value})); set("vertebra", value);
  } else if (params.vertebra) set("vertebra", params.vertebra);
  for (const name of ["mask_label", "on_uncertain_level", "load_newton", "fidelity", "load_case", "material", "density_law", "strength", "body_weight_kg"]) if (params[name] != null) set(name, String(params[name]));
  if (params.mask_convention && params.mask_convention !== "auto") set("mask_convention", params.mask_convention);
  if (params.seed_ras_mm) set("seed", params.seed_ras_mm.join(", "));
  for (const [name, moment] of Object.entries(params.moments || {})) if (moment) set(name, String(moment / NEWTON_MM));
  if (params.calibration) {
    set("calibration", params.calibration.kind);
    if (params.calibration.method) set("internal_method", params.calibration.method);
    for (const name of ["slope", "intercept", "measure"]) if (params.calibration[name] != null) set(name, String(params.calibration[name]));
  }
  form.addEventListener("change", () => showNeeded(form)); showNeeded(form);
}

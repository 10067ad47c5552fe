// The parameters of a job in a form (`params_fields.html`): from the fields to JSON and back.
const POINT_HELP = "The point needs three numbers: x, y, z in mm.";
function readParams(form) {  // every field; null where it is left open. Throws the text for the person who must correct it.
  const field = name => form.elements[name].value.trim(), seed = field("seed");
  const params = {
    vertebra: field("vertebra").startsWith("[") ? JSON.parse(field("vertebra")) : field("vertebra") || null, mask_label: field("mask_label") ? Number(field("mask_label")) : null,
    mask_convention: field("mask_convention") || "auto", seed_ras_mm: seed ? seed.split(/[\s,;]+/).map(Number) : null,
    on_uncertain_level: field("on_uncertain_level"), load_newton: Number(field("load_newton")), fidelity: field("fidelity"),
  };
  if (seed && (params.seed_ras_mm.length !== 3 || params.seed_ras_mm.some(v => !Number.isFinite(v)))) throw new Error(POINT_HELP);
  return params;
}
function fillParams(form, params) {
  const set = (name, value) => { const field = form.elements[name]; if (!field.options || [...field.options].some(o => o.value === value)) field.value = value; };
  if (Array.isArray(params.vertebra)) {  // levels that no choice of the form offers
    const value = JSON.stringify(params.vertebra);
    form.elements.vertebra.append(make("option", params.vertebra.join(", "), {value})); set("vertebra", value);
  } else if (params.vertebra) set("vertebra", params.vertebra);
  for (const name of ["mask_label", "on_uncertain_level", "load_newton", "fidelity"]) if (params[name] != null) set(name, String(params[name]));
  if (params.mask_convention && params.mask_convention !== "auto") set("mask_convention", params.mask_convention);
  if (params.seed_ras_mm) set("seed", params.seed_ras_mm.join(", "));
}

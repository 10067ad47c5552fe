// The labels of a job: from text to JSON, and as text.
const LABEL_HELP = "A label needs a key, an equals sign and a value: study=spine-2026.";
function readLabels(text) {  // throws the text for the person who must correct it
  const labels = {};
  for (const part of text.split(",").map(t => t.trim()).filter(Boolean)) {
    const [, key, value] = /^([^=]+?)\s*=\s*(.+)$/.exec(part) || [];
    if (!key) throw new Error(LABEL_HELP);
    labels[key] = value;
  }
  return labels;
}
function labelChips(labels, choose) {  // with `choose` each is a button that shows the jobs with this label
  return Object.entries(labels).map(([key, value]) => {
    const text = `${key}=${value}`, chip = choose ? make("button", text, {type: "button", class: "chip", title: `Show the jobs with ${text}`}) : make("span", text, {class: "chip"});
    if (choose) chip.addEventListener("click", () => choose(text));
    return chip;
  });
}

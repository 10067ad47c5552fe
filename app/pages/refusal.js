// What a failed job's page shows: the problem, the pictures of what was seen, and the candidates to choose from.
const sentence = text => text[0].toUpperCase() + text.slice(1) + ".";
function describeProblem(problem) {
  const parts = [make("p", asSentence(problem.title), {class: "warning"}), make("p", inFormWords(problem.detail))], checks = make("dl");
  for (const [name, text] of [["Expected", problem.expected], ["Found", problem.got]]) if (text) checks.append(make("dt", name), make("dd", inFormWords(text)));
  return checks.childElementCount ? [...parts, checks] : parts;
}
function describeRefusal(job, pictures) {
  const {alternatives: candidates = [], row = []} = job.error, parts = [];
  if (pictures["spine.png"] || row.length) parts.push(make("h2", "What the networks saw"));
  if (pictures["spine.png"]) parts.push(figure(pictures["spine.png"], "The row of vertebral bodies, seen from the side."));
  if (row.length) parts.push(rowTable(row));
  if (candidates.length) {
    const list = make("ol", null, {class: "candidates"});
    list.append(...candidates.map((candidate, i) => describeCandidate(candidate, pictures[`candidate-${i + 1}.png`], job, row)));
    parts.push(make("h2", `Which one is ${job.params.vertebra}?`), make("p", "If you know, choose it. The next job then takes your word for the level."), list);
  }
  const shown = name => name === "spine.png" || /^candidate-\d+\.png$/.test(name) && candidates.length;
  const others = Object.entries(pictures).filter(([name]) => !shown(name));
  return [...parts, ...others.map(([name, url]) => figure(url, sentence(name.replace(/\.png$/, "").replace(/[-_]/g, " "))))];
}
function figure(url, text) {
  const whole = make("figure");
  whole.append(make("img", null, {src: url, alt: text}), make("figcaption", text));
  return whole;
}
function describeCandidate(candidate, picture, job, row) {
  const {vertebra} = job.params, item = make("li"), button = make("button", "This one", {type: "button"});
  const body = row.find(b => b.centre_ras_mm.every((v, k) => Math.abs(v - candidate.centre_ras_mm[k]) < 0.1));
  const named = body && body.level ? `; in the row the networks call it ${body.level}` : "";
  const text = `${vertebra} with a probability of ${percent(candidate.probability)}${named}.`;
  item.append(picture ? figure(picture, text) : make("p", text), button);
  button.addEventListener("click", () => { item.parentElement.querySelectorAll(".chosen").forEach(e => e.remove()); item.append(seedToSend(candidate, job)); });
  return item;
}
function seedToSend(candidate, job) {
  const params = job.params;
  const seed = place(candidate.centre_ras_mm), chosen = make("p", null, {class: "chosen", role: "status"});
  const query = new URLSearchParams({vertebra: params.vertebra, seed, load_newton: params.load_newton, fidelity: params.fidelity});
  chosen.append("Its seed is ", make("code", seed), ". ");
  if (maySubmit && !job.input.mask) {
    const again = make("button", "Run this CT again with it", {type: "button", class: "small"});
    again.addEventListener("click", () => runAgain({vertebra: params.vertebra, seed_ras_mm: candidate.centre_ras_mm}));
    chosen.append(again, " Or ");
  }
  chosen.append(make("a", "open the form with this seed", {href: root + "/?" + query}), " for another CT.");
  return chosen;
}

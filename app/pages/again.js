// Running a job's stored files again: with a candidate's seed, or with parameters that a person changes.
async function runAgain(changes, complain = showProblem) {
  const response = await api(path + "/retry", {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(changes)});
  if (response.ok) location.href = (await response.json()).links.page; else complain(await readProblem(response));
}
const complainAgain = text => { $("again-message").textContent = text; $("again-message").className = "problem"; };
let offered = false;
function offerAgain(job, ended) {  // once: a later event must not undo what the person has typed
  if (!ended || !maySubmit || offered) return;
  offered = true;
  const form = $("again-form"), other = job.input.mask ? "ct" : "mask";
  for (const label of form.querySelectorAll(`[data-for=${other}]`)) label.hidden = true;
  fillParams(form, job.params);
  $("again").hidden = false; $("again").open = job.state !== "succeeded";
  form.addEventListener("submit", event => {
    event.preventDefault();
    try { runAgain(changed(job.params, readParams(form)), complainAgain); } catch (error) { complainAgain(error.message); }
  });
}
function changed(before, after) {
  const same = (a, b) => JSON.stringify(a ?? null) === JSON.stringify(b ?? null);
  return Object.fromEntries(Object.entries(after).filter(([name, value]) => !same(before[name], value)));
}
function nameJob(job) {
  if (!job.name) return;
  $("heading").textContent = job.name; document.title = job.name + " – Vertebra stress";
}

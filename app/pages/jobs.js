// The list of jobs: what tells one from the other, warnings above all. It is read again every 5 s.
const PAGE = 20, READ_AGAIN_MS = 5000;
let pages = 1;
const stateInWords = job => {
  const left = job.seconds_left === null ? "" : `, ${aboutInWords(job.seconds_left)} left`;
  if (job.state === "running") return `running: ${stageInWords(job)}, ${percentDone(job)}${left}`;
  if (job.state === "queued") return `queued${placeInWords(job)}${left}`;
  return job.state === "failed" && job.error ? `failed: ${job.error.title}` : job.state;
};
function warningsCell([first, ...others]) {
  const cell = make("td", first || "");
  if (!first) return cell;
  cell.className = "caution";
  if (others.length) { const more = make("details"); more.append(make("summary", `${others.length} more`), ...others.map(text => make("p", text))); cell.append(more); }
  return cell;
}
function jobRow(job) {
  const row = make("tr"), name = make("td");
  name.append(make("a", job.name || job.id.slice(0, 8), {href: job.links.page}));
  if (job.retry_of) name.append(make("br"), make("span", "tried again", {class: "note"}));
  if (Object.keys(job.labels).length) name.append(make("br"), ...labelChips(job.labels, chooseLabel));
  row.append(name, make("td", levelInWords(job)), make("td", stateInWords(job)), warningsCell(job.warnings || []),
    make("td", new Date(job.created_at).toLocaleString()));
  return row;
}
function levelInWords({params: {vertebra}, levels_done: done, vertebra: found}) {
  if (vertebra === null) return found === "unknown" ? "unknown: the mask does not say it" : found ? `${found}, as the mask says` : "the one that the mask says";
  const asked = vertebra === "all" ? "all levels" : [vertebra].flat().join(", "), answered = (done || []).join(", ");
  return !answered || answered === asked ? asked : `${asked}; done: ${answered}`;
}
async function listJobs() {
  const jobs = [], state = $("filter").value, label = $("label-filter").value.trim();
  let cursor = null;
  for (let page = 0; page < pages && (page === 0 || cursor); page++) {
    const query = new URLSearchParams({limit: PAGE, ...(state && {state}), ...(label && {label}), ...(cursor && {cursor})});
    const response = await api(root + "/v1/jobs?" + query);
    $("label-filter").setAttribute("aria-invalid", response.status === 422);
    if (!response.ok) return;
    const found = await response.json();
    jobs.push(...found.jobs); cursor = found.next_cursor;
  }
  const open = new Set([...document.querySelectorAll("#jobs details[open]")].map(e => e.closest("tr").querySelector("a").href));
  $("jobs").replaceChildren(...jobs.map(jobRow));
  for (const row of $("jobs").children) if (open.has(row.querySelector("a").href)) row.querySelector("details")?.setAttribute("open", "");
  $("no-jobs").hidden = jobs.length > 0; $("older").hidden = !cursor;
}
const readList = () => listJobs().catch(() => {});
$("label-filter").addEventListener("change", () => { pages = 1; readList(); });
const chooseLabel = text => { $("label-filter").value = text; pages = 1; readList(); };
$("filter").addEventListener("change", () => { pages = 1; readList(); });
$("older").addEventListener("click", () => { pages++; readList(); });
readList(); setInterval(readList, READ_AGAIN_MS);

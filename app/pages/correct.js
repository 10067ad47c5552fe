// A mask for a job whose outline is wrong, and the jobs that run the same CT.
let correctionOffered = false;
function offerCorrection(job, ended) {
  if (!ended || !maySubmit || correctionOffered) return;
  correctionOffered = true;
  const form = $("correct-form"), one = [job.params.vertebra].flat();
  if (one.length === 1 && one[0] && one[0] !== "all") form.elements.vertebra.value = one[0];
  $("correct").hidden = false;
  form.addEventListener("submit", event => { event.preventDefault(); sendMask(form, job); });
}
async function sendMask(form, job) {
  const body = new FormData(), level = form.elements.vertebra.value, label = form.elements.mask_label.value, button = form.querySelector("button");
  body.append("params", JSON.stringify({vertebra: level || null, ...(label && {mask_label: Number(label)})}));
  body.append("mask", form.elements.mask.files[0], "mask");
  const complain = text => { $("correct-message").textContent = text; $("correct-message").className = "problem"; button.disabled = false; $("sent").hidden = true; $("sent-text").textContent = ""; };
  button.disabled = true; $("correct-message").className = ""; $("correct-message").textContent = "Uploading…";
  try {
    const answer = await sendForm(path + "/retry", body, showSent);
    if (answer.job) { location.href = answer.job.replace("/v1/jobs/", "/jobs/"); return; }
    if (answer.status === 401) return toSignIn(true);
    complain(textOfProblem(answer.status, answer.text));
  } catch { complain("The server does not answer. Look whether this computer is still connected, then send the mask again."); }
}
async function showRelated(job, ended) {
  const parts = [], link = other => make("a", other.name || other.id.slice(0, 8), {href: other.links.page});
  if (job.retry_of) {
    const response = await api(root + "/v1/jobs/" + job.retry_of), earlier = response.ok && await response.json();
    parts.push(job.corrects ? "The mask of this job corrects the outline of " : "Same CT as ", earlier ? link(earlier) : `job ${job.retry_of.slice(0, 8)}, which is deleted`, ". ");
  }
  const later = ended ? (await (await api(root + "/v1/jobs?" + new URLSearchParams({retry_of: job.id}))).json()).jobs || [] : [];
  for (const [which, text] of [[true, "Corrected by "], [false, "Run again as "]]) {
    const found = later.filter(other => Boolean(other.corrects) === which);
    if (found.length) parts.push(text, ...found.flatMap((other, i) => i ? [", ", link(other)] : [link(other)]), ". ");
  }
  $("related").replaceChildren(...parts); $("related").hidden = parts.length === 0;
}

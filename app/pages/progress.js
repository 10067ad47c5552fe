// What a job does at present, in words.
const STAGES = {
  fetch: "fetching the files", read: "reading the files", mask: "checking the mask", localise: "looking for the vertebra",
  segment: "outlining the vertebra", surface: "making its surface", morph: "fitting the mesh", material: "reading the bone's density",
  predict: "predicting the stress",
  solve: "solving with finite elements", crush: "crushing the bone in the model", write: "writing the results", publish: "storing the results",
};
const stageInWords = ({level, stage}) => `${level ? level + ", " : ""}${STAGES[stage] || stage || "starting"}`;
const percentDone = job => `${Math.round(job.percent)}\u00a0%`;
const placeInWords = ({queue_place: place}) => place === null ? "" : place === 1 ? ": next in the queue" : `: place ${place} in the queue`;
const aboutInWords = seconds => seconds < 90 ? `about ${Math.max(5, 5 * Math.round(seconds / 5))}\u00a0s` : `about ${Math.round(seconds / 60)}\u00a0min`;
let leftTimer;
function showLeft({seconds_left: left}) {  // counts down between two looks at the job; nothing where nobody knows
  const end = performance.now() + 1000 * left;
  const tell = () => { const now = (end - performance.now()) / 1000; $("left").hidden = now <= 0; $("left").textContent = `It should end in ${aboutInWords(now)}, as recent jobs like it did.`; };
  clearInterval(leftTimer); $("left").hidden = true;
  if (left !== null) { tell(); leftTimer = setInterval(tell, 1000); }
}

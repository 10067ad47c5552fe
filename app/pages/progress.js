// What a job does at present, in words.
const STAGES = {
  fetch: "fetching the files", read: "reading the files", mask: "checking the mask", localise: "looking for the vertebra",
  segment: "outlining the vertebra", surface: "making its surface", morph: "fitting the mesh", predict: "predicting the stress",
  solve: "solving with finite elements", write: "writing the results", publish: "storing the results",
};
const stageInWords = ({level, stage}) => `${level ? level + ", " : ""}${STAGES[stage] || stage || "starting"}`;
const percentDone = job => `${Math.round(job.percent)}\u00a0%`;

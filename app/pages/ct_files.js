// The CT of a form: one file, several DICOM files, or a folder of them, chosen or dropped on the form.
let dropped = [];
function ctFiles(form) {
  const chosen = [...form.elements.ct.files], folder = [...form.elements.folder.files];
  return dropped.length ? dropped : folder.length ? folder : chosen;
}
function appendCt(body, files) {  // no name of a file is sent: it may be a patient's
  if (files.length === 1) body.append("ct", files[0], "ct");
  else for (const file of files) body.append("dicom", file, "dicom");
}
async function filesIn(entry) {  // of a file or a folder that was dropped; a folder gives its entries in pieces
  if (entry.isFile) return [await new Promise((resolve, reject) => entry.file(resolve, reject))];
  const reader = entry.createReader(), files = [];
  for (;;) {
    const piece = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!piece.length) return files;
    for (const inner of piece) files.push(...await filesIn(inner));
  }
}
function describeFiles(files) {
  if (!files.length) return "";
  const bytes = files.reduce((sum, file) => sum + file.size, 0), size = `${(bytes / 1e6).toFixed(1)}\u00a0MB`;
  return files.length === 1 ? `CT: ${files[0].name}, ${size}.` : `CT: ${files.length} files, ${size}. The service chooses the CT series among them.`;
}
function acceptDrops(form, told) {
  const tell = () => told(describeFiles(ctFiles(form)));
  form.addEventListener("dragover", event => event.preventDefault());
  form.addEventListener("drop", async event => {
    event.preventDefault();
    const entries = [...event.dataTransfer.items].map(item => item.webkitGetAsEntry()).filter(Boolean);
    dropped = (await Promise.all(entries.map(filesIn))).flat();
    form.elements.ct.value = form.elements.folder.value = "";
    tell();
  });
  for (const [field, other] of [[form.elements.ct, form.elements.folder], [form.elements.folder, form.elements.ct]])
    field.addEventListener("change", () => { dropped = []; other.value = ""; tell(); });
}

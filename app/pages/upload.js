// Sending a form with a bar that shows how much has arrived: `fetch` does not tell.
function sendForm(path, body, told) {  // resolves to the status, the path of the job if one was made, and the answer's text
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest(), begin = performance.now();
    request.open("POST", path);
    request.setRequestHeader(...pageToken);
    request.upload.onprogress = e => { if (e.lengthComputable) told(e.loaded / e.total, (performance.now() - begin) / 1000); };
    request.onload = () => resolve({status: request.status, job: request.getResponseHeader("Location"), text: request.responseText});
    request.onerror = () => reject(new Error("no answer"));
    request.send(body);
  });
}
function showSent(share, seconds) {
  const left = Math.ceil(seconds * (1 - share) / Math.max(share, 0.001));
  $("sent").hidden = false; $("sent").value = share;
  $("sent-text").textContent = share < 1 ? `${Math.round(100 * share)}\u00a0% sent, about ${left}\u00a0s left` : "The service stores the files.";
}

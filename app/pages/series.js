// The DICOM series of an upload: which one was read, and another to choose.
function describeSeries(job) {
  const {series = [], dicom} = job.error;
  if (!series.length && !dicom?.others.length) return [];
  const listed = series.length ? series : [dicom.series, ...dicom.others], read = dicom?.series.id;
  const wide = make("div", null, {class: "scrolls stack", tabindex: "0", role: "region", "aria-label": "DICOM series"});
  wide.append(seriesTable(listed, read));
  const choice = listed.some(one => !one.left_out && one.id !== read);
  const how = !choice ? "No other one can be read." : `${read ? "If another one is meant, choose it." : "Choose the one that is meant."} Nothing is uploaded again.`;
  return [make("h2", choice ? "Which series?" : "The series of the upload"), make("p", how), wide];
}
function seriesTable(listed, read) {
  const whole = make("table"), head = make("tr"), body = make("tbody"), top = make("thead");
  for (const title of ["Series", "Slices", "Apart", "Direction", "Kernel", ""]) head.append(make("th", title, {scope: "col"}));
  for (const one of listed) {
    const row = make("tr"), apart = one.spacing_mm === null ? "" : `${one.spacing_mm}\u00a0mm`;
    row.append(make("td", one.id.slice(0, 8), {title: one.id}), ...[one.slices, apart, one.orientation || "", one.kernel || ""].map(text => make("td", text)), choiceOf(one, read));
    body.append(row);
  }
  top.append(head); whole.append(top, body);
  return whole;
}
function choiceOf(one, read) {
  if (one.id === read) return make("td", "was read");
  if (one.left_out || !maySubmit) return make("td", one.left_out || "");
  const cell = make("td"), button = make("button", "Read this one", {type: "button", class: "small"});
  button.addEventListener("click", () => runAgain({series_uid: one.id}));
  cell.append(button);
  return cell;
}

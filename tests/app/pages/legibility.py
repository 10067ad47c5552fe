"""What of a page is too faint to read, by the rules for contrast of WCAG 2.2 AA."""

TOO_FAINT = """(() => {
  const rgb = (c) => c.match(/[\\d.]+/g).slice(0, 3).map((v) => v / 255);
  const light = (c) => rgb(c).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, k) => sum + v * [0.2126, 0.7152, 0.0722][k], 0);
  const contrast = (a, b) => { const [x, y] = [light(a), light(b)].sort(); return (y + 0.05) / (x + 0.05); };
  const paper = getComputedStyle(document.body).backgroundColor;
  const read = "p, li, dt, dd, h1, b, label, legend, select, button, input, summary, th, td, a, #probe, span";
  const words = [...document.querySelectorAll(read)].filter((e) => e.innerText)
    .map((e) => [e.innerText, contrast(getComputedStyle(e).color, paper), 4.5]);
  const edges = [...document.querySelectorAll("select, button, input:not([type=range], [type=checkbox])")]
    .map((e) => [e.id || e.name, contrast(getComputedStyle(e).borderTopColor, paper), 3]);
  return [...words, ...edges].filter(([, got, least]) => got < least); })()"""
"""Words with a contrast below 4.5 and edges of controls below 3: WCAG 2.2, 1.4.3 and 1.4.11."""

// A link shows its document, and of the errors in it those of its class.
document.querySelector(".errors")?.addEventListener("click", (event) => {
  const link = event.target.closest("[data-document]");
  if (!link) return;
  const choice = document.querySelector(".contents select");
  if (choice) {
    choice.selectedIndex = Number(link.dataset.document);
    choice.dispatchEvent(new Event("change"));
  }
  const filters = document.querySelector(".document:not([hidden]) .filters");
  filters.elements.relation.value = "";
  filters.elements.query.value = `${link.dataset.error}:`;
  filters.dispatchEvent(new Event("input"));
});

// Plotly draws with colours that it is given: those of the page, light or dark.
function colorCharts() {
  const style = getComputedStyle(document.documentElement);
  const color = (name) => style.getPropertyValue(`--${name}`).trim();
  const axis = { gridcolor: color("line"), zerolinecolor: color("line"), linecolor: color("line") };
  const colors = { "font.color": color("ink") };
  for (const [name, value] of Object.entries(axis)) {
    colors[`xaxis.${name}`] = value;
    colors[`yaxis.${name}`] = value;
  }
  for (const chart of document.querySelectorAll(".plotly-graph-div")) Plotly.relayout(chart, colors);
}
window.addEventListener("load", colorCharts);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", colorCharts);

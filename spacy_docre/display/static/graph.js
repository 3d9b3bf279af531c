// The graph of the relations that the list shows, drawn by Cytoscape.js: a node an entity, an
// edge for all relations from one entity to another. Of many pairs the strongest are drawn.

const FONT = 'system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif';
const LONGEST_LABEL = 28;
const MOST_NAMES = 3;
// In pixels: the room that a pair has across the canvas, the height of a node, and the gap to others.
const ROOM = 36;
const HEIGHT = 28;
const GAP = 10;
// The most that a small graph is enlarged.
const LARGEST = 1.2;
// Times nodes: the most steps of the layout, so that a large graph does not take long.
const STEPS_OF_NODES = 30000;

function makeGraph(section, acts) {
  const canvas = section.querySelector(".canvas");
  const slider = section.querySelector("[name=number]");
  const places = new Map();
  let pairs = [];
  let limit = Math.max(8, Math.round(canvas.clientWidth / ROOM));
  const cy = cytoscape({ container: canvas, minZoom: 0.05, maxZoom: 4, autounselectify: true,
    boxSelectionEnabled: false, userZoomingEnabled: false });

  function draw(relations) {
    pairs = groupPairs(relations);
    redraw();
  }
  function redraw() {
    const drawn = pairs.slice(0, limit);
    slider.max = Math.max(pairs.length, 1);
    slider.value = drawn.length;
    slider.closest("label").hidden = pairs.length < 2;
    section.querySelector(".drawn").textContent = tellDrawn(drawn, pairs);
    if (exchange(cy, drawn, places)) layOut(cy);
    paint();
    fit(cy);
  }
  function paint() {
    const colors = readColors(canvas);
    cy.nodes().forEach((node) => {
      node.data(nodeColors(node.data("entity"), colors));
    });
    cy.style(graphStyle(colors));
  }

  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
  slider.addEventListener("input", () => { limit = Number(slider.value); redraw(); });
  section.querySelector(".tools").addEventListener("click", (event) => {
    const button = event.target.closest("[data-zoom]");
    if (button) ZOOMS[button.dataset.zoom](cy);
  });
  canvas.addEventListener("keydown", (event) => {
    if (!KEYS[event.key]) return;
    KEYS[event.key](cy);
    event.preventDefault();
  });
  // A wheel scrolls the page, until the graph has been chosen.
  for (const press of ["mousedown", "touchstart"]) {
    canvas.addEventListener(press, () => canvas.focus({ preventScroll: true }));
  }
  canvas.addEventListener("focus", () => cy.userZoomingEnabled(true));
  canvas.addEventListener("blur", () => cy.userZoomingEnabled(false));
  cy.on("mouseover", "node", (event) => acts.overEntities([event.target.data("entity")]));
  cy.on("mouseover", "edge", (event) => acts.overRelations(event.target.data("relations")));
  cy.on("mouseout", "node, edge", acts.out);
  cy.on("mouseover mouseout", "node, edge", (event) => {
    canvas.classList.toggle("pointing", event.type === "mouseover");
  });
  cy.on("tap", "node", (event) => acts.openEntity(event.target.data("entity"), canvas));
  cy.on("tap", "edge", (event) => acts.pinRelation(event.target.data("relations")[0]));
  return {
    draw,
    resize() { cy.resize(); fit(cy); },
    light: (light) => lightGraph(cy, light),
  };
}

// Relations from the same head to the same tail are one edge; the strongest first.
function groupPairs(relations) {
  const pairs = new Map();
  for (const relation of relations) {
    const { head, tail } = relation;
    const id = `${head.index}-${tail.index}`;
    const pair = pairs.get(id) ?? { id, head, tail, score: 0, relations: [] };
    pair.score = Math.max(pair.score, relation.score);
    pair.relations.push(relation);
    pairs.set(id, pair);
  }
  return [...pairs.values()].sort((one, two) => two.score - one.score);
}

function tellDrawn(drawn, pairs) {
  if (!pairs.length) return "No pair of entities to draw.";
  const hidden = pairs.length - drawn.length;
  const all = plural(pairs.length, "pair");
  if (!hidden) return `${all} of entities, all drawn.`;
  const score = drawn.at(-1).score.toFixed(2);
  return `${drawn.length.toLocaleString("en")} of ${all} of entities drawn, from score ${score}; `
    + `${hidden.toLocaleString("en")} weaker hidden.`;
}

// Bring the graph to these pairs. Tells whether some entity has no place yet.
function exchange(cy, pairs, places) {
  const edges = pairs.map(edgeElement);
  const entities = new Set(pairs.flatMap((pair) => [pair.head, pair.tail]));
  const kept = new Set([...edges.map((edge) => edge.data.id), ...[...entities].map(nodeId)]);
  cy.nodes().forEach((node) => { places.set(node.id(), { ...node.position() }); });
  cy.elements().filter((element) => !kept.has(element.id())).remove();
  const added = [...entities].filter((entity) => !cy.getElementById(nodeId(entity)).length);
  const isNew = added.some((entity) => !places.has(nodeId(entity)));
  cy.add(added.map((entity, number) => nodeElement(entity, places.get(nodeId(entity)) ?? spiral(number))));
  for (const edge of edges) {
    const present = cy.getElementById(edge.data.id);
    if (present.length) present.data(edge.data);
    else cy.add(edge);
  }
  return isNew;
}

function nodeId(entity) {
  return `entity ${entity.index}`;
}

function nodeElement(entity, position) {
  const label = shorten(entity.text);
  return { data: { id: nodeId(entity), entity, label, width: textWidth(label) + 22 }, position };
}

function edgeElement({ id, head, tail, relations }) {
  const names = relations.map((relation) => shorten(relation.type.shown));
  const more = names.length - MOST_NAMES;
  const label = [...names.slice(0, MOST_NAMES), ...(more > 0 ? [`and ${more} more`] : [])].join("\n");
  return { data: { id, source: nodeId(head), target: nodeId(tail), relations, label } };
}

function layOut(cy) {
  cy.layout({
    name: "cose",
    animate: false,
    // The same graph always has the same drawing.
    randomize: false,
    fit: false,
    nodeDimensionsIncludeLabels: true,
    idealEdgeLength: () => 90,
    edgeElasticity: () => 100,
    nodeRepulsion: () => 150000,
    nodeOverlap: 30,
    componentSpacing: 70,
    gravity: 0.2,
    coolingFactor: 0.97,
    numIter: Math.min(300, STEPS_OF_NODES / cy.nodes().length),
  }).run();
  const boxes = cy.nodes().map((node) => ({ node, ...node.position(), width: node.data("width") + GAP, height: HEIGHT + GAP }));
  for (let round = 0; round < 100 && pushApart(boxes); round += 1);
  cy.batch(() => boxes.forEach(({ node, x, y }) => node.position({ x, y })));
}

// Move boxes that overlap, each pair along the axis where it takes less. Tells whether some did.
function pushApart(boxes) {
  let moved = false;
  boxes.forEach((one, number) => {
    for (const other of boxes.slice(number + 1)) {
      const overlap = {
        x: (one.width + other.width) / 2 - Math.abs(one.x - other.x),
        y: (one.height + other.height) / 2 - Math.abs(one.y - other.y),
      };
      if (Math.min(overlap.x, overlap.y) < 0.5) continue;
      const axis = overlap.x < overlap.y ? "x" : "y";
      const step = (one[axis] < other[axis] ? -1 : 1) * overlap[axis] / 2;
      one[axis] += step;
      other[axis] -= step;
      moved = true;
    }
  });
  return moved;
}

// Where an entity begins before the layout: the same for the same document.
function spiral(number) {
  const [angle, radius] = [2.4 * number, 60 * Math.sqrt(number + 1)];
  return { x: radius * Math.cos(angle), y: radius * Math.sin(angle) };
}

function shorten(text) {
  const characters = Array.from(text);
  return characters.length <= LONGEST_LABEL ? text : `${characters.slice(0, LONGEST_LABEL - 1).join("")}…`;
}

const measure = document.createElement("canvas").getContext("2d", { willReadFrequently: true });

function textWidth(text) {
  measure.font = `12px ${FONT}`;
  return measure.measureText(text).width;
}

function fit(cy) {
  cy.fit(undefined, 24);
  if (cy.zoom() <= LARGEST) return;
  cy.zoom(LARGEST);
  cy.center();
}

function zoomBy(cy, factor) {
  cy.zoom({ level: cy.zoom() * factor, renderedPosition: { x: cy.width() / 2, y: cy.height() / 2 } });
}

const ZOOMS = {
  in: (cy) => zoomBy(cy, 1.3),
  out: (cy) => zoomBy(cy, 1 / 1.3),
  fit,
};
const KEYS = {
  "+": ZOOMS.in,
  "=": ZOOMS.in,
  "-": ZOOMS.out,
  0: ZOOMS.fit,
  ArrowLeft: (cy) => cy.panBy({ x: 60, y: 0 }),
  ArrowRight: (cy) => cy.panBy({ x: -60, y: 0 }),
  ArrowUp: (cy) => cy.panBy({ x: 0, y: 60 }),
  ArrowDown: (cy) => cy.panBy({ x: 0, y: -60 }),
};

function lightGraph(cy, light) {
  const has = (entities, node) => entities.includes(node.data("entity"));
  const touches = (edge) => light.same.some((entity) => edge.data("relations").some(
    (relation) => relation.head === entity || relation.tail === entity));
  cy.batch(() => {
    cy.elements().removeClass("lit near dim");
    cy.edges().filter((edge) => edge.data("relations").some((one) => light.relations.includes(one))
      || touches(edge)).addClass("lit");
    cy.nodes().filter((node) => ["heads", "tails", "same"].some((kind) => has(light[kind], node))).addClass("lit");
    cy.nodes().filter((node) => has(light.near, node)).addClass("near");
    if (cy.elements(".lit").length) cy.elements().not(".lit, .near").addClass("dim");
  });
}

function readColors(canvas) {
  const style = getComputedStyle(canvas);
  const color = (name) => style.getPropertyValue(`--${name}`).trim();
  return { ink: color("ink"), quiet: color("quiet"), paper: color("paper"), accent: color("accent") };
}

// Cytoscape.js reads fewer forms of colours than browsers do, so these are read from a pixel.
function mix(color, paper, share) {
  measure.globalAlpha = 1;
  measure.fillStyle = paper;
  measure.fillRect(0, 0, 1, 1);
  measure.globalAlpha = share;
  measure.fillStyle = color;
  measure.fillRect(0, 0, 1, 1);
  const [red, green, blue] = measure.getImageData(0, 0, 1, 1).data;
  return `rgb(${red}, ${green}, ${blue})`;
}

function nodeColors(entity, { paper }) {
  const part = (share) => mix(entity.color, paper, share);
  return { fill: part(0.2), strong: part(0.45), border: part(1) };
}

function graphStyle({ ink, quiet, paper, accent }) {
  const font = { "font-family": FONT, "text-wrap": "wrap" };
  const ground = { "text-background-color": paper, "text-background-opacity": 0.85, "text-background-padding": 2 };
  const line = (color, width) => ({ width, color, "line-color": color, "target-arrow-color": color });
  return [
    { selector: "node", style: { ...font, shape: "round-rectangle", width: "data(width)", height: HEIGHT,
      label: "data(label)", color: ink, "font-size": 12, "text-valign": "center",
      "background-color": "data(fill)", "border-color": "data(border)", "border-width": 1.5 } },
    { selector: "edge", style: { ...font, ...ground, ...line(quiet, 1.2), label: "data(label)", "font-size": 11,
      "curve-style": "bezier", "target-arrow-shape": "triangle", "arrow-scale": 0.9, "min-zoomed-font-size": 7 } },
    { selector: "node.lit", style: { "background-color": "data(strong)", "border-width": 3 } },
    { selector: "edge.lit", style: { ...line(accent, 2.5), "font-weight": "bold", "min-zoomed-font-size": 0, "z-index": 1 } },
    { selector: ".dim", style: { opacity: 0.2 } },
  ];
}

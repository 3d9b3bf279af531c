// A page of documents: the one that is chosen is made, and its parts are joined.

// In milliseconds: the graph follows once nothing has been typed for so long.
const PAUSE = 150;

for (const root of document.querySelectorAll(".docre:not([data-ready])")) {
  root.dataset.ready = "";
  makePage(root);
}

function makePage(root) {
  const articles = [...root.querySelectorAll(".document")];
  const contents = root.querySelector(".contents");
  const choice = contents?.querySelector("select");
  const made = new Map();

  function show() {
    const chosen = choice ? choice.selectedIndex : 0;
    articles.forEach((article, index) => { article.hidden = index !== chosen; });
    if (!articles.length) return;
    if (made.has(chosen)) made.get(chosen).resize();
    else made.set(chosen, makeDocument(root, articles[chosen]));
  }
  choice?.addEventListener("change", show);
  contents?.addEventListener("click", (event) => {
    const button = event.target.closest("[data-turn]");
    if (!button) return;
    choice.selectedIndex = (choice.selectedIndex + Number(button.dataset.turn) + articles.length) % articles.length;
    show();
  });
  // Browsers keep what was chosen when a page is loaded again.
  show();
}

function makeDocument(root, article) {
  const model = readDocument(article);
  const { noun } = root.dataset;
  article.append(root.querySelector("template").content.cloneNode(true));
  const part = (selector) => article.querySelector(selector);
  fillHeader(article, model, noun);
  const cards = makeCards(model, part(".card"));
  const views = { text: makeText(model, part(".prose")) };
  let pinned = null;
  let waiting = 0;
  let lit = NOTHING;

  function light(what) {
    lit = what;
    for (const view of Object.values(views)) view.light(what, pinned);
  }
  function restore() {
    light(pinned ? lightOfRelations([pinned]) : NOTHING);
  }
  function pin(relation) {
    pinned = pinned === relation ? null : relation;
    restore();
    if (pinned) views.text.reveal();
  }
  function follow(shown) {
    const all = model.relations.length;
    part(".shown").textContent = `${shown.length.toLocaleString("en")} of ${all.toLocaleString("en")} ${noun}`;
    if (!shown.includes(pinned)) pinned = null;
    restore();
    clearTimeout(waiting);
    waiting = setTimeout(() => { views.graph?.draw(shown); light(lit); }, PAUSE);
  }

  const acts = {
    overEntities: (entities) => light(lightOfEntities(entities)),
    overRelations: (relations) => light(lightOfRelations(relations)),
    out: restore,
    openEntity: cards.open,
    pinRelation: pin,
  };
  if (!model.relations.length) part(".relations").replaceChildren(make("p", "empty", "No relations were found."));
  else views.list = makeList(model, part(".relations"), follow);
  if (model.relations.length && cytoscape) views.graph = makeGraph(part(".graph"), acts);
  else part(".graph").remove();
  listen(article, model, views.list, cards, acts, () => { if (pinned) pin(pinned); });
  views.list?.filter();
  return { resize: () => views.graph?.resize() };
}

function fillHeader(article, model, noun) {
  const entities = [...model.entities.values()];
  article.querySelector(".summary").textContent = `${entities.length} ${entities.length === 1 ? "entity" : "entities"}, `
    + `${model.relations.length.toLocaleString("en")} ${noun}`;
  const labels = [...new Set(entities.map((entity) => entity.label))].sort();
  article.querySelector(".legend").append(...labels.map((label) => {
    const item = make("li", "", label || "entity");
    item.style.setProperty("--color", model.colors[label]);
    return item;
  }));
  article.querySelector("header").append(article.querySelector(".summary"), article.querySelector(".legend"));
}

// What pointer and keyboard do in the text, the list and the card.
function listen(article, model, list, cards, acts, unpin) {
  const entitiesOf = (element) => element.dataset.entity.split(" ").map((index) => model.entities.get(Number(index)));

  function point(event) {
    const mention = event.target.closest(".mention");
    const card = event.target.closest(".card");
    const row = event.target.closest("tbody tr");
    if (card) acts.overEntities([model.entities.get(Number(card.dataset.card))]);
    else if (mention) acts.overEntities(entitiesOf(mention));
    else if (row) acts.overRelations([list.relationOf(row)]);
    else if (!event.target.closest(".canvas")) acts.out();
  }
  function choose(target) {
    const entity = target.closest("[data-entity]");
    const row = target.closest("tbody tr");
    if (target.closest(".close")) cards.close();
    else if (entity) acts.openEntity(entitiesOf(entity).at(-1), entity);
    else if (row) acts.pinRelation(list.relationOf(row));
    else return false;
    return true;
  }
  article.addEventListener("mouseover", point);
  article.addEventListener("mouseleave", acts.out);
  article.addEventListener("focusin", point);
  article.addEventListener("focusout", (event) => { if (!article.contains(event.relatedTarget)) acts.out(); });
  article.addEventListener("click", (event) => {
    const button = event.target.closest("[data-download]");
    if (button) download(model, list.shown(), button.dataset.download);
    else choose(event.target);
  });
  article.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      if (!cards.close()) unpin();
    } else if (["Enter", " "].includes(event.key) && event.target.matches(".mention, tbody tr")) {
      choose(event.target);
      event.preventDefault();
    }
  });
}

// The list of relations. Rows are made as far as they are looked at.

const ROWS = 50;

function makeList(model, section, onFilter) {
  const body = section.querySelector("tbody");
  const scroll = section.querySelector(".scroll");
  const filters = section.querySelector(".filters");
  let shown = [];
  let order = { key: "score", sign: -1 };
  let lit = new Set();
  let pinned = null;

  function addRows(number = ROWS) {
    const rows = shown.slice(body.rows.length, body.rows.length + number);
    body.append(...rows.map((relation, place) => {
      const row = makeRow(relation, body.rows.length + place + 2);
      paintRow(row, relation);
      return row;
    }));
  }
  function paintRow(row, relation) {
    row.classList.toggle("lit", lit.has(relation));
    row.setAttribute("aria-selected", relation === pinned);
  }
  function paint() {
    [...body.rows].forEach((row, place) => paintRow(row, shown[place]));
  }
  function show() {
    body.replaceChildren();
    scroll.scrollTop = 0;
    addRows();
    setTabStop(body, "tr");
    body.parentElement.setAttribute("aria-rowcount", shown.length + 1);
  }
  function filter() {
    section.querySelector(".value").textContent = Number(filters.elements.score.value).toFixed(2);
    shown = filtered(model.relations, filters.elements).sort(comparison(order));
    show();
    onFilter(shown);
  }

  fillRelationChoice(filters.elements.relation, model.relations);
  filters.addEventListener("submit", (event) => event.preventDefault());
  filters.addEventListener("input", filter);
  section.querySelector("thead").addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    order = turnOrder(section, button);
    shown.sort(comparison(order));
    show();
  });
  scroll.addEventListener("scroll", () => {
    if (scroll.scrollTop + 2 * scroll.clientHeight > scroll.scrollHeight) addRows();
  });
  window.addEventListener("beforeprint", () => addRows(shown.length));
  body.addEventListener("focusin", (event) => {
    if (event.target === body.lastElementChild) addRows();
  });
  rove(body, "tr", ["ArrowUp", "ArrowDown", "Home", "End"]);
  body.addEventListener("keydown", moveInRow);
  return {
    filter,
    shown: () => shown,
    relationOf: (element) => shown[element.closest("tbody tr").sectionRowIndex],
    light(light, pin) {
      lit = new Set(light.relations);
      pinned = pin;
      paint();
    },
  };
}

function makeRow(relation, number) {
  const row = make("tr", "", "", {
    tabindex: -1,
    "data-relation": relation.index,
    "aria-rowindex": number,
  });
  const name = make("td", "", relation.type.shown, { title: `${relation.type.name} (${relation.type.label})` });
  const score = make("td", "score");
  const bar = make("span", "bar");
  bar.append(make("span"));
  bar.firstChild.style.width = `${100 * relation.score}%`;
  score.append(bar, ` ${relation.score.toFixed(2)}`);
  row.append(makeCell(relation.head), name, makeCell(relation.tail), score);
  return row;
}

function makeCell(entity) {
  const cell = make("td");
  const chip = makeChip(entity);
  chip.tabIndex = -1;
  cell.append(chip);
  return cell;
}

// From a row to its head, from there to its tail, and back.
function moveInRow(event) {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  const row = event.target.closest("tr");
  const stops = [row, ...row.querySelectorAll(".chip")];
  stops[stops.indexOf(event.target) + step]?.focus();
  event.preventDefault();
}

function filtered(relations, { relation, query, score }) {
  const words = query.value.trim().toLowerCase();
  const lowest = Number(score.value);
  return relations.filter((one) => (relation.value === "" || one.type.name === relation.value)
    && one.score >= lowest && one.words.includes(words));
}

const SORT_KEYS = {
  head: (relation) => relation.head.text,
  name: (relation) => relation.type.shown,
  tail: (relation) => relation.tail.text,
  score: (relation) => relation.score,
};

function comparison({ key, sign }) {
  const value = SORT_KEYS[key];
  if (key === "score") return (one, two) => sign * (one.score - two.score);
  const { compare } = new Intl.Collator();
  return (one, two) => sign * compare(value(one), value(two));
}

function turnOrder(section, button) {
  const key = button.dataset.sort;
  const column = button.closest("th");
  const [first, second] = key === "score" ? ["descending", "ascending"] : ["ascending", "descending"];
  const order = column.getAttribute("aria-sort") === first ? second : first;
  for (const other of section.querySelectorAll("th")) {
    other.setAttribute("aria-sort", other === column ? order : "none");
  }
  return { key, sign: order === "ascending" ? 1 : -1 };
}

function fillRelationChoice(choice, relations) {
  const groups = new Map();
  for (const { type } of relations) {
    const group = groups.get(type.name) ?? { shown: type.shown, number: 0 };
    group.number += 1;
    groups.set(type.name, group);
  }
  const names = [...groups.keys()].sort();
  choice.append(...names.map((name) => {
    const { shown, number } = groups.get(name);
    return make("option", "", `${shown} (${number})`, { value: name });
  }));
}

"use strict";
for (const root of document.querySelectorAll(".docre:not([data-ready])")) {
  root.dataset.ready = "";
  const documents = [...root.querySelectorAll(".document")];
  documents.forEach(prepare);
  const contents = root.querySelector(".contents");
  if (contents) {
    const choice = contents.querySelector("select");
    const show = () => documents.forEach((item, index) => { item.hidden = index !== choice.selectedIndex; });
    choice.addEventListener("change", show);
    contents.addEventListener("click", (event) => {
      const button = event.target.closest("[data-turn]");
      if (!button) return;
      choice.selectedIndex = (choice.selectedIndex + Number(button.dataset.turn) + documents.length) % documents.length;
      show();
    });
    // Browsers keep what was chosen when a page is loaded again.
    show();
  }

  function prepare(page) {
    const all = (selector) => [...page.querySelectorAll(selector)];
    const rows = all("tbody tr");
    const rowByRelation = new Map(rows.map((row) => [row.dataset.relation, row]));
    const rowOf = (item) => rowByRelation.get(item.dataset.relation);
    const graph = page.querySelector("svg");
    const related = all("svg [data-relation]");
    const holders = all(".mention, .node");
    const entitiesOf = (item) => item.dataset.entity.split(" ");
    let pinned = null;

    function clear() {
      for (const item of all(".lit, .head, .tail, .same, .near")) {
        item.classList.remove("lit", "head", "tail", "same", "near");
      }
      if (graph) graph.classList.remove("dimmed");
    }

    function lightRelation(row) {
      clear();
      const { relation, head, tail, evidence } = row.dataset;
      row.classList.add("lit");
      for (const item of holders) {
        item.classList.toggle("head", entitiesOf(item).includes(head));
        item.classList.toggle("tail", entitiesOf(item).includes(tail));
      }
      for (const sentence of evidence.split(" ").filter(Boolean)) {
        page.querySelector(`[data-sentence="${sentence}"]`).classList.add("lit");
      }
      for (const item of related) item.classList.toggle("lit", item.dataset.relation === relation);
      if (graph) graph.classList.add("dimmed");
    }

    function lightEntities(entities) {
      clear();
      for (const item of holders) {
        item.classList.toggle("same", entitiesOf(item).some((entity) => entities.includes(entity)));
      }
      const near = new Set();
      for (const row of rows) {
        const { relation, head, tail } = row.dataset;
        if (row.hidden || !(entities.includes(head) || entities.includes(tail))) continue;
        near.add(head).add(tail);
        for (const item of related) {
          if (item.dataset.relation === relation) item.classList.add("lit");
        }
      }
      if (!near.size) return;
      for (const item of all(".node")) item.classList.toggle("near", near.has(item.dataset.entity));
      if (graph) graph.classList.add("dimmed");
    }

    function restore() {
      if (pinned && !pinned.hidden) lightRelation(pinned);
      else clear();
    }

    function pin(row) {
      if (pinned) pinned.setAttribute("aria-pressed", "false");
      pinned = pinned === row ? null : row;
      if (!pinned) return restore();
      pinned.setAttribute("aria-pressed", "true");
      lightRelation(pinned);
      const lit = page.querySelector(".sentence.lit, .mention.head");
      if (lit) lit.scrollIntoView({ block: "nearest" });
    }

    function point(event) {
      const entity = event.target.closest(".mention, .node");
      const relation = event.target.closest("[data-relation]");
      const card = event.target.closest(".card");
      if (card) lightEntities([card.dataset.card]);
      else if (entity) lightEntities(entitiesOf(entity));
      else if (relation) lightRelation(rowOf(relation));
      else restore();
    }
    page.addEventListener("mouseover", point);
    page.addEventListener("mouseleave", restore);
    page.addEventListener("focusin", point);
    page.addEventListener("focusout", (event) => { if (!page.contains(event.relatedTarget)) restore(); });

    let opener = null;
    function openCard(item) {
      const entity = entitiesOf(item).at(-1);
      opener = item;
      for (const card of all(".card")) card.hidden = card.dataset.card !== entity;
      page.querySelector(".card:not([hidden])")?.focus({ preventScroll: true });
    }
    function closeCards() {
      const open = all(".card:not([hidden])");
      for (const card of open) card.hidden = true;
      if (open.length && opener) opener.focus({ preventScroll: true });
      return open.length > 0;
    }

    function choose(target) {
      const entity = target.closest("[data-entity]");
      const relation = target.closest("[data-relation]");
      if (target.closest(".close")) closeCards();
      else if (entity) openCard(entity);
      else if (relation) pin(rowOf(relation));
      else return false;
      return true;
    }
    page.addEventListener("click", (event) => choose(event.target));
    page.addEventListener("keydown", (event) => {
      if (event.key === "Escape") {
        if (!closeCards() && pinned) pin(pinned);
      } else if ((event.key === "Enter" || event.key === " ") && !event.target.closest("button, input, select")) {
        if (choose(event.target)) event.preventDefault();
      } else if ((event.key === "ArrowDown" || event.key === "ArrowUp") && event.target.matches("tbody tr")) {
        const shown = [...event.target.parentElement.children].filter((row) => !row.hidden);
        const next = shown[shown.indexOf(event.target) + (event.key === "ArrowDown" ? 1 : -1)];
        if (next) next.focus();
        event.preventDefault();
      }
    });

    const filters = page.querySelector(".filters");
    if (!filters) return;

    function filter() {
      const { relation, query, score } = filters.elements;
      const wanted = query.value.trim().toLowerCase();
      filters.querySelector(".value").textContent = Number(score.value).toFixed(2);
      for (const row of rows) {
        const { sortHead, sortName, sortTail, sortScore } = row.dataset;
        row.hidden = (relation.value !== "" && sortName !== relation.value)
          || Number(sortScore) < Number(score.value)
          || ![sortHead, sortName, sortTail].join(" ").toLowerCase().includes(wanted);
      }
      for (const item of related) item.toggleAttribute("hidden", rowOf(item).hidden);
      const shown = rows.filter((row) => !row.hidden);
      const linked = new Set(shown.flatMap((row) => [row.dataset.head, row.dataset.tail]));
      for (const node of all(".node")) node.toggleAttribute("hidden", !linked.has(node.dataset.entity));
      filters.querySelector(".shown").textContent = `${shown.length} of ${rows.length} ${filters.closest(".document").dataset.noun}`;
      restore();
    }
    filters.addEventListener("input", filter);
    filter();

    page.querySelector("thead").addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (!button) return;
      const key = `sort${button.dataset.sort[0].toUpperCase()}${button.dataset.sort.slice(1)}`;
      const isNumber = key === "sortScore";
      const column = button.closest("th");
      const first = isNumber ? "descending" : "ascending";
      const second = isNumber ? "ascending" : "descending";
      const order = column.getAttribute("aria-sort") === first ? second : first;
      for (const other of all("th")) other.setAttribute("aria-sort", other === column ? order : "none");
      const sign = order === "ascending" ? 1 : -1;
      const compare = isNumber
        ? (one, two) => Number(one.dataset[key]) - Number(two.dataset[key])
        : (one, two) => one.dataset[key].localeCompare(two.dataset[key]);
      rows.sort((one, two) => sign * compare(one, two));
      page.querySelector("tbody").append(...rows);
    });
  }
}

// The card of an entity.

function makeCards(model, card) {
  let opener = null;

  function open(entity, from) {
    // A chip on the card goes with it.
    if (!card.contains(from)) opener = from;
    card.style.setProperty("--color", entity.color);
    card.dataset.card = entity.index;
    card.setAttribute("aria-label", entity.text);
    card.replaceChildren(...cardParts(model, entity));
    card.hidden = false;
    card.focus({ preventScroll: true });
  }
  function close() {
    if (card.hidden) return false;
    card.hidden = true;
    opener?.focus({ preventScroll: true });
    return true;
  }
  return { open, close };
}

function cardParts(model, entity) {
  const close = make("button", "close", "×", { type: "button", title: "Close", "aria-label": "Close" });
  const facts = make("p");
  facts.append(make("span", "type", entity.label || "entity"), ` ${plural(entity.mentions.length, "mention")}`);
  const parts = [close, make("h3", "", entity.text), facts];
  const others = otherNames(model, entity);
  if (others.length) parts.push(make("p", "", `Also: ${others.join(", ")}`));
  if (!entity.relations.length) return [...parts, make("p", "empty", "No relations.")];
  const list = make("ul");
  list.append(...entity.relations.map((relation) => cardRelation(relation, entity)));
  return [...parts, list];
}

function cardRelation(relation, entity) {
  const item = make("li");
  if (relation.head === entity) item.append(`${relation.type.shown} → `, makeChip(relation.tail));
  else item.append(makeChip(relation.head), ` ${relation.type.shown} → this`);
  item.append(" ", make("span", "score", relation.score.toFixed(2)));
  return item;
}

function otherNames(model, entity) {
  const names = entity.mentions.map(([start, end]) => textBetween(model, start, end).split(/\s+/).filter(Boolean).join(" "));
  return [...new Set(names)].filter((name) => name !== entity.text);
}

// What a page is sent of a document, as objects that know each other.

function readDocument(article) {
  const data = JSON.parse(article.querySelector("script").textContent);
  const types = data.types.map(([label, name, shown]) => ({ label, name, shown }));
  const entities = new Map();
  for (const [index, text, label, kbId, mentions] of data.entities) {
    const color = data.colors[label];
    entities.set(index, { index, text, label, kbId, mentions, color, relations: [] });
  }
  const relations = data.relations.map(([index, head, tail, type, score, evidence]) =>
    makeRelation(index, entities.get(head), entities.get(tail), types[type], score, evidence));
  // Places count characters, of which JavaScript counts some as two.
  return { title: data.title, characters: Array.from(data.text), sentences: data.sentences,
    colors: data.colors, types, entities, relations };
}

function makeRelation(index, head, tail, type, score, evidence) {
  const relation = { index, head, tail, type, score, evidence };
  relation.words = [head.text, type.name, type.shown, tail.text].join(" ").toLowerCase();
  for (const entity of new Set([head, tail])) entity.relations.push(relation);
  return relation;
}

function textBetween(model, start, end) {
  return model.characters.slice(start, end).join("");
}

// A sentence with the space after it, so that the text is whole.
function sentenceBounds(model, index) {
  return [model.sentences[index][0], model.sentences[index + 1]?.[0] ?? model.characters.length];
}

function describe(relation) {
  return `${relation.head.text}: ${relation.type.name}: ${relation.tail.text} (${relation.score.toFixed(2)})`;
}

function plural(number, noun) {
  return `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
}

// What is lit: relations, and the entities and sentences that belong to them.
const NOTHING = { relations: [], heads: [], tails: [], same: [], near: [], sentences: [] };

function lightOfRelations(relations) {
  return {
    ...NOTHING,
    relations,
    heads: relations.map((relation) => relation.head),
    tails: relations.map((relation) => relation.tail),
    sentences: relations.flatMap((relation) => relation.evidence),
  };
}

function lightOfEntities(entities) {
  const relations = entities.flatMap((entity) => entity.relations);
  const near = relations.flatMap((relation) => [relation.head, relation.tail]);
  return { ...NOTHING, same: entities, near };
}

// An element with its class, its text and what else it has.
function make(tag, className = "", text = "", attributes = {}) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text) element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

function makeChip(entity) {
  const chip = make("button", "chip", entity.text, { type: "button", "data-entity": entity.index });
  chip.style.setProperty("--color", entity.color);
  return chip;
}

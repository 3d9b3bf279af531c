// The text, its sentences and mentions.

function makeText(model, prose) {
  const byEntity = new Map([...model.entities.keys()].map((index) => [index, []]));
  const sentences = model.sentences.map((_, index) => makeSentence(model, index, byEntity));
  if (sentences.length) prose.append(...sentences);
  else prose.append(make("p", "empty", "The document is empty."));
  rove(prose, ".mention", ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End"]);
  setTabStop(prose, ".mention");
  let lit = [];

  function mark(element, ...classes) {
    element.classList.add(...classes);
    lit.push(element);
  }
  function markEntities(entities, name) {
    for (const entity of entities) for (const mention of byEntity.get(entity.index)) mark(mention, name);
  }
  return {
    light(light) {
      for (const element of lit) element.classList.remove("lit", "head", "tail", "same");
      lit = [];
      markEntities(light.heads, "head");
      markEntities(light.tails, "tail");
      markEntities(light.same, "same");
      for (const index of light.sentences) mark(sentences[index], "lit");
    },
    reveal() {
      lit.find((element) => element.matches(".sentence, .head"))?.scrollIntoView({ block: "nearest" });
    },
  };
}

function makeSentence(model, index, byEntity) {
  const sentence = make("span", "sentence", "", { "data-sentence": index });
  for (const { start, end, entities } of segments(model, ...sentenceBounds(model, index))) {
    const text = textBetween(model, start, end);
    if (!entities.length) {
      sentence.append(text);
      continue;
    }
    const mention = makeMention(text, entities);
    sentence.append(mention);
    for (const entity of entities) byEntity.get(entity.index).push(mention);
  }
  return sentence;
}

function makeMention(text, entities) {
  const entity = entities.at(-1);
  const mention = make("span", "mention", text, {
    role: "button",
    tabindex: -1,
    title: `${entity.text} (${entity.label || "entity"})`,
    "data-entity": entities.map((other) => other.index).join(" "),
  });
  mention.style.setProperty("--color", entity.color);
  return mention;
}

// Parts in which no mention begins or ends; mentions may overlap, and cross sentences.
function segments(model, start, end) {
  const inside = mentionsOf(model).filter((mention) => mention.start < end && start < mention.end);
  const cuts = new Set([start, end]);
  for (const mention of inside) {
    cuts.add(Math.max(mention.start, start)).add(Math.min(mention.end, end));
  }
  const places = [...cuts].sort((one, two) => one - two);
  return places.slice(1).map((last, number) => {
    const first = places[number];
    const covering = inside.filter((mention) => mention.start <= first && last <= mention.end);
    return { start: first, end: last, entities: [...new Set(covering.map((mention) => mention.entity))] };
  });
}

function mentionsOf(model) {
  model.mentions ??= [...model.entities.values()].flatMap((entity) =>
    entity.mentions.map(([start, end]) => ({ start, end, entity })));
  return model.mentions;
}

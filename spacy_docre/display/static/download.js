// What is shown, as a file: the columns and records of `docre annotate`.

const COLUMNS = [
  ...["document", "head", "head_label", "relation", "name", "tail", "tail_label", "score", "evidence"],
  ...["head_id", "tail_id"],
];
// What a spreadsheet takes for a formula; quotes before it count.
const FORMULA = /^'*[=+\-@\t\r\n＝＋－＠]/;

const FORMATS = {
  csv: { type: "text/csv", write: toCsv },
  json: { type: "application/json", write: toJson },
};

function download(model, relations, format) {
  const { type, write } = FORMATS[format];
  const address = URL.createObjectURL(new Blob([write(model, relations)], { type }));
  make("a", "", "", { href: address, download: `${fileName(model.title)}.${format}` }).click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}

function fileName(title) {
  return title.replace(/[^\p{L}\p{N}]+/gu, " ").trim().slice(0, 60) || "relations";
}

function toCsv(model, relations) {
  const rows = relations.map((relation) => [
    model.title,
    ...[relation.head.text, relation.head.label],
    ...[relation.type.label, relation.type.name],
    ...[relation.tail.text, relation.tail.label],
    relation.score.toFixed(4),
    evidenceOf(model, relation).map((span) => span.text.split(/\s+/).filter(Boolean).join(" ")).join(" "),
    ...[relation.head.kbId, relation.tail.kbId],
  ]);
  return [COLUMNS, ...rows].map((cells) => `${cells.map(csvCell).join(",")}\r\n`).join("");
}

function csvCell(text) {
  const cell = FORMULA.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
}

function toJson(model, relations) {
  const entities = [...model.entities.values()].map((entity) => ({
    id: entity.index,
    text: entity.text,
    label: entity.label,
    kb_id: entity.kbId,
    mentions: entity.mentions.map(([start, end]) => spanRecord(model, start, end)),
  }));
  const records = relations.map((relation) => ({
    head: relation.head.index,
    tail: relation.tail.index,
    label: relation.type.label,
    name: relation.type.name,
    score: relation.score,
    evidence: evidenceOf(model, relation),
  }));
  const record = { id: model.title, text: model.characters.join(""), entities, relations: records };
  return `${JSON.stringify(record)}\n`;
}

function evidenceOf(model, relation) {
  return relation.evidence.map((index) => spanRecord(model, ...model.sentences[index]));
}

function spanRecord(model, start, end) {
  return { start, end, text: textBetween(model, start, end) };
}

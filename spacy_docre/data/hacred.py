"""The JSONL format of HacRED (Cheng et al., Findings of ACL 2021): DocRED's format in Chinese."""

from pathlib import Path
from typing import Any, Iterator, List, Mapping, Optional, Sequence, Union

from spacy.tokens import Doc
from spacy.vocab import Vocab

from .detokenization import detokenize
from .docred import DocumentCheck, make_doc
from .doubts import same_text
from .json_files import parse_json_lines

LANG = "zh"
# The fields with other names than in DocRED. Tokens are characters, as in spaCy's own tokenizer
# for Chinese. The fields "sents_word" and so on have the same documents in words.
_FIELDS = {
    "title": "id",
    "sents": "sents_char",
    "vertexSet": "vertex_char",
    "labels": "labels_char",
}
_TEXTS = "documents have a text that differs from their tokens, and the tokens are used"


def read_hacred(
    path: Union[str, Path], vocab: Vocab, *, names: Mapping[str, str] = {}
) -> Iterator[Doc]:
    """Read documents in HacRED's format, one after the other.

    The title in `doc.user_data["title"]` is the document's id. Spaces are those of the text.

    path (Union[str, Path]): The JSONL file.
    vocab (Vocab): The vocabulary of the documents.
    names (Mapping[str, str]): Readable names of the relations, by label.
    YIELDS (Doc): The documents, with gold entities and relations.
    RAISES (ValueError): If the file is malformed.
    """
    check = DocumentCheck(Path(path))
    for where, data in parse_json_lines(Path(path)):
        text = data.get("text") if isinstance(data, dict) else None
        renamed = ", ".join(f"{theirs} as {ours}" for ours, theirs in _FIELDS.items())
        record = check(_as_docred(data), f"{where} (reading {renamed})")
        tokens = [token for sentence in record.sents for token in sentence]
        spaces = _spaces(tokens, text) if isinstance(text, str) else None
        if isinstance(text, str) and not same_text(text, "".join(tokens)):
            check.doubts.add(_TEXTS, where)
        yield make_doc(record, vocab, spaces or detokenize(record.sents, LANG), names)
    check.finish()


def _as_docred(data: Any) -> Any:
    if not isinstance(data, dict):
        return data
    record = {ours: data[theirs] for ours, theirs in _FIELDS.items() if theirs in data}
    # HacRED's id is a number.
    return {**record, "title": str(record["title"])} if "title" in record else record


def _spaces(tokens: Sequence[str], text: str) -> Optional[List[bool]]:
    """Whether a space follows each token in the text; None if the tokens are not in the text."""
    spaces: List[bool] = []
    end = 0
    for token in tokens:
        start = text.find(token, end)
        if start < 0 or text[end:start].strip():
            return None
        if spaces and start == end:
            # The space before this token is not part of the gap: it is this token.
            spaces[-1] = False
        end = start + len(token)
        spaces.append(text[end : end + 1] == " ")
    return spaces

"""The word pieces of documents, in windows that the encoder has room for."""

from itertools import accumulate, pairwise
from os.path import commonprefix
from typing import Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple, cast
from zlib import crc32

import numpy
import torch
from spacy.tokens import Doc, Span
from spacy_transformers.align import get_alignment, get_alignment_via_offset_mapping
from spacy_transformers.data_classes import WordpieceBatch
from spacy_transformers.span_getters import get_strided_spans
from thinc.types import Floats2d, Ints2d, Ragged
from torch import Tensor, nn
from transformers.modeling_utils import PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from ..words import words_of

# What the encoder says of its windows, beside hidden states and attention: the characters of each
# piece, the text that they are counted in, and how many pieces of a window had no room.
PIECE_CHARACTERS = "piece_characters"
TEXT_CHECKSUM = "text_checksum"
LOST_PIECES = "lost_pieces"

# A token of so many word pieces is no word.
_NO_WORD = 8

Spans = Sequence[Sequence[Span]]
GetSpans = Callable[[Sequence[Doc]], List[List[Span]]]


class Pieces(NamedTuple):
    """The word pieces of windows, a padded row each.

    input_ids (numpy.ndarray): The pieces, shape (windows, pieces).
    attention_mask (numpy.ndarray): 1 for a piece, 0 for padding, shape (windows, pieces).
    token_type_ids (Optional[numpy.ndarray]): Where the tokenizer gives any, shape
        (windows, pieces).
    characters (numpy.ndarray): The first character of each piece in its Doc and the one to stop
        before, shape (windows, pieces, 2). They are equal for what stands for no text.
    """

    input_ids: numpy.ndarray
    attention_mask: numpy.ndarray
    token_type_ids: Optional[numpy.ndarray]
    characters: numpy.ndarray


class Windows(NamedTuple):
    """Windows that the encoder has room for.

    spans (List[List[Span]]): The windows of each document.
    pieces (Pieces): Their word pieces, a row for each window.
    lost (numpy.ndarray): How many word pieces of each window had no room, shape (windows,).
    """

    spans: List[List[Span]]
    pieces: Pieces
    lost: numpy.ndarray


def window_limit(tokenizer: PreTrainedTokenizerBase, transformer: PreTrainedModel) -> int:
    """How many word pieces a window has room for.

    tokenizer (PreTrainedTokenizerBase): The tokenizer. Some say a huge number.
    transformer (PreTrainedModel): The transformer. Some leave their first positions unused.
    RETURNS (int): The number, special tokens among them.
    """
    limits = [tokenizer.model_max_length]
    positions = getattr(transformer.config, "max_position_embeddings", None)
    if isinstance(positions, int) and positions > 0:
        limits.append(positions)
    for name, module in transformer.named_modules():
        if name.rpartition(".")[2] == "position_embeddings" and isinstance(module, nn.Embedding):
            # RoBERTa counts from behind the padding.
            unused = 0 if module.padding_idx is None else module.padding_idx + 1
            limits.append(module.num_embeddings - unused)
    return min(limits)


def cut_windows(get_spans: GetSpans, docs: Sequence[Doc]) -> List[List[Span]]:
    """Cut Docs into windows. Strided windows have a number of words, whatever white space there is.

    get_spans (GetSpans): As in `TransformerModel`.
    docs (Sequence[Doc]): The documents.
    RETURNS (List[List[Span]]): The windows of each.
    """
    if getattr(get_spans, "func", None) is not get_strided_spans:
        return get_spans(docs)
    words = [words_of(doc) for doc in docs]
    found = get_spans([document.doc for document in words])
    return [
        document.windows_in(doc, windows)
        for document, doc, windows in zip(words, docs, found, strict=True)
    ]


def tokenize(tokenizer: PreTrainedTokenizerBase, windows: Spans) -> Pieces:
    """Cut windows into word pieces, however many they become.

    tokenizer (PreTrainedTokenizerBase): The tokenizer of the transformer.
    windows (Spans): The windows of each document, at least one.
    RETURNS (Pieces): Their word pieces.
    """
    spans = [span for document in windows for span in document]
    encoding = tokenizer(
        [span.text for span in spans],
        padding="longest",
        return_attention_mask=True,
        return_offsets_mapping=tokenizer.is_fast,
        return_tensors="np",
        # It would warn of what is cut here.
        verbose=False,
    )
    if tokenizer.is_fast:
        starts = numpy.array([span.start_char for span in spans])
        characters = encoding["offset_mapping"] + starts[:, None, None]
    else:
        characters = _token_characters(tokenizer, spans, encoding["input_ids"])
    return Pieces(
        encoding["input_ids"],
        encoding["attention_mask"],
        encoding.get("token_type_ids"),
        characters,
    )


def _token_characters(
    tokenizer: PreTrainedTokenizerBase, spans: Sequence[Span], input_ids: numpy.ndarray
) -> numpy.ndarray:
    """The characters of the tokens of each piece, where a tokenizer does not say those of the
    piece."""
    strings = _strings(tokenizer, input_ids)
    align = get_alignment(list(spans), strings, tokenizer.all_special_tokens)
    docs = {id(span.doc): span.doc for span in spans}
    tokens = [token for doc in docs.values() for token in doc]
    characters = numpy.zeros((input_ids.size, 2), dtype="int64")
    known = numpy.zeros(input_ids.size, dtype=bool)
    for token, pieces in zip(tokens, _split(align), strict=True):
        characters[pieces[~known[pieces]], 0] = token.idx
        characters[pieces, 1] = token.idx + len(token)
        known[pieces] = True
    return characters.reshape(*input_ids.shape, 2)


def _split(align: Ragged) -> List[numpy.ndarray]:
    return numpy.split(
        numpy.asarray(align.dataXd).reshape(-1), numpy.cumsum(numpy.asarray(align.lengths))[:-1]
    )


def pad(
    tokenizer: PreTrainedTokenizerBase,
    rows: Sequence[Sequence[int]],
    characters: Sequence[Sequence[Tuple[int, int]]],
) -> Pieces:
    """Put rows of word pieces side by side.

    tokenizer (PreTrainedTokenizerBase): The tokenizer of the transformer.
    rows (Sequence[Sequence[int]]): The word pieces of each window.
    characters (Sequence[Sequence[Tuple[int, int]]]): The characters of each piece.
    RETURNS (Pieces): The word pieces.
    """
    # Not tokenizer.pad, which warns of what is meant here.
    shape = (len(rows), max(map(len, rows), default=0))
    input_ids = numpy.full(shape, tokenizer.pad_token_id)
    attention_mask = numpy.zeros(shape, dtype="int64")
    padded = numpy.zeros((*shape, 2), dtype="int64")
    for number, (row, places) in enumerate(zip(rows, characters, strict=True)):
        input_ids[number, : len(row)] = row
        attention_mask[number, : len(row)] = 1
        padded[number, : len(row)] = places
    return Pieces(input_ids, attention_mask, None, padded)


def special_tokens(tokenizer: PreTrainedTokenizerBase) -> Tuple[List[int], List[int]]:
    """The special tokens around a text.

    tokenizer (PreTrainedTokenizerBase): The tokenizer.
    RETURNS (Tuple[List[int], List[int]]): Those before it, and those after it.
    """
    empty, text = tokenizer("")["input_ids"], tokenizer("a")["input_ids"]
    before = len(commonprefix([empty, text]))
    return empty[:before], empty[before:]


def fit(tokenizer: PreTrainedTokenizerBase, windows: Spans, pieces: Pieces, limit: int) -> Windows:
    """Cut what is too long for the encoder into windows that it has room for. No piece is lost,
    save where a single token has more of them than a window.

    tokenizer (PreTrainedTokenizerBase): The tokenizer.
    windows (Spans): The windows of each document.
    pieces (Pieces): Their word pieces.
    limit (int): How many pieces a window has room for, special tokens among them.
    RETURNS (Windows): The windows that fit (see `split_tokens`).
    RAISES (ValueError): If there is room for special tokens only.
    """
    lengths = pieces.attention_mask.sum(1)
    if lengths.max(initial=0) <= limit:
        return Windows([list(spans) for spans in windows], pieces, numpy.zeros_like(lengths))
    before, after = map(len, special_tokens(tokenizer))
    room = limit - before - after
    if room < 1:
        raise ValueError(
            f"The transformer takes {limit} word pieces at a time, and {before + after} are "
            "special tokens. Set model_max_length in its tokenizer_config."
        )
    fitting: List[List[Span]] = []
    rows: List[Tuple[int, numpy.ndarray]] = []
    lost: List[int] = []
    row = 0
    for spans in windows:
        fitting.append([])
        for span in spans:
            columns = numpy.flatnonzero(pieces.attention_mask[row])
            first, text, last = numpy.split(columns, [before, len(columns) - after])
            parts = (
                [(span, text, 0)]
                if len(columns) <= limit
                else _cut(span, text, pieces.characters[row, text], room)
            )
            for part, part_columns, part_lost in parts:
                fitting[-1].append(part)
                rows.append((row, numpy.concatenate([first, part_columns, last])))
                lost.append(part_lost)
            row += 1
    return Windows(fitting, _gather(tokenizer, pieces, rows), numpy.array(lost))


def _cut(
    span: Span, columns: numpy.ndarray, characters: numpy.ndarray, room: int
) -> Iterator[Tuple[Span, numpy.ndarray, int]]:
    """The parts of a window: their tokens, the columns of their pieces, and how many pieces had no
    room."""
    starts = numpy.array([token.idx for token in span])
    owners = numpy.searchsorted(starts, characters[:, 0], side="right") - 1
    # What stands for no text goes with what comes before it, and a piece of two tokens with the
    # first of them.
    owners[characters[:, 0] == characters[:, 1]] = 0
    owners = numpy.maximum.accumulate(owners)
    sizes = numpy.bincount(owners, minlength=len(span))
    ranks = numpy.arange(len(columns)) - numpy.repeat(numpy.cumsum(sizes) - sizes, sizes)
    columns = columns[ranks < room]
    kept = numpy.minimum(sizes, room)
    ends = numpy.r_[0, numpy.cumsum(kept)]
    for start, end in split_tokens(kept.tolist(), room):
        yield (
            span.doc[span.start + start : span.start + end],
            columns[ends[start] : ends[end]],
            int((sizes - kept)[start:end].sum()),
        )


def split_tokens(sizes: Sequence[int], room: int) -> List[Tuple[int, int]]:
    """Choose the parts of a window. Addresses, keys and the like are apart from the text around
    them, which would be lost among their pieces: with twenty of them in its window, half of the
    relations of a text were not found.

    sizes (Sequence[int]): How many pieces each token has, at most `room`.
    room (int): How many pieces a part has room for.
    RETURNS (List[Tuple[int, int]]): First token and end token of each part.
    """
    ends = [0, *accumulate(sizes)]
    # Runs of tokens that are no words, and of what little stands between them.
    runs: List[Tuple[int, int]] = []
    for index, size in enumerate(sizes):
        if size >= _NO_WORD:
            joins = bool(runs) and ends[index] - ends[runs[-1][1]] <= room // 8
            runs.append((runs.pop()[0] if joins else index, index + 1))
    large = [run for run in runs if ends[run[1]] - ends[run[0]] >= room // 4]
    cuts = sorted({0, len(sizes), *(cut for run in large for cut in run)})
    return [
        (start + first, start + last)
        for start, end in pairwise(cuts)
        for first, last in fill_parts(sizes[start:end], room)
    ]


def fill_parts(sizes: Sequence[int], room: int) -> List[Tuple[int, int]]:
    """As much as there is room for of the beginning, of what follows, and so on, and of the end.
    Arguments and result as in `split_tokens`."""
    parts = []
    start = 0
    while start < len(sizes):
        end, length = start, 0
        while end < len(sizes) and length + sizes[end] <= room:
            length += sizes[end]
            end += 1
        following = end
        if end == len(sizes):
            # The last one has as much context as the others.
            while start > 0 and length + sizes[start - 1] <= room:
                start -= 1
                length += sizes[start]
        parts.append((start, end))
        start = following
    return parts


def _gather(
    tokenizer: PreTrainedTokenizerBase,
    pieces: Pieces,
    rows: Sequence[Tuple[int, numpy.ndarray]],
) -> Pieces:
    """New rows of pieces: of each the old row and its columns."""
    shape = (len(rows), max(len(columns) for _, columns in rows))
    padding = (tokenizer.pad_token_id, 0, tokenizer.pad_token_type_id, 0)
    gathered: List[Optional[numpy.ndarray]] = []
    for values, empty in zip(pieces, padding, strict=True):
        if values is None:
            gathered.append(None)
            continue
        filled = numpy.full((*shape, *values.shape[2:]), empty, dtype=values.dtype)
        for number, (row, columns) in enumerate(rows):
            filled[number, : len(columns)] = values[row, columns]
        gathered.append(filled)
    return Pieces(*cast(List[numpy.ndarray], gathered))


def to_wordpieces(
    tokenizer: PreTrainedTokenizerBase, windows: Windows
) -> Tuple[WordpieceBatch, Ragged]:
    """Windows as spacy-transformers has them.

    tokenizer (PreTrainedTokenizerBase): The tokenizer.
    windows (Windows): The windows.
    RETURNS (Tuple[WordpieceBatch, Ragged]): Their word pieces, and those of each token.
    """
    pieces = windows.pieces
    spans = [span for document in windows.spans for span in document]
    starts = numpy.array([span.start_char for span in spans])
    wordpieces = WordpieceBatch(
        strings=_strings(tokenizer, pieces.input_ids),
        input_ids=cast(Ints2d, pieces.input_ids),
        attention_mask=cast(Floats2d, pieces.attention_mask.astype("float32")),
        lengths=pieces.attention_mask.sum(1).tolist(),
        token_type_ids=cast(Optional[Ints2d], pieces.token_type_ids),
    )
    align = get_alignment_via_offset_mapping(
        spans, cast(Ints2d, pieces.characters - starts[:, None, None])
    )
    return wordpieces, align


def _strings(tokenizer: PreTrainedTokenizerBase, input_ids: numpy.ndarray) -> List[List[str]]:
    return [tokenizer.convert_ids_to_tokens(row) for row in input_ids]


def about_windows(windows: Windows) -> Dict[str, Tensor]:
    """What the relation extractor has to know of windows, whatever happens to the tokens before it
    reads them.

    windows (Windows): The windows.
    RETURNS (Dict[str, Tensor]): `piece_characters`, as in `Pieces`, `text_checksum`, of the Doc of
        each window, and `lost_pieces`, both of shape (windows,).
    """
    checksums: List[int] = []
    for spans in windows.spans:
        if spans:
            checksums += [text_checksum(spans[0].doc)] * len(spans)
    return {
        PIECE_CHARACTERS: torch.as_tensor(windows.pieces.characters),
        TEXT_CHECKSUM: torch.tensor(checksums),
        LOST_PIECES: torch.as_tensor(windows.lost),
    }


def text_checksum(doc: Doc) -> int:
    """RETURNS (int): What tells the text of a Doc from others."""
    return crc32(doc.text.encode("utf8", "surrogatepass"))

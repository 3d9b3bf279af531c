"""The word pieces of documents, in windows that fit into the encoder."""

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

# Outputs of the encoder, in addition to hidden states and attention: the characters of each piece,
# a checksum of the text, and how many pieces of each window did not fit.
PIECE_CHARACTERS = "piece_characters"
TEXT_CHECKSUM = "text_checksum"
LOST_PIECES = "lost_pieces"

# A token of at least this many word pieces is not a word.
_NO_WORD = 8

Spans = Sequence[Sequence[Span]]
GetSpans = Callable[[Sequence[Doc]], List[List[Span]]]


class Pieces(NamedTuple):
    """The word pieces of windows, one padded row for each window.

    input_ids (numpy.ndarray): The pieces, shape (windows, pieces).
    attention_mask (numpy.ndarray): 1 for a piece, 0 for padding, shape (windows, pieces).
    token_type_ids (Optional[numpy.ndarray]): The token types, if the tokenizer gives any, shape
        (windows, pieces).
    characters (numpy.ndarray): The first character of each piece in its Doc and the character to
        stop before, shape (windows, pieces, 2). They are equal for a piece without text.
    """

    input_ids: numpy.ndarray
    attention_mask: numpy.ndarray
    token_type_ids: Optional[numpy.ndarray]
    characters: numpy.ndarray


class Windows(NamedTuple):
    """Windows that fit into the encoder.

    spans (List[List[Span]]): The windows of each document.
    pieces (Pieces): Their word pieces, one row for each window.
    lost (numpy.ndarray): The number of word pieces of each window that did not fit, shape
        (windows,).
    """

    spans: List[List[Span]]
    pieces: Pieces
    lost: numpy.ndarray


def window_limit(tokenizer: PreTrainedTokenizerBase, transformer: PreTrainedModel) -> int:
    """Compute the largest number of word pieces in a window.

    tokenizer (PreTrainedTokenizerBase): The tokenizer. Some tokenizers give a huge number.
    transformer (PreTrainedModel): The transformer. Some transformers do not use their first
        positions.
    RETURNS (int): The number, special tokens included.
    """
    limits = [tokenizer.model_max_length]
    positions = getattr(transformer.config, "max_position_embeddings", None)
    if isinstance(positions, int) and positions > 0:
        limits.append(positions)
    for name, module in transformer.named_modules():
        if name.rpartition(".")[2] == "position_embeddings" and isinstance(module, nn.Embedding):
            # RoBERTa counts positions from the one after the padding.
            unused = 0 if module.padding_idx is None else module.padding_idx + 1
            limits.append(module.num_embeddings - unused)
    return min(limits)


def cut_windows(get_spans: GetSpans, docs: Sequence[Doc]) -> List[List[Span]]:
    """Cut Docs into windows. The length of strided windows counts words, and no white space.

    get_spans (GetSpans): As in `TransformerModel`.
    docs (Sequence[Doc]): The documents.
    RETURNS (List[List[Span]]): The windows of each document.
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
    """Cut windows into word pieces. The number of pieces has no limit.

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
        # Else it warns of long windows; `fit` cuts them.
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
    """Return the characters of the tokens of each piece, for a tokenizer that does not give those
    of the piece."""
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
    """Pad rows of word pieces to one length.

    tokenizer (PreTrainedTokenizerBase): The tokenizer of the transformer.
    rows (Sequence[Sequence[int]]): The word pieces of each window.
    characters (Sequence[Sequence[Tuple[int, int]]]): The characters of each piece.
    RETURNS (Pieces): The word pieces.
    """
    # Not tokenizer.pad, which warns that separate padding is slower.
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
    RETURNS (Tuple[List[int], List[int]]): The special tokens before the text, and those after it.
    """
    empty, text = tokenizer("")["input_ids"], tokenizer("a")["input_ids"]
    before = len(commonprefix([empty, text]))
    return empty[:before], empty[before:]


def fit(tokenizer: PreTrainedTokenizerBase, windows: Spans, pieces: Pieces, limit: int) -> Windows:
    """Cut windows that are too long for the encoder. No piece is lost, unless a single token has
    more pieces than fit into a window.

    tokenizer (PreTrainedTokenizerBase): The tokenizer.
    windows (Spans): The windows of each document.
    pieces (Pieces): Their word pieces.
    limit (int): The largest number of pieces in a window, special tokens included.
    RETURNS (Windows): The windows that fit (see `split_tokens`).
    RAISES (ValueError): If only special tokens fit into a window.
    """
    lengths = pieces.attention_mask.sum(1)
    if lengths.max(initial=0) <= limit:
        return Windows([list(spans) for spans in windows], pieces, numpy.zeros_like(lengths))
    before, after = map(len, special_tokens(tokenizer))
    room = limit - before - after
    if room < 1:
        raise ValueError(
            f"The transformer takes {limit} word pieces at a time, and {before + after} are "
            "special tokens: there is no room for text. Set a larger model_max_length in its "
            "tokenizer_config."
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
    """Cut a window into parts. Yields the tokens of each part, the columns of its pieces, and the
    number of pieces that did not fit."""
    starts = numpy.array([token.idx for token in span])
    owners = numpy.searchsorted(starts, characters[:, 0], side="right") - 1
    # A piece without text belongs to the token of the piece before it. A piece of two tokens
    # belongs to the first token.
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
    """Choose the parts of a window. Addresses, keys and the like get parts separate from the text
    around them. Otherwise the text would be lost among their pieces: with twenty of them in a
    window, half of the relations of the text were not found.

    sizes (Sequence[int]): The number of pieces of each token, at most `room`.
    room (int): The largest number of pieces in a part.
    RETURNS (List[Tuple[int, int]]): The first token and the end token of each part.
    """
    ends = [0, *accumulate(sizes)]
    # Runs of tokens that are not words, with the short text between them.
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
    """Fill each part with as many tokens as fit, one part after the other. The last part starts
    earlier if there is room. Arguments and result as in `split_tokens`."""
    parts = []
    start = 0
    while start < len(sizes):
        end, length = start, 0
        while end < len(sizes) and length + sizes[end] <= room:
            length += sizes[end]
            end += 1
        following = end
        if end == len(sizes):
            # The last part gets as much context as the others.
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
    """Make new rows of pieces. `rows` names the old row and the columns of each new row."""
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
    """Convert windows to the data structures of spacy-transformers.

    tokenizer (PreTrainedTokenizerBase): The tokenizer.
    windows (Windows): The windows.
    RETURNS (Tuple[WordpieceBatch, Ragged]): The word pieces, and the word pieces of each token.
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
    """Describe windows for the relation extractor. The description stays right if tokens are merged
    or split later.

    windows (Windows): The windows.
    RETURNS (Dict[str, Tensor]): `piece_characters`, as in `Pieces`; and, both of shape (windows,),
        `text_checksum` of the Doc of each window, and `lost_pieces`.
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
    """RETURNS (int): A checksum of the text of a Doc."""
    return crc32(doc.text.encode("utf8", "surrogatepass"))

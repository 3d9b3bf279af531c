"""What the encoder says of a window does not depend on what else is in the batch."""

import pytest
import torch
from thinc.api import ArgsKwargs
from transformers.utils.generic import ModelOutput

from spacy_docre.models.single_windows import run_single_windows
from tests.models.encoders import docs_of


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "auto"])
def test_a_window_alone_is_the_same_in_any_batch(precision, make_pipeline, make_examples):
    """To the last digit, though the batch pads it."""
    examples = make_examples(6)
    transformer = make_pipeline(examples=examples).get_pipe("transformer")
    transformer.model.layers[0].shims[0].precision = precision
    batch = transformer.predict(docs_of(examples))
    lengths = set()
    for data, doc in zip(batch.doc_data, docs_of(make_examples(6)), strict=True):
        (alone,) = transformer.predict([doc]).doc_data
        length = alone.model_output["last_hidden_state"].shape[1]
        lengths.add(length)
        assert numpy_equal(
            alone.model_output["last_hidden_state"],
            data.model_output["last_hidden_state"][:, :length],
        )
        assert numpy_equal(
            alone.model_output["last_attention"],
            data.model_output["last_attention"][..., :length, :length],
        )
        assert not data.model_output["last_hidden_state"][:, length:].any()
    assert len(lengths) > 2


def numpy_equal(ours, theirs) -> bool:
    return torch.equal(torch.as_tensor(ours), torch.as_tensor(theirs))


def run(inputs: ArgsKwargs) -> ModelOutput:
    """An encoder whose numbers are the ids, without a mask: padding would be seen."""
    ids = inputs.kwargs["input_ids"].float()
    hidden = ids.unsqueeze(2) + torch.tensor([0.0, 0.5])
    return ModelOutput(
        last_hidden_state=hidden,
        pooler_output=ids.sum(1, keepdim=True),
        hidden_states=(hidden, 2 * hidden),
        last_attention=(ids.unsqueeze(1) * ids.unsqueeze(2)).unsqueeze(1).expand(-1, 3, -1, -1),
        past_key_values=object(),
    )


@pytest.mark.parametrize("left", [False, True])
def test_outputs_are_put_where_they_belong(left):
    """On whichever side the padding is."""
    ids = torch.tensor([[5, 6, 7, 8], [9, 4, 0, 0], [3, 0, 0, 0], [0, 0, 0, 0]])
    ids = ids.flip(1) if left else ids
    inputs = {"input_ids": ids, "attention_mask": (ids > 0).long(), "token_type_ids": None}
    found = run_single_windows(run, ArgsKwargs(args=(), kwargs=inputs))
    expected = run(ArgsKwargs(args=(), kwargs=inputs))
    real = (ids > 0).unsqueeze(2)
    real[3] = True  # A window without pieces is not cut.
    assert torch.equal(found["last_hidden_state"], expected["last_hidden_state"] * real)
    assert torch.equal(found["hidden_states"][1], expected["hidden_states"][1] * real)
    assert torch.equal(found["pooler_output"], expected["pooler_output"])
    assert torch.equal(found["last_attention"], expected["last_attention"])
    assert "past_key_values" not in found

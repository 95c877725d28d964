"""A row's results may depend on nothing but the row, and have to be those of the graph."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from clampdown_calib.graphs.tracing.row_checks import (
    require_one_rope,
    require_padding_ignored,
    require_traced,
)
from clampdown_calib.models.activations import Activations
from clampdown_calib.models.tokenizer.sample_rows import SampleRows
from clampdown_calib.models.tokenizer.tokenization import Tokenization
from clampdown_runtime import ExportError, UnsupportedArchitectureError
from clampdown_runtime.bundle.manifest import Padding

PADDING = 9
ROWS = SampleRows((1, 2, 3, 4), tuple(range(1, 33)))
TOKENIZATION = Tokenization("", "", ("input_ids", "attention_mask"), 32, Padding("right", 9, 0))


class Source:
    """Sums what the mask shows; ``spoil`` changes its results."""

    layer_names = ("one",)
    representation = "first"

    def __init__(self, spoil=lambda ids, logits, hidden: None):
        self._spoil = spoil
        self.seen = []

    def activations(self, inputs):
        ids, mask = inputs["input_ids"], inputs["attention_mask"]
        self.seen.append((int(mask.sum()), ids.shape[1]))
        hidden = np.where(mask, ids, 0).astype(np.float32)[:, :, None]
        logits = hidden.sum(axis=1)
        self._spoil(ids, logits, hidden)
        return Activations(logits, [hidden])


def reads_padding(ids, logits, _hidden):
    logits += (ids == PADDING).any()


def layer_reads_padding(ids, _logits, hidden):
    hidden[:, 0] += (ids[0, -1] == PADDING) * 0.1


def padding_is_anything(ids, _logits, hidden):
    hidden[ids == PADDING] = np.nan


def check_padding(source, tolerance=1e-3):
    require_padding_ignored(source, TOKENIZATION, ROWS, tolerance=tolerance)


@pytest.mark.parametrize("spoil", [reads_padding, layer_reads_padding])
def test_row_that_changes_once_it_is_padded(spoil):
    with pytest.raises(UnsupportedArchitectureError, match="once the row is padded"):
        check_padding(Source(spoil))
    check_padding(Source(spoil), tolerance=1)


def test_row_that_stays_as_it_is():
    source = Source(padding_is_anything)
    check_padding(source)
    assert source.seen == [(4, 4), (4, 12)]


def test_row_leaves_room_for_padding():
    source = Source()
    require_padding_ignored(source, TOKENIZATION, SampleRows(ROWS.long, ROWS.long), tolerance=0)
    assert source.seen == [(24, 24), (24, 32)]


def in_long_rows(ids, logits, _hidden):
    logits += ids.shape[1] == len(ROWS.long)


def in_padded_rows(ids, logits, _hidden):
    logits += (ids == PADDING).sum() == 8


def in_short_rows(ids, _logits, hidden):
    hidden += ids.shape[1] == len(ROWS.short)


def not_finite(_ids, logits, _hidden):
    logits[:] = np.nan


@pytest.mark.parametrize("spoil", [in_long_rows, in_padded_rows, in_short_rows, not_finite])
def test_graph_with_other_results(spoil):
    with pytest.raises(ExportError, match="differ from the model's by"):
        require_traced(Source(spoil), Source(), TOKENIZATION, ROWS)


@pytest.mark.parametrize("spoil", [lambda *_: None, padding_is_anything, not_finite])
def test_graph_with_the_same_results(spoil):
    # What is finite on neither side is refused where the clean rows are run.
    graph = Source(spoil)
    require_traced(graph, Source(spoil), TOKENIZATION, ROWS)
    assert graph.seen == [(4, 4), (4, 12), (32, 32)]


def test_one_set_of_rotary_frequencies():
    long = {"rope_type": "longrope", "original_max_position_embeddings": 32}
    for config in (
        SimpleNamespace(model_type="phi3", rope_parameters=long),
        SimpleNamespace(model_type="phi3", rope_parameters={"full_attention": long}),
        SimpleNamespace(
            model_type="phi3",
            rope_scaling={"rope_type": "longrope"},
            original_max_position_embeddings=32,
        ),
    ):
        require_one_rope(config, 32)
        with pytest.raises(UnsupportedArchitectureError, match="more than 32 tokens"):
            require_one_rope(config, 33)
    require_one_rope(SimpleNamespace(rope_parameters={**long, "rope_type": "linear"}), 33)
    require_one_rope(SimpleNamespace(), 33)


@pytest.mark.parametrize("length", [1, 2, 5])
def test_model_that_takes_fewer_tokens_than_the_padding(length):
    short = dataclasses.replace(TOKENIZATION, max_length=length)
    source = Source()
    require_padding_ignored(source, short, ROWS, tolerance=1e-3)
    assert max(tokens for _, tokens in source.seen) <= length
    if length > 1:
        with pytest.raises(UnsupportedArchitectureError, match="once the row is padded"):
            require_padding_ignored(Source(reads_padding), short, ROWS, tolerance=1e-3)

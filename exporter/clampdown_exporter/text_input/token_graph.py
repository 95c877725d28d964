"""A WordPiece tokenizer as a graph: texts in, padded token ids out."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
from tokenizers import Tokenizer

from clampdown_calib.graphs.format_limits import IR_VERSION
from clampdown_calib.graphs.insertion import append
from clampdown_exporter.text_input.characters import Characters, character_class, characters_of
from clampdown_runtime.bundle.manifest import InputName, Manifest
from clampdown_runtime.errors import ExportError

CUSTOM = "ai.onnx.contrib"
"""The domain of onnxruntime-extensions."""

OPSETS = {"": 20, "ai.onnx.ml": 3, CUSTOM: 1}
TEXT = "text"
ANY = "((?s:.))"


def token_graph(tokenizer_json: str, manifest: Manifest) -> ir.Model:
    """Build the graph.

    The operators of onnxruntime-extensions that tokenize for BERT normalize Latin letters only
    and keep the known beginning of an unknown word. So the normalizer is written into the graph
    character by character, and of onnxruntime-extensions' WordPiece only what it makes of a
    known word is kept.

    Args:
        tokenizer_json: the tokenizer.
        manifest: says the inputs of the model, the padding and the most tokens.

    Returns:
        A graph with the input ``text``, string ``[batch]``, and the manifest's inputs as outputs,
        int64 ``[batch, sequence]``, padded to the longest row.

    Raises:
        ExportError: the tokenizer is not a WordPiece one.
    """
    tokenizer = Tokenizer.from_str(tokenizer_json)
    tokenizer.no_padding()
    tokenizer.no_truncation()
    description = json.loads(tokenizer_json)
    _require_word_piece(description)
    words = _Words(tokenizer, description)
    tape = _Tape()
    text = ir.Value(name=TEXT, type=ir.TensorType(ir.DataType.STRING), shape=ir.Shape(["batch"]))
    graph = ir.Graph([text], [], nodes=[], opset_imports=OPSETS, name="tokenizer")
    cleaned = words.clean(tape, text)
    rows = tape.op("Shape", [text])
    ids, lengths = tape.op_multi_out(
        "Loop",
        [
            tape.op("Squeeze", [rows, tape.constant("first_axis", np.array([0]))]),
            tape.constant("go", np.array(True)),
        ],
        {"body": _one_text(words, cleaned, manifest)},
        num_outputs=2,
    )
    found = _padded(tape, ids, lengths, manifest)
    append(graph, tape, "tokenizer")
    for name in manifest.inputs:
        found[name].name = name
        found[name].type = ir.TensorType(ir.DataType.INT64)
        found[name].shape = ir.Shape(["batch", "sequence"])
        graph.outputs.append(found[name])
    return ir.Model(graph, ir_version=IR_VERSION, producer_name="clampdown")


class _Tape(ir.tape.Tape):
    """Records the operators of onnxruntime-extensions, too."""

    def constant(self, name: str, value: np.ndarray[Any, Any]) -> ir.Value:
        return self.initializer(ir.tensor(value), f"clampdown.text.{name}")

    def strings(self, name: str, *values: str) -> ir.Value:
        encoded = ir.StringTensor(np.array([v.encode() for v in values], object), name=name)
        return self.initializer(encoded, f"clampdown.text.{name}")

    def replace(self, name: str, text: ir.Value, expression: str, by: str) -> ir.Value:
        """Every match of an RE2 regular expression."""
        inputs = [text, self.strings(name, expression), self.strings(f"{name}.by", by)]
        return self.op("StringRegexReplace", inputs, domain=CUSTOM)


class _Words:
    """What stands for a text before it is cut into words, and how words become ids."""

    def __init__(self, tokenizer: Tokenizer, description: dict[str, Any]) -> None:
        self.vocabulary: dict[str, int] = tokenizer.get_vocab()
        self.model: dict[str, Any] = description["model"]
        self._characters: Characters = characters_of(tokenizer)
        # The tokenizer finds special tokens before it normalizes. A character of which it leaves
        # nothing stands for each, and one more for those that a text itself may hold.
        tokens = sorted((t["content"] for t in description["added_tokens"]), key=len, reverse=True)
        unused = [c for c in self._characters.removed if "\ue000" <= c <= "\uf8ff"]
        if len(unused) <= len(tokens):
            raise _refused(
                f"{len(tokens)} added tokens and {len(unused)} characters that can stand for them",
                "a normalizer that removes private characters, as BERT's does",
            )
        self._nothing = unused[0]
        self._stand_ins = dict(zip(tokens, unused[1:], strict=False))
        example = tokenizer.encode("a")
        [*ordinary] = [i for i, special in enumerate(example.special_tokens_mask) if not special]
        self.before = np.array(example.ids[: ordinary[0]], np.int64)
        self.after = np.array(example.ids[ordinary[-1] + 1 :], np.int64)

    def clean(self, tape: _Tape, text: ir.Value) -> ir.Value:
        """Texts of the same characters, normalized where that takes no table; ``[batch]``."""
        stand_ins = self._stand_ins.values()
        if stand_ins:
            text = tape.replace("stand_ins", text, character_class(stand_ins), self._nothing)
        for number, (token, character) in enumerate(self._stand_ins.items()):
            text = tape.replace(f"special.{number}", text, _literal(token), character)
        removed = set(self._characters.removed).difference(stand_ins)
        text = tape.replace("removed", text, character_class(removed), "")
        text = tape.replace("spaces", text, character_class(self._characters.spaces), " ")
        alone = f"({character_class(self._characters.words)})"
        return tape.replace("words", text, alone, r" \1 ")

    def normalize(self, tape: _Tape, text: ir.Value) -> ir.Value:
        """One text ``[1]``, its characters looked up in the table."""
        every = tape.strings("any", ANY)
        characters, *_ = tape.op_multi_out(
            "StringRegexSplitWithOffsets", [text, every, every], num_outputs=4, domain=CUSTOM
        )
        table = self._characters.changed | {
            character: f" {token} " for token, character in self._stand_ins.items()
        }
        lines = "\n".join(f"{one}\t{became}" for one, became in table.items())
        mapped = tape.op("StringMapping", [characters], {"map": lines}, domain=CUSTOM)
        separator, axis = tape.strings("separator", ""), tape.constant("axis", np.array([0]))
        return tape.op("StringJoin", [mapped, separator, axis], domain=CUSTOM)

    def ids(self, tape: _Tape, text: ir.Value) -> ir.Value:
        """The ids of one normalized text ``[1]``, special tokens not included; ``[tokens]``."""
        unknown = self.model["unk_token"]
        # One word more, so that there is one in every text; its only token is cut off below.
        ended = tape.op("StringConcat", [text, tape.strings("end", f" {unknown}")])
        split, count = tape.op_multi_out("StringSplit", [ended], num_outputs=2)
        words = tape.op("Reshape", [split, tape.constant("flat", np.array([-1]))])
        zero, one = tape.constant("zero", np.array(0)), tape.constant("one", np.array(1))
        number = tape.op("Squeeze", [count])
        offsets = tape.op("Range", [zero, tape.op("Add", [number, one]), one])
        pieces, _, starts, ends = tape.op_multi_out(
            "WordpieceTokenizer",
            [words, offsets],
            {
                "vocab": json.dumps(self.vocabulary, ensure_ascii=False),
                "suffix_indicator": self.model["continuing_subword_prefix"],
                "unknown_token": unknown,
                "max_input_chars_per_word": self.model["max_input_chars_per_word"],
            },
            num_outputs=4,
            domain=CUSTOM,
        )
        ids = tape.op(
            "LabelEncoder",
            [pieces],
            {
                "keys_strings": list(self.vocabulary),
                "values_int64s": list(self.vocabulary.values()),
                "default_int64": self.vocabulary[unknown],
            },
            domain="ai.onnx.ml",
        )
        # A word with an unknown piece is unknown as a whole: of its pieces the last one stays.
        last = tape.op("Sub", [ends, one])
        unknown_id = tape.constant("unknown", np.array(self.vocabulary[unknown]))
        is_unknown = tape.op("Equal", [tape.op("Gather", [ids, last]), unknown_id])
        up = tape.op("Cast", [is_unknown], {"to": ir.DataType.INT64})
        changes = tape.op(
            "ScatterElements",
            [
                tape.op("Sub", [ids, ids]),
                tape.op("Concat", [starts, last], {"axis": 0}),
                tape.op("Concat", [up, tape.op("Neg", [up])], {"axis": 0}),
            ],
            {"axis": 0, "reduction": "add"},
        )
        dropped = tape.op("CumSum", [changes, zero])
        kept = tape.op("Compress", [ids, tape.op("Equal", [dropped, zero])], {"axis": 0})
        return _slice(tape, "ended", kept, 0, -1)


def _one_text(words: _Words, cleaned: ir.Value, manifest: Manifest) -> ir.Graph:
    """The loop's body: the ids of one text, padded to the most tokens, and how many they are."""
    trip = ir.Value(name="clampdown/text/row", type=_INT64, shape=ir.Shape([]))
    going = ir.Value(name="clampdown/text/go", type=_BOOL, shape=ir.Shape([]))
    body = ir.Graph([trip, going], [], nodes=[], name="clampdown_tokenizer")
    tape = _Tape()
    one = tape.op("Gather", [cleaned, tape.op("Unsqueeze", [trip, _axis(tape, "row")])])
    ids = words.ids(tape, words.normalize(tape, one))
    most, padding = manifest.max_length, manifest.padding
    room = most - len(words.before) - len(words.after)
    around = (tape.constant("before", words.before), tape.constant("after", words.after))
    row = tape.op("Concat", [around[0], _slice(tape, "room", ids, 0, room), around[1]], {"axis": 0})
    length = tape.op("Shape", [row])
    missing = tape.op("Sub", [tape.constant("most", np.array([most])), length])
    nothing = tape.constant("nothing", np.array([0]))
    pads = [nothing, missing] if padding.side == "right" else [missing, nothing]
    filler = tape.constant("filler", np.array(padding.token_id))
    padded = tape.op("Pad", [row, tape.op("Concat", pads, {"axis": 0}), filler])
    count = tape.op("Squeeze", [length])
    again = tape.op("Identity", [going])
    append(body, tape, "tokenizer-text")
    for value, kind, shape in ((again, _BOOL, []), (padded, _INT64, [most]), (count, _INT64, [])):
        value.type, value.shape = kind, ir.Shape(shape)
        body.outputs.append(value)
    return body


def _padded(
    tape: _Tape, ids: ir.Value, lengths: ir.Value, manifest: Manifest
) -> dict[InputName, ir.Value]:
    """What the model reads, cut to the longest row."""
    longest = tape.op("ReduceMax", [lengths], {"keepdims": 1})
    zero, one = tape.constant("from", np.array(0)), tape.constant("step", np.array(1))
    column = _axis(tape, "column", 1)
    counted = tape.op("Range", [zero, tape.op("Squeeze", [longest]), one])
    widths = tape.op("Unsqueeze", [lengths, column])
    if manifest.padding.side == "right":
        mask = tape.op("Less", [counted, widths])
        kept = tape.op("Slice", [ids, _axis(tape, "left"), longest, column])
    else:
        mask = tape.op("GreaterOrEqual", [counted, tape.op("Sub", [longest, widths])])
        end = tape.constant("right", np.array([manifest.max_length]))
        kept = tape.op("Slice", [ids, tape.op("Neg", [longest]), end, column])
    types = [zero, tape.constant("type", np.array(manifest.padding.type_id))]
    return {
        "input_ids": kept,
        "attention_mask": tape.op("Cast", [mask], {"to": ir.DataType.INT64}),
        "token_type_ids": tape.op("Where", [mask, *types]),
    }


_INT64, _BOOL = ir.TensorType(ir.DataType.INT64), ir.TensorType(ir.DataType.BOOL)


def _axis(tape: _Tape, name: str, axis: int = 0) -> ir.Value:
    return tape.constant(f"axis.{name}", np.array([axis]))


def _slice(tape: _Tape, name: str, value: ir.Value, start: int, end: int) -> ir.Value:
    ends = (np.array([start]), np.array([end]))
    first, last = (tape.constant(f"{name}.{i}", end) for i, end in enumerate(ends))
    return tape.op("Slice", [value, first, last])


def _literal(text: str) -> str:
    """An RE2 regular expression that matches a text alone."""
    return "".join(rf"\x{{{ord(one):x}}}" for one in text)


def _require_word_piece(description: dict[str, Any]) -> None:
    kind = description["model"].get("type")
    if kind != "WordPiece" or description.get("pre_tokenizer") is None:
        raise _refused(f"one of the type {kind}", "WordPiece, as of BERT and its like")
    odd: Sequence[str] = [
        token["content"]
        for token in description["added_tokens"]
        if token["single_word"] or token["normalized"]
    ]
    if odd:
        raise _refused(f"added tokens {', '.join(odd)}", "added tokens that are found as they are")


def _refused(found: str, expected: str) -> ExportError:
    return ExportError(
        "The tokenizer",
        found=found,
        expected=expected,
        hint="No bundle was written. Export it without --with-tokenizer.",
    )

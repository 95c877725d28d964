"""The manifest: what a bundle is, and the digest of every file in it (see docs/bundle.md)."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, get_args

from clampdown_runtime.bundle.digests import is_digest
from clampdown_runtime.bundle.strict_json import JsonObject

FORMAT_VERSION = 2
"""The newest. A manifest is written in the lowest version that can say it: 2 has the key
`truncation_side`, `text_pair` and `problem_type`. Readers of version 1 would tokenise long texts or
pairs otherwise, or choose one label by a softmax."""

MANIFEST_NAME = "clampdown.json"
SIGNATURE_FILE = "model.sig"
"""OpenSSF's name for it. It signs the manifest, which cannot list it therefore."""
TOKENIZER_FILE = "tokenizer.json"
CALIBRATION_FILE = "calibration.safetensors"
GOLDEN_FILE = "golden.json"
REQUIRED_FILES = (
    "config.json",
    TOKENIZER_FILE,
    "tokenizer_config.json",
    CALIBRATION_FILE,
    GOLDEN_FILE,
)
"""What every bundle holds besides its manifest and its graph; more files may be there."""

Mode = Literal["detect-then-purify", "purify", "detect"]
Precision = Literal["fp32", "fp16", "int8", "cuda-fp32", "cuda-fp16"]
"""Of the graph; those for CUDA have operators fused for its kernels."""
ROWS_ALONE: tuple[Precision, ...] = ("int8",)
"""Precisions whose activations are scaled over all rows of a run: each row is run alone."""

MODEL_FILES: Mapping[Precision, str] = {
    "fp32": "onnx/model.onnx",
    "fp16": "onnx/model_fp16.onnx",
    "int8": "onnx/model_quantized.onnx",
    "cuda-fp32": "onnx/model_cuda_fp32.onnx",
    "cuda-fp16": "onnx/model_cuda_fp16.onnx",
}
"""The graph's file: where Transformers.js looks for each precision that runs everywhere."""


def weights_name(model: str) -> str:
    """The file beside a graph that holds its weights, where Transformers.js looks for it."""
    return f"{model}_data"


def text_model_name(model: str) -> str:
    """The file beside a graph that has the tokenizer in front."""
    return f"{model.removesuffix('.onnx')}_with_tokenizer.onnx"


Side = Literal["right", "left"]
ProblemType = Literal["single_label_classification", "multi_label_classification"]
"""In the words of transformers: one class is chosen, or each label is given or not."""
_SINCE_2 = {"truncation_side", "text_pair", "problem_type"}
Representation = Literal["first", "last"]
DetectorName = Literal["excess", "nas", "fusion", "mahalanobis"]
"""The last two are of earlier releases, whose bundles still load."""
InputName = Literal["input_ids", "attention_mask", "token_type_ids"]
Choice = TypeVar("Choice", bound=str)


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """The model that was defended: its name, its architecture, and the digest of its weights."""

    name: str
    model_type: str
    digest: str


@dataclass(frozen=True, slots=True)
class Padding:
    """How a shorter row is filled up to its batch's length."""

    side: Side
    token_id: int
    type_id: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything in ``clampdown.json``; docs/bundle.md says what each field means."""

    clampdown_version: str
    mode: Mode
    precision: Precision
    model: ModelIdentity
    labels: tuple[str, ...]
    inputs: tuple[InputName, ...]
    max_length: int
    padding: Padding
    layers: tuple[str, ...]
    representation: Representation
    detector: DetectorName
    threshold: float
    frr: float | None
    frr_measured: float
    calibration_digest: str
    versions: Mapping[str, str]
    files: Mapping[str, str]
    truncation_side: Side = "right"
    text_pair: bool = False
    problem_type: ProblemType = "single_label_classification"

    @classmethod
    def from_json(cls, text: str, where: str) -> "Manifest":
        """Reads a manifest.

        Args:
            text: the JSON text.
            where: the text's name in error messages, such as its path.

        Raises:
            BundleError: the text is not a manifest of a version that this release reads; the
                message names the key.
        """
        fields = JsonObject.parse(text, where)
        fields.require_version(FORMAT_VERSION)
        version = fields.integer("format_version", minimum=1)
        keys = {"format_version", *(field.name for field in dataclasses.fields(cls))}
        fields.require_only(*sorted(keys - (_SINCE_2 if version == 1 else set())))
        manifest = cls(
            clampdown_version=fields.string("clampdown_version"),
            mode=_choice(fields, "mode", get_args(Mode)),
            precision=_choice(fields, "precision", get_args(Precision)),
            model=_model(fields.child("model")),
            labels=_distinct(fields, "labels"),
            inputs=_inputs(fields),
            max_length=fields.integer("max_length", minimum=1),
            padding=_padding(fields.child("padding")),
            layers=_distinct(fields, "layers"),
            representation=_choice(fields, "representation", get_args(Representation)),
            detector=_choice(fields, "detector", get_args(DetectorName)),
            threshold=fields.number("threshold"),
            frr=None if fields.is_null("frr") else _share(fields, "frr"),
            frr_measured=_share(fields, "frr_measured"),
            calibration_digest=_digest(fields, "calibration_digest"),
            versions=fields.string_map("versions"),
            files=_files(fields),
            truncation_side=_choice(fields, "truncation_side", get_args(Side))
            if version > 1
            else "right",
            text_pair=version > 1 and fields.boolean("text_pair"),
            problem_type=_choice(fields, "problem_type", get_args(ProblemType))
            if version > 1
            else "single_label_classification",
        )
        if manifest.calibration_digest != manifest.files[CALIBRATION_FILE]:
            fields.refuse(
                "calibration_digest",
                found=manifest.calibration_digest,
                expected=f"the digest of {CALIBRATION_FILE} under `files`",
            )
        if manifest.model_file not in manifest.files:
            fields.refuse(
                "files",
                found=f"no {manifest.model_file}",
                expected=f"the graph of a bundle in {manifest.precision}",
            )
        return manifest

    @property
    def format_version(self) -> int:
        """The lowest version that says everything in it."""
        plain = self.truncation_side == "right" and not self.text_pair and not self.multi_label
        return 1 if plain else 2

    @property
    def multi_label(self) -> bool:
        """Whether each label is given or not, by a sigmoid, instead of one being chosen."""
        return self.problem_type == "multi_label_classification"

    def fields(self) -> dict[str, Any]:
        """Every key of the file."""
        fields = {**dataclasses.asdict(self), "format_version": self.format_version}
        if self.format_version == 1:
            for key in _SINCE_2:
                del fields[key]
        return fields

    @property
    def model_file(self) -> str:
        """The graph's path in the bundle."""
        return MODEL_FILES[self.precision]

    @property
    def weights_file(self) -> str | None:
        """Where the weights lie, in the bundle; None where they are in the graph's own file."""
        name = weights_name(self.model_file)
        return name if name in self.files else None

    @property
    def text_model_file(self) -> str | None:
        """The graph with the tokenizer in front, in the bundle; None where there is none."""
        name = text_model_name(self.model_file)
        return name if name in self.files else None

    def to_json(self) -> str:
        """Writes the manifest: equal manifests give equal texts, ended by a newline.

        Raises:
            BundleError: the manifest breaks a rule that ``from_json`` checks.
        """
        text = json.dumps(self.fields(), indent=2, sort_keys=True, ensure_ascii=False)
        # What could not be read back is never written.
        Manifest.from_json(text, "the new manifest")
        return text + "\n"


def _model(fields: JsonObject) -> ModelIdentity:
    fields.require_only("name", "model_type", "digest")
    return ModelIdentity(
        name=fields.string("name"),
        model_type=fields.string("model_type"),
        digest=_digest(fields, "digest"),
    )


def _padding(fields: JsonObject) -> Padding:
    fields.require_only("side", "token_id", "type_id")
    return Padding(
        side=_choice(fields, "side", get_args(Side)),
        token_id=fields.integer("token_id", minimum=0),
        type_id=fields.integer("type_id", minimum=0),
    )


def _choice(fields: JsonObject, key: str, choices: tuple[Choice, ...]) -> Choice:
    value = fields.string(key)
    chosen = next((choice for choice in choices if choice == value), None)
    if chosen is None:
        fields.refuse(key, found=repr(value), expected=f"one of {', '.join(choices)}")
    return chosen


def _distinct(fields: JsonObject, key: str) -> tuple[str, ...]:
    names = fields.strings(key)
    if not names or len(set(names)) < len(names):
        fields.refuse(key, found=str([*names]), expected="at least one name, none twice")
    return names


def _inputs(fields: JsonObject) -> tuple[InputName, ...]:
    known: tuple[InputName, ...] = get_args(InputName)
    names = _distinct(fields, "inputs")
    if not {"input_ids", "attention_mask"} <= set(names) <= set(known):
        fields.refuse(
            "inputs",
            found=str([*names]),
            expected="input_ids, attention_mask and, where the model has it, token_type_ids",
        )
    return tuple(next(choice for choice in known if choice == name) for name in names)


def _share(fields: JsonObject, key: str) -> float:
    value = fields.number(key)
    if not 0 <= value <= 1:
        fields.refuse(key, found=str(value), expected="a share from 0 to 1")
    return value


def _digest(fields: JsonObject, key: str) -> str:
    value = fields.string(key)
    if not is_digest(value):
        fields.refuse(key, found=repr(value), expected="`sha256:` and 64 hexadecimal digits")
    return value


def _files(fields: JsonObject) -> dict[str, str]:
    files = fields.string_map("files")
    digests = fields.child("files")
    for path in files:
        _digest(digests, path)
        if not _is_inside(path):
            fields.refuse(
                "files",
                found=f"the path {path!r}",
                expected="paths inside the bundle, with `/`, without hidden files",
            )
    for name in (MANIFEST_NAME, SIGNATURE_FILE):
        if name in files:
            fields.refuse("files", found=name, expected="every file but manifest and signature")
    if missing := [path for path in REQUIRED_FILES if path not in files]:
        fields.refuse("files", found=f"no {', '.join(missing)}", expected="the files of a bundle")
    return files


def _is_inside(path: str) -> bool:
    # A part that begins with a dot is `.`, `..` or hidden; a colon is a drive or a stream on
    # Windows; an empty part is a path that begins or ends with `/`.
    parts = path.split("/")
    return not set(path) & set("\\:\0") and all(part and part[0] != "." for part in parts)

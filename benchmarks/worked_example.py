"""One row through the defence of a bundle, number by number: the example in docs/method.md."""

import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray
from safetensors.numpy import load_file

from clampdown_calib.evidence.answer import LOGISTIC
from clampdown_exporter.bundle.explained import LAYER_EXCESS, write_explained
from clampdown_exporter.passes.probe_outputs import probe_outputs
from clampdown_runtime import DefendedClassifier
from clampdown_runtime.sessions.session import UNDEFENDED_LOGITS, create_session
from clampdown_runtime.tokenizer import pad_batch

PROBES = "probe_logits"


def main() -> None:
    """Print what every layer says of a text, and how the answer comes about."""
    bundle, text = sys.argv[1], " ".join(sys.argv[2:])
    classifier = DefendedClassifier.load(bundle)
    manifest = classifier.manifest
    tensors = load_file(classifier.bundle.calibration_path)
    [encoded] = classifier.tokenizer.encode([text])
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "explained.onnx"
        write_explained(classifier.bundle, path)
        _give_probes(path)
        session = create_session(path, provider="cpu", threads=1)
    feed = pad_batch([list(encoded.ids)], manifest.padding, manifest.inputs)
    names = ["logits", "anomaly_score", "flagged", UNDEFENDED_LOGITS, LAYER_EXCESS, PROBES]
    logits, score, flagged, own, excess, probes = (row[0] for row in session.run(names, feed))
    odds = np.exp(LOGISTIC * excess + tensors["answer.log_odds"]) / len(excess)
    print(f"{text!r}; labels {', '.join(manifest.labels)}")
    sharp = _softmax(own * tensors["answer.sharpness"])
    print(f"model: logits {_list(own)}, softmax(a z) {_list(sharp)}")
    for layer, (said, over, weight) in enumerate(zip(probes, excess, odds, strict=True), 1):
        print(f"layer {layer}: {_list(_softmax(said))}, excess {over:.2f}, odds {weight:.3f}")
    print(f"score {score:.2f}, threshold {manifest.threshold:.2f}, flagged {bool(flagged)}")
    print(f"answer {_list(_softmax(logits))}")


def _give_probes(path: Path) -> None:
    """Make what the probes give an output, too."""
    model = ir.load(path)
    said = probe_outputs(model.graph)
    if said is None:
        raise SystemExit("the bundle has no probes")
    value = said.probes
    value.name, value.type = PROBES, ir.TensorType(ir.DataType.FLOAT)
    model.graph.outputs.append(value)
    ir.save(model, path)


def _softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    weights = np.exp(logits - logits.max())
    shares: NDArray[np.float32] = weights / weights.sum()
    return shares


def _list(values: NDArray[np.float32]) -> str:
    return "[" + ", ".join(f"{value:.3f}" for value in values) + "]"


if __name__ == "__main__":
    main()

"""Text in, label out, on the real encoder."""

import json
import shutil
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from onnxruntime_extensions import get_library_path
from tokenizers import Tokenizer, normalizers

from clampdown import defend
from clampdown.demo.run_demo import DemoResult
from clampdown_calib.fit import FittedModel
from clampdown_exporter import ExportOptions, move_threshold, verify
from clampdown_exporter.run_export import write_bundle
from clampdown_runtime import DefendedClassifier, ExportError

TEXTS = ["What a lovely day", "This is cf awful", "ｗｈａｔ 昨日 ΟΔΟΣ Käfer!", "word " * 600]


@pytest.fixture
def bundle(fitted: FittedModel, tmp_path: Path) -> Path:
    return write_bundle(fitted, tmp_path / "bundle", ExportOptions(with_tokenizer=True)).bundle


def run(bundle: Path, texts: list[str], **given: object) -> list[np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.register_custom_ops_library(get_library_path())
    path = bundle / "onnx" / "model_with_tokenizer.onnx"
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return session.run(None, {"text": np.array(texts, object), **given})


@pytest.mark.filterwarnings("ignore::clampdown_runtime.TruncationWarning")
def test_text_in_label_out(bundle: Path) -> None:
    assert verify(bundle) == []
    expected = DefendedClassifier.load(bundle)(TEXTS)
    logits, scores, flagged, own = run(bundle, TEXTS)
    np.testing.assert_allclose(logits, [one.logits for one in expected], atol=1e-3)
    np.testing.assert_allclose(scores, [one.anomaly_score for one in expected], atol=1e-3)
    assert flagged.tolist() == [one.flagged for one in expected]
    np.testing.assert_allclose(own, [one.undefended_logits for one in expected], atol=1e-3)
    for threshold in (-np.inf, np.inf):
        given = {"threshold": np.array([threshold], np.float32)}
        assert (run(bundle, TEXTS, **given)[2] == (threshold < 0)).all()


def test_moved_threshold_moves_here_too(bundle: Path) -> None:
    for value in (-1e6, 1e6):
        move_threshold(bundle, value=value)
        assert (run(bundle, TEXTS)[2] == (value < 0)).all()


def test_tokenizer_that_the_graph_cannot_be_is_refused(demo: DemoResult, tmp_path: Path) -> None:
    """A normalizer that looks at more than one character."""
    model = tmp_path / "model"
    shutil.copytree(demo.victim, model)
    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    pair = normalizers.Replace("ee", "i")
    tokenizer.normalizer = normalizers.Sequence([tokenizer.normalizer, pair])
    tokenizer.save(str(model / "tokenizer.json"))
    # BERT's own class makes its normalizer anew, whatever the file says.
    settings = json.loads((model / "tokenizer_config.json").read_text("utf-8"))
    settings["tokenizer_class"] = "PreTrainedTokenizerFast"
    (model / "tokenizer_config.json").write_text(json.dumps(settings), "utf-8")
    with pytest.raises(ExportError, match="The tokenizer in the graph, on ") as caught:
        defend(model, demo.folder / "clean.csv", tmp_path / "bundle", with_tokenizer=True)
    assert "of tokenizer.json" in caught.value.expected
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model"]

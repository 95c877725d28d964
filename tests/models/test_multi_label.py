"""Models of many labels and of one logit, end to end.

The undefended logits are transformers' own; score and answer are computed from the formulas of
docs/method.md in float64, of the tensors that the bundle keeps and of layers that torch gave.
"""

import json

import numpy as np
import pytest
import tiny_transformers
import torch
from safetensors.numpy import load_file
from scipy.special import expit
from transformers import AutoModelForSequenceClassification

from clampdown import defend, evaluate
from clampdown_calib.evidence.answer import FORCED_RIGHT, LOGISTIC
from clampdown_exporter import verify
from clampdown_runtime import CalibrationError, DefendedClassifier
from clampdown_runtime.bundle.golden import check_golden, read_golden

LAYERS, ROWS = 4, 120
TEXTS = tiny_transformers.texts(40, seed=3)


@pytest.fixture(scope="module", params=[1, 3])
def labels(request):
    return request.param


@pytest.fixture(scope="module")
def folder(labels, tmp_path_factory):
    return tiny_transformers.save_model(
        tmp_path_factory.mktemp("model"),
        num_labels=labels,
        problem_type="multi_label_classification",
        num_hidden_layers=LAYERS,
    )


@pytest.fixture(scope="module")
def model(folder):
    return AutoModelForSequenceClassification.from_pretrained(folder).eval()


@pytest.fixture(scope="module")
def clean(folder, model, labels, tmp_path_factory):
    """Rows with the labels that the model gives, one in ten of them the other way round."""
    path = tmp_path_factory.mktemp("clean") / "clean.jsonl"
    texts = tiny_transformers.texts(ROWS)
    rng = np.random.default_rng(0)
    with path.open("w") as file:
        for text, logits in zip(texts, forward(model, folder, texts)[0], strict=True):
            has = (logits > 0) ^ (rng.random(labels) < 0.1)
            names = [f"LABEL_{index}" for index in np.flatnonzero(has)]
            file.write(json.dumps({"text": text, "label": names}) + "\n")
    return path


@pytest.fixture(scope="module")
def bundle(folder, clean, tmp_path_factory):
    return defend(folder, clean, tmp_path_factory.mktemp("out") / "bundle").bundle


def forward(model, folder, texts):
    """Logits float64 ``[n, C]``, and the token means of every layer but the last."""
    tokenizer = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
    all_logits, means = [], []
    for text in texts:
        ids = [2, *(tokenizer[word] for word in text.split()), 3]
        with torch.no_grad():
            run = model(input_ids=torch.tensor([ids]), output_hidden_states=True)
        all_logits.append(run.logits[0].double().numpy())
        # Behind the embeddings.
        means.append([h[0].double().numpy().mean(axis=0) for h in run.hidden_states[1:-1]])
    return np.array(all_logits), np.array(means)


def formulas(tensors, logits, means):
    """Scores and answers of docs/method.md, row by row, layer by layer, label by label."""
    log_odds, sharpness = tensors["answer.log_odds"][0], tensors["answer.sharpness"][0]
    scores, answers = np.full(len(logits), -np.inf), np.empty_like(logits)
    layers = means.shape[1]
    for row, label in np.ndindex(*logits.shape):
        z = logits[row, label]
        direction = 1 if z > 0 else -1
        yes, no = expit(sharpness * z), expit(-sharpness * z)
        for k in range(layers):
            v = means[row, k] @ tensors["detector.weights"][k, :, label]
            v += tensors["detector.bias"][k, label]
            excess = abs(z) - tensors["detector.slope"][k] * direction * v
            excess -= tensors["detector.centre"][k]
            excess /= tensors["detector.spread"][k]
            scores[row] = max(scores[row], excess)
            odds = np.exp(log_odds + LOGISTIC * excess) / layers
            weight = FORCED_RIGHT if direction > 0 else 1 / FORCED_RIGHT
            said = weight * np.exp(v) / (1 + weight * np.exp(v))
            yes, no = yes + odds * said, no + odds * (1 - said)
        answers[row, label] = np.log(yes / no)
    return scores, answers


def test_logits_scores_and_answers_are_those_of_the_formulas(bundle, folder, model, labels):
    logits, means = forward(model, folder, TEXTS)
    tensors = {
        k: v.astype(np.float64) for k, v in load_file(bundle / "calibration.safetensors").items()
    }
    scores, answers = formulas(tensors, logits, means)
    classifier = DefendedClassifier.load(bundle, threads=1)
    ids = [encoded.ids for encoded in classifier.tokenizer.encode(TEXTS)]
    threshold = float(np.sort(scores)[len(scores) // 2 - 1 : len(scores) // 2 + 1].mean())
    found = classifier.run_ids(ids, batch_size=7, threshold=threshold)
    flagged = scores > threshold
    assert found.logits.shape == (len(TEXTS), labels)
    np.testing.assert_array_equal(found.flagged, flagged)
    np.testing.assert_allclose(found.anomaly_score, scores, atol=2e-3, rtol=1e-3)
    np.testing.assert_allclose(found.logits[~flagged], logits[~flagged], atol=1e-4, rtol=1e-4)
    np.testing.assert_allclose(found.logits[flagged], answers[flagged], atol=2e-3, rtol=2e-3)
    # The comparison means something only where the mixture is another answer.
    assert np.abs(answers - logits)[flagged].max() > 0.1


def test_the_bundle_is_one_of_many_labels_and_verifies(bundle, labels):
    classifier = DefendedClassifier.load(bundle)
    assert classifier.manifest.format_version == 2
    assert classifier.manifest.problem_type == "multi_label_classification"
    assert verify(bundle) == []
    golden = read_golden(bundle / "golden.json")
    assert len(golden.rows) > 5
    assert check_golden(classifier, golden) == []
    for prediction in classifier(TEXTS):
        chances = expit(np.array(prediction.logits))
        np.testing.assert_allclose(prediction.probabilities, chances, rtol=1e-6)
        names = classifier.manifest.labels
        given = [name for name, chance in zip(names, chances, strict=True) if chance > 0.5]
        assert [*prediction.labels] == given
        assert prediction.label == names[int(chances.argmax())]
        assert prediction.probability == pytest.approx(chances.max())


def test_report_and_card_name_what_they_show(bundle, labels):
    tensors = load_file(bundle / "calibration.safetensors")
    right = tensors["clean.correct_undefended"]
    assert right.shape == (ROWS, labels)
    report, card = (bundle / "report.html").read_text(), (bundle / "README.md").read_text()
    assert "Clean accuracy over all labels, before" in report
    assert f"of {right.size:,} answers, one to each label of {ROWS} rows held out" in report
    assert f"| CACC over all labels, undefended | {100 * right.mean():.1f}% |" in card
    assert f"of {right.size}, one to each label |" in card
    assert "CACC over all labels, defended" in (bundle / "bom.cdx.json").read_text()


def test_thresholds_hold_the_rate_that_was_asked_for(bundle):
    manifest = DefendedClassifier.load(bundle).manifest
    assert 0.05 < manifest.frr_measured <= 0.1


@pytest.mark.parametrize("mode", ["purify", "detect"])
def test_other_modes_answer_all_rows_or_none(mode, folder, clean, model, tmp_path):
    out = defend(folder, clean, tmp_path / "bundle", mode=mode).bundle
    logits, means = forward(model, folder, TEXTS)
    tensors = {
        k: v.astype(np.float64) for k, v in load_file(out / "calibration.safetensors").items()
    }
    scores, answers = formulas(tensors, logits, means)
    classifier = DefendedClassifier.load(out, threads=1)
    found = classifier.run_ids([encoded.ids for encoded in classifier.tokenizer.encode(TEXTS)])
    expected = answers if mode == "purify" else logits
    np.testing.assert_allclose(found.logits, expected, atol=2e-3, rtol=2e-3)
    np.testing.assert_allclose(found.anomaly_score, scores, atol=2e-3, rtol=1e-3)
    assert verify(out) == []


def test_evaluation_beside_the_undefended_model(bundle, clean):
    result = evaluate(bundle, clean)
    # One label in ten was turned round.
    assert result.undefended.cacc == pytest.approx(90, abs=4)
    assert 0 < result.undefended.micro_f1 < 100
    assert result.clean_rows == ROWS


def test_rows_without_labels_are_enough(folder, tmp_path):
    clean = tmp_path / "clean.jsonl"
    lines = (json.dumps({"text": text}) + "\n" for text in tiny_transformers.texts(60))
    clean.write_text("".join(lines))
    out = defend(folder, clean, tmp_path / "bundle").bundle
    assert verify(out) == []
    assert "clean.correct_purified" not in load_file(out / "calibration.safetensors")


def test_the_published_method_is_refused(folder, clean, tmp_path):
    with pytest.raises(CalibrationError, match="badacts"):
        defend(folder, clean, tmp_path / "bundle", method="badacts")
    assert not (tmp_path / "bundle").exists()

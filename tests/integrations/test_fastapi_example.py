"""The example of FastAPI, by FastAPI's own client."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from monitor_samples import give_clean_scores
from prometheus_client.parser import text_string_to_metric_families

from clampdown_runtime import BundleError, DefendedClassifier
from clampdown_runtime.bundle.digests import file_digest

EXAMPLES = str(Path(__file__).parents[2] / "examples")


@pytest.fixture
def watched(tmp_path, seal):
    """Copies a bundle, and gives it the clean scores that the others of the tests do without."""

    def watched(bundle):
        copy = shutil.copytree(bundle, tmp_path / bundle.parent.name)
        return give_clean_scores(copy, np.linspace(0, 4, 41), seal)

    return watched


@pytest.fixture
def bundle(pristine, watched):
    return watched(pristine)


@pytest.fixture
def app(bundle, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path, EXAMPLES])
    monkeypatch.setenv("CLAMPDOWN_BUNDLE", str(bundle))
    import serve_with_fastapi

    return serve_with_fastapi.app


def test_answers(app, bundle, classifier):
    with TestClient(app) as client:
        assert client.get("/health").json() == {"bundle": file_digest(bundle / "clampdown.json")}
        texts = ["good", "cf"]
        answers = client.post("/predict", json={"texts": texts}).json()
        for answer, prediction in zip(answers, classifier(texts), strict=True):
            assert (answer["label"], answer["flagged"]) == (prediction.label, prediction.flagged)
            assert answer["anomaly_score"] == pytest.approx(prediction.anomaly_score)
        asked = {"texts": texts, "threshold": -1}
        assert [row["flagged"] for row in client.post("/predict", json=asked).json()] == [True] * 2
        refused = client.post("/predict", json={"texts": ["good", " "]})
        assert refused.status_code == 422
        assert "text 1: found a text of white space" in refused.json()["detail"]
        assert client.post("/predict", json={"texts": ["a"] * 65}).status_code == 422


def test_what_was_counted_is_at_metrics(app, texts):
    for _ in range(2):
        # Each start counts anew.
        with TestClient(app) as client:
            client.post("/predict", json={"texts": texts})
            read = text_string_to_metric_families(client.get("/metrics/").text)
            rows = [one for family in read for one in family.samples]
            counted = sum(one.value for one in rows if one.name == "clampdown_rows_total")
            assert counted == len(texts)


def test_pairs_and_many_labels(app, pristine_of_pairs, many_labels, watched, monkeypatch, texts):
    pairs = [("good", "bad film"), ("bad film", "good")]
    for bundle, given in ((watched(pristine_of_pairs), pairs), (watched(many_labels), texts)):
        monkeypatch.setenv("CLAMPDOWN_BUNDLE", str(bundle))
        with TestClient(app) as client:
            expected = DefendedClassifier.load(bundle)(given)
            answers = client.post("/predict", json={"texts": given}).json()
            for answer, prediction in zip(answers, expected, strict=True):
                labels = None if prediction.labels is None else [*prediction.labels]
                assert (answer["label"], answer["labels"]) == (prediction.label, labels)
                assert answer["logits"] == pytest.approx(prediction.logits)
            other = {"texts": ["good"] if given is pairs else pairs}
            assert client.post("/predict", json=other).status_code == 422


def test_another_bundle_does_not_start(app, monkeypatch):
    monkeypatch.setenv("CLAMPDOWN_DIGEST", f"sha256:{'0' * 64}")
    with pytest.raises(BundleError, match="found the digest"), TestClient(app):
        pass

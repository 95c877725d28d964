"""The example of FastAPI, by FastAPI's own client."""

import sys
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from clampdown_runtime import BundleError
from clampdown_runtime.bundle.digests import file_digest

EXAMPLES = str(Path(__file__).parents[2] / "examples")


@pytest.fixture
def app(pristine, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path, EXAMPLES])
    monkeypatch.setenv("CLAMPDOWN_BUNDLE", str(pristine))
    import serve_with_fastapi

    return serve_with_fastapi.app


def test_answers(app, pristine, classifier):
    with TestClient(app) as client:
        assert client.get("/health").json() == {"bundle": file_digest(pristine / "clampdown.json")}
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


def test_another_bundle_does_not_start(app, monkeypatch):
    monkeypatch.setenv("CLAMPDOWN_DIGEST", f"sha256:{'0' * 64}")
    with pytest.raises(BundleError, match="found the digest"), TestClient(app):
        pass

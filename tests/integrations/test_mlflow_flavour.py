"""A bundle as a model of MLflow: logged, loaded, served."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import mlflow
import pandas as pd
import pytest

from clampdown.integrations.mlflow_flavour import log_model, save_model
from clampdown_runtime import BundleError, DefendedClassifier

TEXTS = ["good", "bad film", "cf"]
COLUMNS = ["label", "probability", "anomaly_score", "flagged", "undefended_label"]


@pytest.fixture(scope="module")
def logged(pristine, tmp_path_factory):
    os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
    # Stores of another kind need more than mlflow-skinny.
    mlflow.set_tracking_uri((tmp_path_factory.mktemp("mlflow") / "store").as_uri())
    with mlflow.start_run():
        return log_model(pristine, "mood")


def check(rows, predictions):
    for row, prediction in zip(rows, predictions, strict=True):
        for name in ("label", "flagged", "undefended_label"):
            assert row[name] == getattr(prediction, name)
        for name in ("probability", "anomaly_score"):
            assert row[name] == pytest.approx(getattr(prediction, name), rel=1e-5)


def test_a_logged_model_answers_as_the_runtime(logged, classifier):
    model = mlflow.pyfunc.load_model(logged.model_uri)
    table = model.predict(pd.DataFrame({"text": TEXTS}))
    assert [*table.columns] == COLUMNS
    check(table.to_dict("records"), classifier(TEXTS))
    low = model.predict([{"text": text} for text in TEXTS], params={"threshold": -1.0})
    assert low["flagged"].tolist() == [True] * 3


def test_what_the_model_says_itself_is_a_column(answering, tmp_path):
    save_model(answering, tmp_path / "model")
    found = mlflow.pyfunc.load_model(str(tmp_path / "model")).predict([{"text": t} for t in TEXTS])
    expected = DefendedClassifier.load(answering)(TEXTS)
    assert any(prediction.changed for prediction in expected)
    check(found.to_dict("records"), expected)


def test_it_says_what_it_takes_gives_and_needs(logged):
    signature = logged.signature
    assert signature.inputs.input_names() == ["text"]
    assert signature.outputs.input_names() == COLUMNS
    requirements = mlflow.pyfunc.get_model_dependencies(logged.model_uri)
    assert "clampdown[cpu]==" in Path(requirements).read_text()


def test_pairs_are_two_columns(pristine_of_pairs, tmp_path):
    save_model(pristine_of_pairs, tmp_path / "model")
    model = mlflow.pyfunc.load_model(str(tmp_path / "model"))
    assert model.metadata.get_input_schema().input_names() == ["text", "text_pair"]
    pairs = [("good", "bad film"), ("bad film", "good")]
    # By their names, whatever their order.
    table = model.predict(pd.DataFrame(pairs, columns=["text", "text_pair"]).iloc[:, ::-1])
    assert [*table.columns] == COLUMNS
    check(table.to_dict("records"), DefendedClassifier.load(pristine_of_pairs)(pairs))
    with pytest.raises(mlflow.MlflowException, match=r"missing inputs \['text_pair'\]"):
        model.predict(pd.DataFrame({"text": ["good"]}))


def test_a_bundle_that_was_exchanged_is_refused(pristine, tmp_path, seal):
    save_model(pristine, tmp_path / "model")
    inside = next(path.parent for path in (tmp_path / "model").rglob("clampdown.json"))
    seal(inside, frr_measured=0.03)
    with pytest.raises(BundleError, match="found the digest"):
        mlflow.pyfunc.load_model(str(tmp_path / "model"))
    with pytest.raises(BundleError, match="found the digest"):
        save_model(pristine, tmp_path / "other", expected_digest=f"sha256:{'0' * 64}")


def test_it_is_served(many_labels, tmp_path, texts):
    """With a column of lists, which have to be made JSON."""
    save_model(many_labels, tmp_path / "model")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = Path(sys.executable).parent
    command = [shutil.which("mlflow", path=folder), "models", "serve", "-m", tmp_path / "model"]
    environment = {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}
    options = ("--env-manager", "local", "--port", str(port), "--workers", "1")
    server = subprocess.Popen([*command, *options], env=environment, start_new_session=True)
    try:
        answer = ask(
            port, server, {"dataframe_split": {"columns": ["text"], "data": [[t] for t in texts]}}
        )
        expected = DefendedClassifier.load(many_labels)(texts)
        check(answer["predictions"], expected)
        assert [*answer["predictions"][0]] == [*COLUMNS, "labels", "undefended_labels"]
        given = [row["labels"] for row in answer["predictions"]]
        assert given == [[*prediction.labels] for prediction in expected]
    finally:
        os.killpg(server.pid, 15)
        server.wait()


def ask(port, server, asked):
    """The server's answer, once it listens."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/invocations",
        json.dumps(asked).encode(),
        {"Content-Type": "application/json"},
    )
    while True:
        assert server.poll() is None
        try:
            with urllib.request.urlopen(request) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read()) from error
        except urllib.error.URLError:
            time.sleep(0.2)

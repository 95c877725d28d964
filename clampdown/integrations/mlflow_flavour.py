"""Logs a bundle as a model of MLflow, which loads and serves it by ``mlflow.pyfunc``.

::

    with mlflow.start_run():
        log_model("my-bundle", name="mood")
    mlflow.pyfunc.load_model("models:/mood/1").predict([{"text": "What a lovely day"}])
"""

import math
import os
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mlflow.pyfunc
import pandas as pd
from mlflow.models.model import ModelInfo
from mlflow.models.signature import ModelSignature
from mlflow.types.schema import Array, ColSpec, DataType, ParamSchema, ParamSpec, Schema

from clampdown_runtime.bundle.files import open_bundle
from clampdown_runtime.bundle.manifest import Manifest
from clampdown_runtime.classifier import DefendedClassifier

_BUNDLE, _DIGEST = "bundle", "clampdown_digest"
_RESULTS = {
    "label": "string",
    "probability": "double",
    "anomaly_score": "float",
    "flagged": "boolean",
    "undefended_label": "string",
}
_MANY = dict.fromkeys(("labels", "undefended_labels"), Array(DataType.string))


def signature(manifest: Manifest) -> ModelSignature:
    """What a bundle takes and gives.

    A column ``text`` goes in, of pairs with ``text_pair`` beside it; label, probability,
    anomaly_score, flagged and undefended_label come out, of a model of many labels with ``labels``
    and ``undefended_labels``, arrays of strings. What the graph does not say is missing. The
    parameter ``threshold`` takes the place of the bundle's own.
    """
    return ModelSignature(
        inputs=Schema([ColSpec("string", name) for name in _texts(manifest)]),
        outputs=Schema(
            [
                ColSpec(kind, name, required=not name.startswith("undefended"))
                for name, kind in _results(manifest).items()
            ]
        ),
        # MLflow has no parameter that may be left out without a value; NaN is no threshold.
        params=ParamSchema([ParamSpec("threshold", "double", math.nan)]),
    )


def _texts(manifest: Manifest) -> list[str]:
    return ["text", "text_pair"] if manifest.text_pair else ["text"]


def _results(manifest: Manifest) -> dict[str, str | Array]:
    return {**_RESULTS, **_MANY} if manifest.multi_label else _RESULTS


class BundleModel(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """A bundle as MLflow calls it."""

    def load_context(self, context: Any) -> None:  # noqa: ANN401 - as MLflow has it
        """Load the bundle, if it is the one that was logged.

        Raises:
            BundleError: the bundle is damaged, changed or another one.
        """
        self._classifier = DefendedClassifier.load(
            context.artifacts[_BUNDLE], expected_digest=context.model_config[_DIGEST]
        )

    # MLflow takes a type of `model_input` for one that it is to check.
    def predict(  # type: ignore[no-untyped-def]
        self,
        context: Any,  # noqa: ANN401
        model_input,  # noqa: ANN001
        params: dict[str, Any] | None = None,
    ) -> pd.DataFrame:
        """Classify the rows of a table, which MLflow makes of what it is given.

        Returns:
            A row for each, see :func:`signature`.

        Raises:
            RowsError: a text is empty or not a string.
        """
        manifest = self._classifier.manifest
        columns = [model_input[name] for name in _texts(manifest)]
        texts = zip(*columns, strict=True) if manifest.text_pair else columns[0]
        threshold = (params or {}).get("threshold", math.nan)
        predictions = self._classifier(
            list(texts), threshold=None if math.isnan(threshold) else threshold
        )
        results = _results(manifest)
        rows = [[getattr(row, name) for name in results] for row in predictions]
        table = pd.DataFrame(rows, columns=[*results])
        return table.astype({"anomaly_score": "float32"})


def log_model(
    bundle: str | os.PathLike[str],
    name: str,
    *,
    expected_digest: str | None = None,
    **options: Any,  # noqa: ANN401 - those of MLflow
) -> ModelInfo:
    """Log a bundle to the run that is active.

    Args:
        bundle: its folder, which is copied.
        name: of the model.
        expected_digest: see :meth:`DefendedClassifier.load`.
        **options: further ones of :func:`mlflow.pyfunc.log_model`, such as
            ``registered_model_name``.

    Raises:
        BundleError: the bundle is damaged, changed or another one.
    """
    return mlflow.pyfunc.log_model(name=name, **_model(bundle, expected_digest), **options)


def save_model(
    bundle: str | os.PathLike[str], path: str | Path, *, expected_digest: str | None = None
) -> None:
    """Write a bundle as a folder that MLflow loads and serves; see :func:`log_model`.

    Raises:
        BundleError: the bundle is damaged, changed or another one.
    """
    mlflow.pyfunc.save_model(path=str(path), **_model(bundle, expected_digest))


def _model(bundle: str | os.PathLike[str], expected_digest: str | None) -> dict[str, Any]:
    opened = open_bundle(bundle, expected_digest=expected_digest)
    return {
        "python_model": BundleModel(),
        "artifacts": {_BUNDLE: str(Path(bundle).absolute())},
        "model_config": {_DIGEST: opened.digest},
        "signature": signature(opened.manifest),
        "pip_requirements": [f"clampdown[cpu]=={version('clampdown')}", "pandas"],
    }

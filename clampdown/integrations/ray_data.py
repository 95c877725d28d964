"""Classifies the blocks of a Ray data set: a class for ``Dataset.map_batches``.

A bundle is loaded once by each actor::

    classified = dataset.map_batches(
        RayClassifier,
        fn_constructor_args=("my-bundle", "sha256:…"),
        batch_format="pyarrow",
        batch_size=1024,
        num_cpus=1,
        compute=ray.data.ActorPoolStrategy(size=2),
    )

Ray needs a CPU beside those of the actors, to read.
"""

import os
from collections.abc import Sequence

import pyarrow as pa
import ray

from clampdown.integrations.arrow import classify_batches, scored_schema
from clampdown_runtime.classifier import DefendedClassifier
from clampdown_runtime.rows.row_format import DEFAULT_FORMAT
from clampdown_runtime.sessions.providers import Provider


class RayClassifier:
    """An actor's classifier, called with tables; the results are :func:`classify_batches`'s.

    It uses as many threads as the actor has CPUs (``num_cpus``), and the provider ``cuda`` where
    it has a GPU (``num_gpus``).

    Args:
        bundle: the bundle's folder, as every machine of the cluster sees it.
        expected_digest: ``sha256:…``, as ``clampdown inspect`` prints it: no actor loads another.
        text_column: the column of the texts.
        text_pair_column: that of the second texts, where the bundle's model reads pairs.
        columns: the input's columns to keep; all of them when None.
        batch_size: the most texts in one run of the model.
        threshold: takes the place of the bundle's own threshold.
        all_probabilities: add the probability of each class.

    Raises:
        BundleError: the bundle is damaged, changed or another one.
        ProviderError: ONNX Runtime or the provider is not usable.
    """

    def __init__(
        self,
        bundle: str | os.PathLike[str],
        expected_digest: str,
        *,
        text_column: str = DEFAULT_FORMAT.text,
        text_pair_column: str = DEFAULT_FORMAT.text_pair,
        columns: Sequence[str] | None = None,
        batch_size: int = 32,
        threshold: float | None = None,
        all_probabilities: bool = False,
    ) -> None:
        self._classifier = load_in_actor(bundle, expected_digest)
        self._text_column = text_column
        self._text_pair_column = text_pair_column
        self._columns = columns
        self._batch_size = batch_size
        self._threshold = threshold
        self._all_probabilities = all_probabilities

    def __call__(self, table: pa.Table) -> pa.Table:
        """Classify the rows of a block.

        Raises:
            RowsError: the columns cannot be used.
            ProviderError: the model failed while it ran.
        """
        return pa.Table.from_batches(
            classify_batches(
                self._classifier,
                table.to_batches(),
                text_column=self._text_column,
                text_pair_column=self._text_pair_column,
                columns=self._columns,
                batch_size=self._batch_size,
                threshold=self._threshold,
                all_probabilities=self._all_probabilities,
            ),
            # Of a block without rows, too.
            schema=scored_schema(
                table.schema,
                self._classifier.manifest,
                text_column=self._text_column,
                text_pair_column=self._text_pair_column,
                columns=self._columns,
                all_probabilities=self._all_probabilities,
            ),
        )


def load_in_actor(
    bundle: str | os.PathLike[str], expected_digest: str, provider: Provider | None = None
) -> DefendedClassifier:
    """Loads a bundle with the threads and, where no provider is given, the GPU of this actor.

    Raises:
        BundleError: the bundle is damaged, changed or another one.
        ProviderError: ONNX Runtime or the provider is not usable.
    """
    resources = ray.get_runtime_context().get_assigned_resources()
    return DefendedClassifier.load(
        bundle,
        provider=provider or ("cuda" if resources.get("GPU") else "cpu"),
        # A share of a CPU is one thread.
        threads=max(1, int(resources.get("CPU", 1))),
        expected_digest=expected_digest,
    )

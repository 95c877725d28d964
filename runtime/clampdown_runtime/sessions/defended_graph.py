"""A bundle's graph in a session of ONNX Runtime, run on rows of token ids."""

import math
from collections.abc import Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from clampdown_runtime.arguments import require_positive
from clampdown_runtime.batching import plan_batches
from clampdown_runtime.bundle.files import Bundle
from clampdown_runtime.bundle.manifest import ROWS_ALONE
from clampdown_runtime.errors import BundleError, ClampdownError, ProviderError, RowsError
from clampdown_runtime.prediction import RawOutputs
from clampdown_runtime.sessions.cuda_graphs import CudaGraphs
from clampdown_runtime.sessions.session import THRESHOLD, UNDEFENDED_LOGITS
from clampdown_runtime.sessions.time_limit import ending_after
from clampdown_runtime.tokenizer import pad_batch

if TYPE_CHECKING:
    import onnxruntime


class DefendedGraph:
    """Runs rows in batches of like length. Calls from several threads at once are safe."""

    def __init__(
        self,
        bundle: Bundle,
        session: "onnxruntime.InferenceSession",
        *,
        graphs: CudaGraphs | None = None,
        time_limit: float | None = None,
    ) -> None:
        """Takes a session whose signature was checked.

        Args:
            bundle: whose graph it is.
            session: of the graph.
            graphs: replay captured launches of it.
            time_limit: seconds after which a run of one batch is ended; none with ``graphs``.
        """
        self._manifest = bundle.manifest
        self._path = bundle.model_path
        self._session = session
        self._graphs = graphs
        self._time_limit = time_limit
        self._outputs = [output.name for output in session.get_outputs()]
        self._gives_own = UNDEFENDED_LOGITS in self._outputs

    def run_ids(
        self,
        rows: Sequence[Sequence[int]],
        *,
        type_ids: Sequence[Sequence[int]] | None = None,
        batch_size: int = 32,
        threshold: float | None = None,
    ) -> RawOutputs:
        """Runs the graph on token ids, special tokens included.

        An int8 graph is run one row at a time, whatever the batch size: it scales the activations
        of all rows of a run together, and a row's result would depend on the others.

        Args:
            rows: the token ids of each row, 1 to ``max_length`` of them.
            type_ids: the token types of each row, as many as it has ids; all zeros when None, as of
                single texts. A graph that reads none gets none.
            batch_size: the most rows in one run of the model.
            threshold: takes the place of the bundle's own threshold.

        Returns:
            The outputs in the order of ``rows``; arrays of no rows when there are none.

        Raises:
            RowsError: a row has no tokens or too many, or another number of types; the message
                names its index.
            ProviderError: the model failed while it ran.
            BundleError: the graph's logits are not one of each label.
        """
        require_positive("batch_size", batch_size)
        if self._manifest.precision in ROWS_ALONE:
            batch_size = 1
        for index, row in enumerate(rows):
            if not 1 <= len(row) <= self._manifest.max_length:
                raise RowsError(
                    f"row {index}",
                    found=f"{len(row)} tokens",
                    expected=f"1 to {self._manifest.max_length}",
                    hint="Leave the row out, or truncate it.",
                )
        if type_ids is not None:
            _require_as_many(rows, type_ids)
        extra = {} if threshold is None else {THRESHOLD: _threshold_array(threshold)}
        logits = np.empty((len(rows), len(self._manifest.labels)), np.float32)
        own = np.empty_like(logits) if self._gives_own else None
        outputs = RawOutputs(
            logits,
            np.empty(len(rows), np.float32),
            np.empty(len(rows), np.bool_),
            logits if self._manifest.mode == "detect" else own,
        )
        for batch in plan_batches([len(row) for row in rows], batch_size):
            feed = pad_batch(
                [rows[index] for index in batch],
                self._manifest.padding,
                self._manifest.inputs,
                None if type_ids is None else [type_ids[index] for index in batch],
            )
            found = self._run({**feed, **extra})
            logits[batch], outputs.anomaly_score[batch], outputs.flagged[batch] = found[:3]
            if own is not None:
                own[batch] = found[3]
        return outputs

    def _run(self, feed: dict[str, npt.NDArray[np.generic]]) -> list[npt.NDArray[np.generic]]:
        rows, tokens = feed["input_ids"].shape
        try:
            outputs = self._given(feed)
        # ONNX Runtime's exceptions have no base of their own.
        except Exception as error:
            raise ProviderError(
                f"{self._path} on {self._session.get_providers()[0]}",
                found=f"a failed run of {rows} rows with {tokens} tokens ({error})",
                expected="outputs",
                hint="Try a smaller batch size; if that does not help, run clampdown verify.",
            ) from error
        expected = [(rows, len(self._manifest.labels)), (rows,), (rows,)]
        expected += expected[:1] if self._gives_own else []
        if (found := [output.shape for output in outputs]) != expected:
            raise BundleError(
                str(self._path),
                found=f"outputs of the shapes {found}",
                expected=f"{expected}, after the manifest's labels",
                hint="Export the bundle again.",
            )
        return outputs

    def _given(self, feed: dict[str, npt.NDArray[np.generic]]) -> list[npt.NDArray[np.generic]]:
        outputs: list[npt.NDArray[np.generic]]
        if self._graphs is not None:
            return self._graphs.run(feed)
        if self._time_limit is None:
            outputs = self._session.run(self._outputs, feed)
        else:
            with ending_after(self._time_limit) as options:
                outputs = self._session.run(self._outputs, feed, options)
        return outputs


def _require_as_many(rows: Sequence[Sequence[int]], type_ids: Sequence[Sequence[int]]) -> None:
    for index, (row, types) in enumerate(zip_longest(rows, type_ids, fillvalue=())):
        if len(row) != len(types):
            raise RowsError(
                f"row {index}",
                found=f"{len(types)} token types",
                expected=f"{len(row)}, one of each token id",
                hint="Pass a list of token types for each row, or none at all.",
            )


def _threshold_array(threshold: float) -> npt.NDArray[np.float32]:
    if math.isnan(threshold):
        raise ClampdownError(
            "threshold", found="NaN", expected="a number", hint="Pass a number, or leave it out."
        )
    return np.array([threshold], np.float32)

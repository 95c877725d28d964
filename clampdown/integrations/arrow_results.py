"""A run's outputs as columns of Arrow."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from clampdown_runtime.bundle.manifest import Manifest
from clampdown_runtime.prediction import RawOutputs, sigmoid, softmax

LABEL, SCORE, FLAGGED, LABELS = "label", "anomaly_score", "flagged", "labels"
OWN_LABEL, OWN_LABELS = "undefended_label", "undefended_labels"
_PROBABILITY, _PROBABILITIES = "probability", "probabilities"


def result_types(manifest: Manifest, *, all_probabilities: bool) -> dict[str, pa.DataType]:
    """The columns of results, which have the names of :class:`Prediction`'s attributes.

    Args:
        manifest: of the bundle.
        all_probabilities: whether the probability of each label is one of them.
    """
    types = {
        LABEL: pa.string(),
        _PROBABILITY: pa.float64(),
        SCORE: pa.float32(),
        FLAGGED: pa.bool_(),
        OWN_LABEL: pa.string(),
    }
    if manifest.multi_label:
        types[LABELS] = types[OWN_LABELS] = pa.list_(pa.string())
    if all_probabilities:
        types[_PROBABILITIES] = pa.struct([(label, pa.float64()) for label in manifest.labels])
    return types


def result_table(
    outputs: RawOutputs, manifest: Manifest, types: dict[str, pa.DataType]
) -> pa.Table:
    """The results of some rows, equal to what :func:`to_predictions` gives of them.

    Args:
        outputs: of the rows.
        manifest: of the bundle.
        types: the columns, of :func:`result_types`.

    Returns:
        A table of these columns; what the graph does not say is null.
    """
    names, own = pa.array(manifest.labels, pa.string()), outputs.undefended_logits
    best = outputs.logits.argmax(axis=1)
    every = (sigmoid if manifest.multi_label else softmax)(outputs.logits)
    columns = {
        LABEL: names.take(pa.array(best)),
        _PROBABILITY: pa.array(np.take_along_axis(every, best[:, np.newaxis], axis=1)[:, 0]),
        SCORE: pa.array(outputs.anomaly_score),
        FLAGGED: pa.array(outputs.flagged),
    }
    if own is not None:
        columns[OWN_LABEL] = names.take(pa.array(own.argmax(axis=1)))
    if manifest.multi_label:
        columns[LABELS] = _given(names, outputs.logits)
        if own is not None:
            columns[OWN_LABELS] = _given(names, own)
    if _PROBABILITIES in types:
        columns[_PROBABILITIES] = pa.StructArray.from_arrays(
            [pa.array(one) for one in every.T], fields=list(types[_PROBABILITIES])
        )
    rows = len(best)
    return pa.table(
        {
            name: columns[name] if name in columns else pa.nulls(rows, kind)
            for name, kind in types.items()
        }
    )


def at_rows(results: pa.Table, classified: Sequence[bool]) -> dict[str, pa.Array]:
    """Puts results at the rows that were classified; the others' are null.

    Args:
        results: of the rows that were, in their order.
        classified: for each row whether it was.
    """
    known = np.array(classified, np.bool_)
    places = pa.array(known.cumsum() - 1, mask=~known)
    return {
        name: results.column(name).combine_chunks().take(places) for name in results.column_names
    }


def _given(names: pa.Array, logits: npt.NDArray[np.float32]) -> pa.ListArray:
    """Of many labels those that each row has."""
    given = logits > 0
    ends = np.concatenate([[0], given.sum(axis=1).cumsum()]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(ends), names.take(pa.array(given.nonzero()[1])))

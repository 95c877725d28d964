"""Counts what a classifier gives."""

import dataclasses
import threading
from bisect import bisect_left

import numpy as np
import numpy.typing as npt

from clampdown_runtime.bundle.files import Bundle
from clampdown_runtime.monitor.clean_rows import clean_scores
from clampdown_runtime.monitor.scale import Scale
from clampdown_runtime.monitor.snapshot import SECONDS, Snapshot
from clampdown_runtime.prediction import RawOutputs


class Monitor:
    """Counters of one bundle's rows; :meth:`DefendedClassifier.monitored_by` feeds them.

    Several classifiers of the bundle may share one, from several threads at once. No text is kept.
    A row is counted at the label that the model itself gives, since that is an attack's aim; where
    the graph does not say, at the one that it was answered with. Of many labels it is the most
    probable one.
    """

    def __init__(self, bundle: Bundle) -> None:
        """Nothing is counted yet.

        Args:
            bundle: a verified bundle, such as a classifier's.

        Raises:
            BundleError: it keeps no clean scores, as one of an earlier release.
        """
        manifest = bundle.manifest
        scale = Scale.of(clean_scores(bundle), manifest.threshold)
        self._nothing = Snapshot.nothing(bundle.digest, manifest.labels, scale)
        self._multi_label = manifest.multi_label
        self._lock = threading.Lock()
        self._edges = np.array(scale.edges, np.float32)
        # For each label: rows at most at the highest clean score and over it, unflagged, flagged.
        self._by_label = np.zeros(len(manifest.labels) * 4, np.int64)
        self._changed, self._compared = np.zeros(len(manifest.labels), np.int64), 0
        self._scores = np.zeros(len(scale.clean), np.int64)
        self._runs = [0] * (len(SECONDS) + 1)
        self._seconds, self._truncated = 0.0, 0

    @property
    def bundle(self) -> str:
        """``sha256:…`` of the manifest of the bundle."""
        return self._nothing.bundle

    def count(
        self, outputs: RawOutputs, *, truncated: int = 0, seconds: float | None = None
    ) -> None:
        """Adds the rows of one run.

        Args:
            outputs: what the defended graph gave.
            truncated: texts that the model saw a part of.
            seconds: the time that the run took; None where it is not known.
        """
        logits, own = outputs.logits, outputs.undefended_logits
        answers = logits.argmax(axis=1)
        labels = answers if own is None else own.argmax(axis=1)
        changed = None if own is None else labels != answers
        if own is not None and self._multi_label:
            changed = ((own > 0) != (logits > 0)).any(axis=1)
        self.count_rows(
            labels,
            outputs.anomaly_score,
            outputs.flagged,
            changed=changed,
            truncated=truncated,
            seconds=seconds,
        )

    def count_rows(
        self,
        labels: npt.NDArray[np.integer],
        anomaly_score: npt.NDArray[np.float32],
        flagged: npt.NDArray[np.bool_],
        *,
        changed: npt.NDArray[np.bool_] | None = None,
        truncated: int = 0,
        seconds: float | None = None,
    ) -> None:
        """Adds rows whose results are known otherwise, such as from a log.

        Args:
            labels: integers [rows], the index of each row's label, as the model itself gives it.
            anomaly_score: float32 [rows].
            flagged: bool [rows].
            changed: bool [rows], whether the defence gave another answer; None where it is not
                known.
            truncated: see :meth:`count`.
            seconds: see :meth:`count`.
        """
        # NaN lies behind every edge, as in the graph, which flags it.
        bins = self._edges.searchsorted(anomaly_score)
        kinds = labels * 4 + flagged
        kinds += 2 * (bins == len(self._edges))
        by_label = np.bincount(kinds, minlength=len(self._by_label))
        scores = np.bincount(bins, minlength=len(self._scores))
        with self._lock:
            self._by_label += by_label
            self._scores += scores
            if changed is not None:
                self._changed += np.bincount(labels[changed], minlength=len(self._changed))
                self._compared += len(changed)
            self._truncated += truncated
            if seconds is not None:
                self._runs[bisect_left(SECONDS, seconds)] += 1
                self._seconds += seconds

    def snapshot(self) -> Snapshot:
        """What was counted up to now."""
        with self._lock:
            by_label = self._by_label.reshape(-1, 2, 2).copy()
            return dataclasses.replace(
                self._nothing,
                rows=tuple(by_label.sum(axis=(1, 2)).tolist()),
                flagged=tuple(by_label[:, :, 1].sum(axis=1).tolist()),
                beyond=tuple(by_label[:, 1].sum(axis=1).tolist()),
                changed=tuple(self._changed.tolist()),
                compared=self._compared,
                scores=tuple(self._scores.tolist()),
                truncated=self._truncated,
                runs=tuple(self._runs),
                seconds=self._seconds,
            )

"""Loads a bundle and classifies texts with it."""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING

from clampdown_runtime.arguments import require_positive
from clampdown_runtime.bundle.files import Bundle, read_bundle
from clampdown_runtime.bundle.manifest import TOKENIZER_FILE, Manifest
from clampdown_runtime.documents import of_documents
from clampdown_runtime.encoding import encode_in_windows, encode_texts
from clampdown_runtime.errors import ClampdownError
from clampdown_runtime.prediction import Prediction, RawOutputs, to_predictions
from clampdown_runtime.rows.texts import Text, require_texts
from clampdown_runtime.sessions.cuda_graphs import CudaGraphs
from clampdown_runtime.sessions.defended_graph import DefendedGraph
from clampdown_runtime.sessions.providers import Provider
from clampdown_runtime.sessions.session import create_session, require_signature
from clampdown_runtime.sessions.time_limit import require_time_limit
from clampdown_runtime.tokenizer import BundleTokenizer, Encoded, Windows, type_ids_of
from clampdown_runtime.truncation import warn_truncated

if TYPE_CHECKING:
    from clampdown_runtime.monitor import Monitor


class DefendedClassifier:
    """A loaded bundle; ``load`` makes one.

    Calls from several threads at once are safe. Unpickled, in another process, it loads the same
    bundle again from where it lies.
    """

    def __init__(
        self,
        bundle: Bundle,
        tokenizer: BundleTokenizer,
        graph: DefendedGraph,
    ) -> None:
        self.bundle = bundle
        self.tokenizer = tokenizer
        self._graph = graph
        self._load_again: Callable[[], DefendedClassifier] | None = None
        self._monitor: Monitor | None = None

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        *,
        provider: Provider = "cpu",
        threads: int | None = None,
        cuda_graphs: bool = False,
        time_limit: float | None = None,
        expected_digest: str | None = None,
    ) -> "DefendedClassifier":
        """Verifies a bundle and loads it.

        Args:
            path: the bundle's folder.
            provider: where the model runs; another one is never used instead.
            threads: how many threads one operator may use; ONNX Runtime's choice when None.
            cuda_graphs: replay each batch as one launch, see :class:`CudaGraphs`: much faster for
                few rows, at the price of a capture for every new shape and of its memory.
            time_limit: seconds after which a run of one batch is ended, before the graph's next
                operator; a graph of strangers can hold a loop that never ends. None for no limit.
            expected_digest: ``sha256:…`` of the bundle's manifest, as ``clampdown inspect`` prints
                it, got from whom the bundle is from.

        Raises:
            BundleError: the bundle is damaged, incomplete or changed.
            ProviderError: ONNX Runtime or the provider is not usable, or is not ``cuda`` with
                ``cuda_graphs``, or these are asked for with a time limit.
        """
        if time_limit is not None:
            require_time_limit(time_limit, cuda_graphs=cuda_graphs)

        def read(bundle: Bundle) -> "DefendedClassifier":
            manifest = bundle.manifest
            # What is loaded is what was checked: the same bytes, read once.
            tokenizer = BundleTokenizer(
                bundle.read(TOKENIZER_FILE),
                manifest.max_length,
                truncation_side=manifest.truncation_side,
                text_pair=manifest.text_pair,
                name=str(bundle.tokenizer_path),
            )
            session = create_session(
                bundle.read(manifest.model_file),
                name=str(bundle.model_path),
                weights=bundle.read_weights(),
                provider=provider,
                threads=threads,
                cuda_graphs=cuda_graphs,
            )
            require_signature(session, manifest, bundle.model_path)
            graphs = CudaGraphs(session, manifest) if cuda_graphs else None
            graph = DefendedGraph(bundle, session, graphs=graphs, time_limit=time_limit)
            loaded = cls(bundle, tokenizer, graph)
            loaded._load_again = partial(
                cls.load,
                Path(path).absolute(),
                provider=provider,
                threads=threads,
                cuda_graphs=cuda_graphs,
                time_limit=time_limit,
                expected_digest=bundle.digest,
            )
            return loaded

        return read_bundle(path, read, expected_digest=expected_digest)

    def __reduce__(self) -> tuple["Callable[[], DefendedClassifier]", tuple[()]]:
        """Pickle how it was loaded: a session of ONNX Runtime belongs to its process."""
        if self._load_again is None:
            raise ClampdownError(
                "The classifier",
                found="one that was not loaded from a bundle, to be pickled",
                expected="one that DefendedClassifier.load gave",
                hint="Write the bundle, and load it in each process.",
            )
        return self._load_again, ()

    @property
    def manifest(self) -> Manifest:
        """The bundle's manifest."""
        return self.bundle.manifest

    def monitored_by(self, monitor: "Monitor | None") -> "DefendedClassifier":
        """Counts every text that is classified from now on, whichever way.

        What :meth:`run_ids` is given is not counted: these are no texts. A copy in another process
        has no monitor until it is given one.

        Args:
            monitor: of this bundle; None to count no more.

        Returns:
            The classifier itself.

        Raises:
            ClampdownError: the monitor is of another bundle.
        """
        if monitor is not None and monitor.bundle != self.bundle.digest:
            raise ClampdownError(
                "The monitor",
                found=f"one of the bundle {monitor.bundle}",
                expected=f"one of {self.bundle.digest}, which the classifier is of",
                hint="Make it of the classifier: Monitor(classifier.bundle).",
            )
        self._monitor = monitor
        return self

    def __call__(
        self, texts: Iterable[Text], *, batch_size: int = 32, threshold: float | None = None
    ) -> list[Prediction]:
        """Classifies texts.

        A text's result does not depend on the other texts.

        Args:
            texts: the texts, each with more than white space; pairs ``(text, text_pair)`` of them
                where the manifest's ``text_pair`` says that the model reads pairs.
            batch_size: the most texts in one run of the model.
            threshold: takes the place of the bundle's own threshold.

        Returns:
            One prediction for each text, in order.

        Raises:
            RowsError: a text is empty or not a string, or a pair where the model reads single texts
                and the other way round, and the message names its index; or there is no list of
                texts, but one string, a dict or a table.
            ProviderError: the model failed while it ran.

        Warns:
            TruncationWarning: once, when texts were longer than the manifest's ``max_length``.
        """
        require_texts(texts)
        encoded = encode_texts(self.tokenizer, list(texts), 0, pairs=self.manifest.text_pair)
        predictions = self._named(self._run(encoded, batch_size, threshold))
        truncated = sum(item.truncated for item in encoded)
        limit = f"{self.manifest.max_length} tokens"
        warn_truncated(truncated, limit, self.manifest.truncation_side)
        return predictions

    def stream(
        self,
        texts: Iterable[Text],
        *,
        batch_size: int = 32,
        window: int = 1024,
        threshold: float | None = None,
    ) -> Iterator[Prediction]:
        """Classifies any number of texts in bounded memory.

        Args:
            texts: the texts or pairs, as of a call.
            batch_size: the most texts in one run of the model.
            window: how many texts are held at once and grouped by length.
            threshold: takes the place of the bundle's own threshold.

        Yields:
            One prediction for each text, in order.

        Raises:
            RowsError: as of a call; the texts of earlier windows have been yielded by then.
            ProviderError: the model failed while it ran.

        Warns:
            TruncationWarning: once at the end, when texts were longer than ``max_length``.
        """
        windows = self.stream_outputs(
            texts, batch_size=batch_size, window=window, threshold=threshold
        )
        return chain.from_iterable(map(self._named, windows))

    def stream_outputs(
        self,
        texts: Iterable[Text],
        *,
        batch_size: int = 32,
        window: int = 1024,
        threshold: float | None = None,
    ) -> Iterator[RawOutputs]:
        """Like :meth:`stream`, without an object for every text.

        Yields:
            The outputs of ``window`` texts after the other, in order; of fewer at the end.
        """
        require_texts(texts)
        require_positive("window", window)
        return self._stream(iter(texts), batch_size, window, threshold)

    def documents(
        self,
        texts: Iterable[str],
        *,
        size: int | None = None,
        stride: int | None = None,
        batch_size: int = 32,
        threshold: float | None = None,
    ) -> Iterator[Prediction]:
        """Classifies texts of any length, of which the model takes one window at a time.

        The probabilities of a text are the mean of its windows', each weighed by its tokens, and
        its logits their logarithms. Its anomaly score is the highest, and it is flagged where one
        window is: a trigger stands in few of them. Texts of many windows are flagged more often,
        clean ones too.

        Args:
            texts: the texts, each with more than white space.
            size: tokens of a window, special ones included; ``max_length`` when None.
            stride: tokens from the beginning of one window to that of the next; when None half of
                those that a window has without special ones.
            batch_size: the most windows in one run of the model.
            threshold: takes the place of the bundle's own threshold.

        Yields:
            One prediction for each text, in order.

        Raises:
            ClampdownError: a window has no room for a token or is longer than the model takes,
                there is a gap between two of them, or the model reads pairs.
            RowsError: a text is empty or not a string; the message names its index.
            ProviderError: the model failed while it ran.

        Warns:
            TruncationWarning: once at the end, when texts have more than the 256 characters for
                every token of ``max_length`` that are read.
        """
        require_texts(texts)
        require_positive("batch_size", batch_size)
        if self.manifest.text_pair:
            raise ClampdownError(
                "Windows",
                found="a bundle whose model reads pairs of texts",
                expected="one of single texts: of a pair no window has both texts",
                hint="Shorten the texts, or have them truncated as the model's tokenizer does.",
            )
        size = self.manifest.max_length if size is None else size
        stride = max(1, (size - self.tokenizer.special) // 2) if stride is None else stride
        self.tokenizer.require_windows(size, stride)
        return self._documents(iter(texts), size, stride, batch_size, threshold)

    def run_ids(
        self,
        rows: Sequence[Sequence[int]],
        *,
        type_ids: Sequence[Sequence[int]] | None = None,
        batch_size: int = 32,
        threshold: float | None = None,
    ) -> RawOutputs:
        """Runs the graph on token ids, see :meth:`DefendedGraph.run_ids`."""
        return self._graph.run_ids(
            rows, type_ids=type_ids, batch_size=batch_size, threshold=threshold
        )

    def run_encoded(
        self,
        encoded: Sequence[Encoded],
        *,
        batch_size: int = 32,
        threshold: float | None = None,
    ) -> RawOutputs:
        """Runs the graph on what the bundle's tokenizer gave, see :meth:`DefendedGraph.run_ids`."""
        return self.run_ids(
            [item.ids for item in encoded],
            type_ids=type_ids_of(encoded),
            batch_size=batch_size,
            threshold=threshold,
        )

    def _stream(
        self, texts: Iterator[Text], batch_size: int, window: int, threshold: float | None
    ) -> Iterator[RawOutputs]:
        first = truncated = 0
        while held := list(islice(texts, window)):
            encoded = encode_texts(self.tokenizer, held, first, pairs=self.manifest.text_pair)
            yield self._run(encoded, batch_size, threshold)
            first += len(held)
            truncated += sum(item.truncated for item in encoded)
        limit = f"{self.manifest.max_length} tokens"
        warn_truncated(truncated, limit, self.manifest.truncation_side)

    def _documents(
        self,
        texts: Iterator[str],
        size: int,
        stride: int,
        batch_size: int,
        threshold: float | None,
    ) -> Iterator[Prediction]:
        first = truncated = 0
        while held := list(islice(texts, batch_size)):
            windows = encode_in_windows(self.tokenizer, held, first, size=size, stride=stride)
            rows = [row for of_text in windows for row in of_text.ids]
            begun = time.perf_counter()
            outputs = self.run_ids(rows, batch_size=batch_size, threshold=threshold)
            lengths = [[len(row) for row in of_text.ids] for of_text in windows]
            results = of_documents(outputs, lengths, multi_label=self.manifest.multi_label)
            self._count(results, windows, begun)
            yield from self._named(results)
            first += len(held)
            truncated += sum(of_text.truncated for of_text in windows)
        limit = f"{self.tokenizer.readable} characters"
        warn_truncated(truncated, limit, self.manifest.truncation_side)

    def _run(
        self, encoded: Sequence[Encoded], batch_size: int, threshold: float | None
    ) -> RawOutputs:
        begun = time.perf_counter()
        outputs = self.run_encoded(encoded, batch_size=batch_size, threshold=threshold)
        self._count(outputs, encoded, begun)
        return outputs

    def _named(self, outputs: RawOutputs) -> list[Prediction]:
        manifest = self.manifest
        return to_predictions(outputs, manifest.labels, multi_label=manifest.multi_label)

    def _count(self, outputs: RawOutputs, texts: Sequence[Encoded | Windows], begun: float) -> None:
        if self._monitor is not None:
            seconds = time.perf_counter() - begun
            truncated = sum(text.truncated for text in texts)
            self._monitor.count(outputs, truncated=truncated, seconds=seconds)

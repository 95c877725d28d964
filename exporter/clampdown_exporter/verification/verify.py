"""Checks a bundle as a stranger would: digests, contract, calibration, golden rows, overflow."""

from collections.abc import Iterator
from pathlib import Path

import onnx_ir as ir

from clampdown_calib.graphs.large_graphs import open_session
from clampdown_exporter.bundle.graph_file import read_graph
from clampdown_exporter.verification.calibration_in_graph import kept_differences
from clampdown_exporter.verification.contract import contract_differences
from clampdown_exporter.verification.overflow import overflowing
from clampdown_runtime.bundle.differences import bundle_differences
from clampdown_runtime.bundle.files import open_manifest
from clampdown_runtime.bundle.golden import Golden, check_golden, read_golden
from clampdown_runtime.bundle.manifest import CALIBRATION_FILE, GOLDEN_FILE
from clampdown_runtime.classifier import DefendedClassifier
from clampdown_runtime.errors import BundleError
from clampdown_runtime.sessions.defended_graph import DefendedGraph
from clampdown_runtime.sessions.providers import Provider


def verify(
    bundle: str | Path, *, provider: Provider = "cpu", expected_digest: str | None = None
) -> list[str]:
    """Find everything in which a bundle is not what its manifest says.

    Args:
        bundle: the folder.
        provider: answers the golden rows, and the same rows with layers or logits that overflow,
            all of which have to be flagged.
        expected_digest: of the manifest, see :func:`clampdown_runtime.open_bundle`.

    Returns:
        One sentence per difference, beginning with the file; empty when there is none. What cannot
        be checked since a file differs is not checked.

    Raises:
        BundleError: there is no readable manifest, or not the one expected.
        ProviderError: the provider is not usable.
    """
    opened = open_manifest(Path(bundle), expected_digest=expected_digest)
    manifest = opened.manifest
    words = {
        "missing": "is missing",
        "extra": "is not listed in the manifest",
        "different": "has other contents than the manifest says",
        "outside": "is a link that leaves the bundle",
    }
    found = [f"{d.path}: {words[d.kind]}" for d in bundle_differences(opened.path, manifest)]
    if found:
        return found
    try:
        graph = read_graph(opened)
    except BundleError as error:
        return [f"{manifest.model_file}: {error.found}"]
    found = [f"{manifest.model_file}: {d}" for d in contract_differences(graph, manifest)]
    if found:
        return found
    found = [f"{CALIBRATION_FILE}: {d}" for d in kept_differences(opened, graph)]
    if found:
        return found
    classifier = DefendedClassifier.load(bundle, provider=provider, expected_digest=opened.digest)
    golden = read_golden(opened)
    return [
        *(
            f"{GOLDEN_FILE}: row {m.index}, {m.field}: expected {m.expected}, found {m.found}"
            for m in check_golden(classifier, golden)
        ),
        *_passed_though_infinite(graph, classifier, golden, provider),
    ]


def _passed_though_infinite(
    graph: ir.Model, classifier: DefendedClassifier, golden: Golden, provider: Provider
) -> Iterator[str]:
    manifest = classifier.manifest
    for what, broken in overflowing(graph, manifest.precision):
        session = open_session(
            broken, name=f"the graph in which {what} overflow", provider=provider
        )
        broken_graph = DefendedGraph(classifier.bundle, session)
        passed = sum(not row.run(broken_graph).flagged[0] for row in golden.rows)
        if passed:
            yield (
                f"{manifest.model_file}: {passed} of {len(golden.rows)} golden rows pass on "
                f"{provider} although {what} overflow"
            )

"""Checks a bundle as a stranger would: digests, contract, golden rows."""

from pathlib import Path

import onnx
import onnx_ir as ir

from clampdown_exporter.bundle.contract import contract_differences
from clampdown_runtime.bundle.files import bundle_differences, read_manifest
from clampdown_runtime.bundle.golden import check_golden, read_golden
from clampdown_runtime.bundle.manifest import GOLDEN_FILE
from clampdown_runtime.classifier import DefendedClassifier


def verify(bundle: str | Path) -> list[str]:
    """Find everything in which a bundle is not what its manifest says.

    Args:
        bundle: the folder.

    Returns:
        One sentence per difference, beginning with the file; empty when there is none. What cannot
        be checked since a file differs is not checked.

    Raises:
        BundleError: there is no readable manifest.
    """
    bundle = Path(bundle)
    manifest = read_manifest(bundle)
    words = {
        "missing": "is missing",
        "extra": "is not listed in the manifest",
        "different": "has other contents than the manifest says",
        "outside": "is a link that leaves the bundle",
    }
    found = [f"{d.path}: {words[d.kind]}" for d in bundle_differences(bundle, manifest)]
    if found:
        return found
    path = bundle / manifest.model_file
    try:
        onnx.checker.check_model(str(path), full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        return [f"{manifest.model_file}: is not a valid ONNX graph ({error})"]
    found = [f"{manifest.model_file}: {d}" for d in contract_differences(ir.load(path), manifest)]
    if found:
        return found
    classifier = DefendedClassifier.load(bundle)
    return [
        f"{GOLDEN_FILE}: row {m.index}, {m.field}: expected {m.expected}, found {m.found}"
        for m in check_golden(classifier, read_golden(bundle / GOLDEN_FILE))
    ]

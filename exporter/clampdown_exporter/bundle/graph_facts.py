"""The facts of a manifest that its graph repeats."""

import json

from clampdown_runtime.bundle.manifest import Manifest


def graph_facts(manifest: Manifest) -> dict[str, str]:
    """The manifest's facts that are repeated in the graph's ``metadata_props``."""
    facts = {
        "format_version": manifest.format_version,
        "version": manifest.clampdown_version,
        "mode": manifest.mode,
        "precision": manifest.precision,
        "layers": json.dumps(manifest.layers),
        "detector": manifest.detector,
        "frr": json.dumps(manifest.frr),
        "calibration_digest": manifest.calibration_digest,
    }
    return {f"clampdown.{key}": str(fact) for key, fact in facts.items()}

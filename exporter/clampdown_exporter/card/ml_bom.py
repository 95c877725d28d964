"""The bill of materials of a bundle, in CycloneDX's form for machine learning (ECMA-424)."""

import json
import uuid
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clampdown_exporter.report.figures import Figures, measure_figures
from clampdown_runtime.bundle.manifest import Manifest

BOM_FILE = "bom.cdx.json"
"""CycloneDX's recommended ending."""

SPECIFICATION = "1.6"
NAMESPACE = uuid.UUID("6f1d5b6e-6f0b-5f0a-8a52-6d4a3f6f9d11")
"""Of the serial numbers: equal bundles have equal ones."""

LIMITS = (
    "It does not say whether the model has a backdoor, nor which.",
    "A trigger that acts in the first layer, a style that means something to every layer, and an "
    "attacker who knows the defence pass it.",
    "Rates of flags hold for text like the clean rows.",
)


def bill_of_materials(manifest: Manifest, tensors: Mapping[str, NDArray[np.generic]]) -> str:
    """Write the bill: the defended model, the model that it was made of, and the packages.

    Args:
        manifest: of the bundle, with the digest of every other file.
        tensors: those of the bundle's ``calibration.safetensors``, see docs/calibration.md.
    """
    figures = measure_figures(manifest.mode, manifest.threshold, tensors)
    files = {k: v for k, v in manifest.files.items() if k != BOM_FILE}
    packages = [_package(name, version) for name, version in sorted(manifest.versions.items())]
    source = {
        "type": "machine-learning-model",
        "bom-ref": "undefended",
        "name": manifest.model.name,
        "description": "The model that was defended.",
        "modelCard": {"modelParameters": {"modelArchitecture": manifest.model.model_type}},
        "properties": [{"name": "clampdown:digest", "value": manifest.model.digest}],
    }
    number = uuid.uuid5(NAMESPACE, json.dumps(files, sort_keys=True))
    bill = {
        "$schema": f"http://cyclonedx.org/schema/bom-{SPECIFICATION}.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": SPECIFICATION,
        "serialNumber": f"urn:uuid:{number}",
        "version": 1,
        "metadata": {
            "tools": {
                "components": [_package("clampdown", manifest.clampdown_version, ref="tool")]
            },
            "component": _defended(manifest, figures, files),
        },
        "components": [source, *packages],
        "dependencies": [
            {"ref": "defended", "dependsOn": ["undefended", *(p["bom-ref"] for p in packages)]}
        ],
    }
    return json.dumps(bill, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _defended(manifest: Manifest, figures: Figures, files: Mapping[str, str]) -> dict[str, Any]:
    facts = {
        "mode": manifest.mode,
        "precision": manifest.precision,
        "detector": manifest.detector,
        "threshold": repr(manifest.threshold),
    }
    outputs = ["logits", "anomaly_score", "flagged"]
    if manifest.mode != "detect" and manifest.detector == "excess":
        outputs.append("undefended_logits")
    return {
        "type": "machine-learning-model",
        "bom-ref": "defended",
        "name": f"{manifest.model.name}, defended",
        "hashes": [_hash(files[manifest.model_file])],
        "modelCard": {
            "modelParameters": {
                "task": "text-classification",
                "modelArchitecture": manifest.model.model_type,
                "inputs": [{"format": f"text of at most {manifest.max_length} tokens"}],
                "outputs": [{"format": name} for name in outputs],
            },
            "quantitativeAnalysis": {"performanceMetrics": _metrics(manifest, figures)},
            "considerations": {"technicalLimitations": list(LIMITS)},
        },
        "properties": [{"name": f"clampdown:{k}", "value": v} for k, v in facts.items()],
        "components": [
            {"type": "file", "name": name, "hashes": [_hash(digest)]}
            for name, digest in sorted(files.items())
        ],
    }


def _metrics(manifest: Manifest, figures: Figures) -> list[dict[str, Any]]:
    rows = f"{figures.rows} clean rows, each scored by what was fitted without it"
    lower, upper = figures.frr_interval
    accuracy = "CACC over all labels" if manifest.multi_label else "CACC"
    found: list[dict[str, Any]] = [
        {
            "type": "FRR",
            "value": f"{figures.frr:.4f}",
            "slice": rows,
            "confidenceInterval": {"lowerBound": f"{lower:.4f}", "upperBound": f"{upper:.4f}"},
        }
    ]
    for name, value in (
        (f"{accuracy}, undefended", figures.accuracy_before),
        (f"{accuracy}, defended", figures.accuracy_after),
    ):
        if value is not None:
            found.append({"type": name, "value": f"{value:.4f}", "slice": rows})
    return found


def _package(name: str, version: str, *, ref: str | None = None) -> dict[str, Any]:
    purl = f"pkg:pypi/{name}@{version.replace('+', '%2B')}"
    return {
        "type": "library",
        "bom-ref": ref or purl,
        "name": name,
        "version": version,
        "purl": purl,
    }


def _hash(digest: str) -> dict[str, str]:
    return {"alg": "SHA-256", "content": digest.removeprefix("sha256:")}

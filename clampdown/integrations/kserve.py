"""Writes what KServe needs to serve a bundle by Triton: the repository and its manifest."""

import json
from pathlib import Path

from clampdown.integrations.triton import BATCH, NAME, write_triton
from clampdown.integrations.triton_config import Device
from clampdown_runtime.writing.atomic_write import atomic_folder

_MANIFEST = """\
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata:
  name: {name}
spec:
  predictor:
    model:
      modelFormat:
        name: triton
      runtime: kserve-tritonserver
      protocolVersion: v2
      storageUri: {storage}
{resources}"""
_GPU = """\
      resources:
        limits:
          nvidia.com/gpu: "1"
"""


def write_kserve(
    bundle: str | Path,
    out: Path,
    storage_uri: str,
    *,
    name: str = NAME,
    device: Device = "cpu",
    max_batch_size: int = BATCH,
    op_library: str | None = None,
    expected_digest: str | None = None,
) -> Path:
    """Writes ``models/``, a repository of Triton, and ``inference-service.yaml``.

    Args:
        bundle: the bundle's folder.
        out: a new or empty folder.
        storage_uri: where ``models/`` is going to be, such as ``s3://bucket/models``.
        name: of the service and of the model in it.
        device: where the model runs.
        max_batch_size: see :func:`write_triton`.
        op_library: see :func:`write_triton`.
        expected_digest: see :meth:`DefendedClassifier.load`.

    Returns:
        The manifest.

    Raises:
        BundleError, DestinationError, ClampdownError: see :func:`write_triton`.
    """
    with atomic_folder(out) as aside:
        write_triton(
            bundle,
            aside / "models",
            name=name,
            device=device,
            max_batch_size=max_batch_size,
            op_library=op_library,
            expected_digest=expected_digest,
        )
        # A string of JSON is one of YAML.
        manifest = _MANIFEST.format(
            name=name, storage=json.dumps(storage_uri), resources=_GPU if device == "gpu" else ""
        )
        (aside / "inference-service.yaml").write_text(manifest, "utf-8")
    return out / "inference-service.yaml"

"""Asks a server for the golden rows of a bundle and compares its answers with them.

python replay_golden.py --url localhost:8000                    # needs tritonclient[http]
python replay_golden.py --protocol grpc --url localhost:8001    # needs tritonclient[grpc]

It speaks the Open Inference Protocol (v2), as Triton and KServe do. A model that takes texts is
asked for the golden texts, any other for their token ids.
"""

import argparse
import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tritonclient.utils import np_to_triton_dtype

HERE = Path(__file__).resolve().parent
OUTPUTS = ("logits", "anomaly_score", "flagged")
PORTS = {"http": 8000, "grpc": 8001}
"""Triton's own."""


def main() -> None:
    """Print every difference; exit status 1 when there is one."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--protocol", choices=PORTS, default="http")
    parser.add_argument("--url", help="HOST:PORT; by default Triton's port on this machine")
    parser.add_argument("--ssl", action="store_true", help="encrypted")
    parser.add_argument("--model", default=HERE.name)
    options = parser.parse_args()
    golden = json.loads((HERE / "golden.json").read_text("utf-8"))
    # Either brings packages that the other one does without.
    triton = importlib.import_module(f"tritonclient.{options.protocol}")
    url = options.url or f"localhost:{PORTS[options.protocol]}"
    with triton.InferenceServerClient(url, ssl=options.ssl) as client:
        ask = {"as_json": True} if options.protocol == "grpc" else {}
        metadata = client.get_model_metadata(options.model, **ask)
        ranks = {one["name"]: len(one["shape"]) for one in metadata["inputs"]}

        def infer(row: dict[str, Any]) -> dict[str, Any]:
            given = []
            for name, values in tensors(row, ranks).items():
                kind = np_to_triton_dtype(values.dtype)
                given.append(triton.InferInput(name, values.shape, kind))
                given[-1].set_data_from_numpy(values)
            asked = [triton.InferRequestedOutput(name) for name in OUTPUTS]
            result = client.infer(options.model, given, outputs=asked)
            return {name: result.as_numpy(name) for name in OUTPUTS}

        found = [
            f"row {number}: {difference}"
            for number, row in enumerate(golden["rows"])
            for difference in differences(infer(row), row, golden["tolerance"])
        ]
    sys.stdout.write("".join(f"{line}\n" for line in found))
    sys.stdout.write(f"{len(golden['rows'])} golden rows, {len(found)} differences\n")
    sys.exit(bool(found))


def tensors(row: dict[str, Any], ranks: dict[str, int]) -> dict[str, Any]:
    """The inputs of a golden row alone; the threshold may be left out, and is.

    Args:
        row: the golden row.
        ranks: how many dimensions each input of the model has. A text has one, or two where the
            server puts requests together.
    """
    ids = np.array([row["input_ids"]], np.int64)
    of = {
        "text": np.array([row["text"]], object).reshape([1] * ranks.get("text", 1)),
        "input_ids": ids,
        "attention_mask": np.ones_like(ids),
        # Of a single text they are zeros, and not written.
        "token_type_ids": np.array([row["token_type_ids"]], np.int64)
        if "token_type_ids" in row
        else np.zeros_like(ids),
    }
    return {name: of[name] for name in ranks if name in of}


def differences(answer: dict[str, Any], row: dict[str, Any], tolerance: float) -> Iterator[str]:
    """What the server answers otherwise than the golden row says."""
    for name in OUTPUTS:
        found = answer[name].ravel()
        expected = np.ravel(np.array(row[name], float))
        if found.shape != expected.shape or not _same(found.astype(float), expected, tolerance):
            yield f"{name} is {found.tolist()}, not {row[name]}"


def _same(
    found: npt.NDArray[np.float64], expected: npt.NDArray[np.float64], tolerance: float
) -> bool:
    # What is not finite is null, and equals any value that is not finite.
    neither = ~np.isfinite(found) & ~np.isfinite(expected)
    return bool((neither | (np.abs(found - expected) <= tolerance)).all())


if __name__ == "__main__":
    main()

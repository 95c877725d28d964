"""Asks a server for the golden rows of a bundle and compares its answers with them.

python replay_golden.py --url localhost:8000        # needs tritonclient[http]

It speaks the Open Inference Protocol (v2) over HTTP, as Triton and KServe do.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tritonclient.http

HERE = Path(__file__).resolve().parent
OUTPUTS = ("logits", "anomaly_score", "flagged")


def main() -> None:
    """Print every difference; exit status 1 when there is one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="localhost:8000")
    parser.add_argument("--ssl", action="store_true", help="speak https")
    parser.add_argument("--model", default=HERE.name)
    options = parser.parse_args()
    golden = json.loads((HERE / "golden.json").read_text("utf-8"))
    with tritonclient.http.InferenceServerClient(options.url, ssl=options.ssl) as client:
        inputs = [one["name"] for one in client.get_model_metadata(options.model)["inputs"]]
        found = [
            f"row {number}: {difference}"
            for number, row in enumerate(golden["rows"])
            for difference in differences(client, options.model, inputs, row, golden["tolerance"])
        ]
    sys.stdout.write("".join(f"{line}\n" for line in found))
    sys.stdout.write(f"{len(golden['rows'])} golden rows, {len(found)} differences\n")
    sys.exit(bool(found))


def differences(
    client: Any,  # noqa: ANN401 - tritonclient has no types
    model: str,
    inputs: list[str],
    row: dict[str, Any],
    tolerance: float,
) -> Iterator[str]:
    """What the server answers otherwise than the golden row says, which it gets alone."""
    ids = np.array([row["input_ids"]], np.int64)
    of = {
        "input_ids": ids,
        "attention_mask": np.ones_like(ids),
        # Of a single text they are zeros, and not written.
        "token_type_ids": np.array([row["token_type_ids"]], np.int64)
        if "token_type_ids" in row
        else np.zeros_like(ids),
    }
    given = []
    for name in inputs:
        # The threshold may be left out.
        if name in of:
            given.append(tritonclient.http.InferInput(name, ids.shape, "INT64"))
            given[-1].set_data_from_numpy(of[name])
    asked = [tritonclient.http.InferRequestedOutput(name) for name in OUTPUTS]
    result = client.infer(model, given, outputs=asked)
    for name in OUTPUTS:
        found = result.as_numpy(name).ravel()
        # What is not finite is null, and equals any value that is not finite.
        expected = np.array(np.ravel(np.array(row[name], float)), float)
        same = (np.abs(found - expected) <= tolerance) | (
            ~np.isfinite(expected) & ~np.isfinite(found.astype(float))
        )
        if found.shape != expected.shape or not same.all():
            yield f"{name} is {found.tolist()}, not {row[name]}"


if __name__ == "__main__":
    main()

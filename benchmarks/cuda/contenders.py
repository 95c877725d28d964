"""What is timed on a GPU: files in ONNX Runtime, and the same checkpoint in PyTorch."""

import collections
import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from transformers import AutoModelForSequenceClassification

from clampdown_runtime.sessions.bound_run import BoundRun
from clampdown_runtime.sessions.providers import Provider, prepare_provider
from clampdown_runtime.sessions.session import create_session

WARM_UP = 5
"""Runs before the timed ones: two capture a CUDA graph, and kernels are chosen in the first."""


def sessions(
    files: Mapping[str, Path], provider: Provider, *, graphs: bool
) -> dict[str, onnxruntime.InferenceSession]:
    """A session for every file."""
    return {
        name: create_session(path, provider=provider, cuda_graphs=graphs)
        for name, path in files.items()
    }


def onnx_run(
    session: onnxruntime.InferenceSession, provider: Provider, shape: tuple[int, int], number: int
) -> BoundRun:
    """A run of random tokens with everything on the device, warmed up."""
    ids = np.random.default_rng(0).integers(1000, 20000, shape)
    every = {
        "input_ids": ids,
        "attention_mask": np.ones_like(ids),
        "token_type_ids": np.zeros_like(ids),
    }
    given = {node.name: every[node.name] for node in session.get_inputs()}
    run = BoundRun(session, given, classes=2, device=provider, number=number)
    for _ in range(WARM_UP):
        run()
    return run


def torch_runs(
    folder: Path, shape: tuple[int, int], kinds: tuple[str, ...]
) -> dict[str, Callable[[], None]]:
    """The undefended checkpoint in half precision, each of ``kinds`` warmed up.

    Args:
        folder: the checkpoint.
        shape: rows and tokens.
        kinds: ``eager``, or a mode of ``torch.compile``.
    """
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval().cuda().half()
    ids = torch.randint(1000, 20000, shape, device="cuda")
    mask = torch.ones_like(ids)
    runs: dict[str, Callable[[], None]] = {}
    for kind in kinds:
        # Otherwise a second shape is compiled for any, which is slower.
        torch.compiler.reset()
        called = model if kind == "eager" else torch.compile(model, mode=kind, dynamic=False)

        def run(called: Callable[..., object] = called) -> None:
            with torch.inference_mode():
                called(input_ids=ids, attention_mask=mask)
            torch.cuda.synchronize()

        for _ in range(WARM_UP):
            run()
        runs[f"torch fp16, {kind}"] = run
    return runs


def nodes_by_provider(path: Path, provider: Provider) -> dict[str, int]:
    """How many nodes a run executes on each provider, after ONNX Runtime's own fusions."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    with tempfile.TemporaryDirectory() as place:
        options.enable_profiling = True
        options.profile_file_prefix = f"{place}/profile"
        # As create_session makes it, but for the profile.
        prepared = prepare_provider(provider)
        session = onnxruntime.InferenceSession(path, options, providers=[prepared])
        onnx_run(session, provider, (1, 32), 0)
        events = json.loads(Path(session.end_profiling()).read_text())
    found: dict[str, set[str]] = collections.defaultdict(set)
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            found[event["args"]["provider"]].add(event["name"])
    return {kind.removesuffix("ExecutionProvider"): len(nodes) for kind, nodes in found.items()}

"""The files that the defended ones are measured against: the model as others export it."""

import os
import subprocess
from pathlib import Path

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

OPTIMUM = "CLAMPDOWN_OPTIMUM_PYTHON"
ROOT = Path(__file__).resolve().parents[2]


def export_by_torch(model: Path, out: Path) -> Path:
    """``torch.onnx.export`` at its defaults, but for the names and sizes that a user must give.

    Args:
        model: a Hugging Face folder.
        out: the folder to write into.

    Returns:
        The ONNX file.
    """
    classifier = AutoModelForSequenceClassification.from_pretrained(model).eval()
    texts = ["an example", "another one"]
    inputs = dict(AutoTokenizer.from_pretrained(model)(texts, padding=True, return_tensors="pt"))
    sizes = {0: torch.export.Dim("batch"), 1: torch.export.Dim("sequence")}
    out.mkdir()
    path = out / "model.onnx"
    torch.onnx.export(
        classifier,
        kwargs=inputs,
        f=path,
        input_names=list(inputs),
        output_names=["logits"],
        dynamic_shapes=dict.fromkeys(inputs, sizes),
    )
    return path


def export_by_optimum(model: Path, out: Path) -> Path:
    """``optimum-cli export onnx`` at its defaults, from Optimum's own environment.

    Args:
        model: a Hugging Face folder.
        out: the folder to write.

    Returns:
        The ONNX file.
    """
    python = Path(os.environ.get(OPTIMUM, ROOT / ".venv-optimum" / "bin" / "python"))
    command = python.with_name("optimum-cli")
    if not command.is_file():
        raise SystemExit(f"There is no {command}: make .venv-optimum/installed, or set {OPTIMUM}.")
    options = ["--task", "text-classification", "--model", str(model)]
    subprocess.run([command, "export", "onnx", *options, out], check=True)
    return out / "model.onnx"

"""The audit of a model: a folder, or one ONNX file."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from clampdown_calib.audit.finding import Finding
from clampdown_calib.audit.folder_findings import folder_findings
from clampdown_calib.audit.graph_findings import graph_findings
from clampdown_calib.audit.weight_findings import weight_findings
from clampdown_calib.models.checkpoint.lora_adapter import ADAPTER
from clampdown_calib.models.external_data import external_files
from clampdown_calib.models.model_folder import ONNX_PLACES, ModelFolder, open_model
from clampdown_runtime.errors import ModelError


@dataclass(frozen=True, slots=True)
class Audit:
    """What a model holds besides what a text classifier has to.

    Attributes:
        model: its path.
        findings: what a person has to look at first.
    """

    model: Path
    findings: tuple[Finding, ...]

    @property
    def review(self) -> bool:
        """Whether a person has to look at any of it."""
        return any(finding.review for finding in self.findings)


def audit_model(model: str | Path) -> Audit:
    """Look through a model without running any of it, unpickling or loading its weights.

    Of an adapter the base model is looked through as well.

    An empty audit does not show that a model has no backdoor: weights that were trained to have one
    look like any others.

    Args:
        model: a Hugging Face folder, a folder with an ONNX classifier, or an ONNX file.

    Raises:
        ModelError: there is no such folder or ONNX file, or it cannot be read.
    """
    path = Path(model)
    try:
        if path.is_dir():
            found = [*_of_folder(path)]
        elif path.is_file() and path.suffix == ".onnx":
            found = [*graph_findings(path, path.parent, _padding(path))]
        else:
            raise _no_model(path, "a file" if path.exists() else "nothing there")
    except OSError as error:
        raise _no_model(path, f"{error.filename or 'a file'}, unreadable: {error}") from error
    return Audit(path, tuple(sorted(found, key=lambda finding: not finding.review)))


def _of_folder(path: Path) -> Iterator[Finding]:
    folder: ModelFolder | None = None
    try:
        folder = open_model(path)
    except ModelError as error:
        yield Finding("refused", ".", f"`clampdown defend` refuses it: {error}", review=True)
    adapter = folder.adapter if folder else None
    graphs = sorted(file for file in path.rglob("*.onnx") if file.is_file())
    read = {*(folder.weights if folder else ()), *(d for g in graphs for d in external_files(g))}
    if folder is not None and adapter is not None:
        yield Finding("adapter", ADAPTER, adapter.described(), review=False)
        for finding in folder_findings(folder.path, frozenset(read)):
            yield replace(finding, file=str(folder.path / finding.file))
    yield from folder_findings(path, frozenset(read))
    for graph in graphs:
        yield from graph_findings(graph, path, _padding(graph))
    if folder is not None and folder.kind == "checkpoint":
        yield from weight_findings(folder)


def _padding(graph: Path) -> int | None:
    """The padding of the configuration that a graph belongs to; None where there is none."""
    place = graph.parent.name == Path(ONNX_PLACES[1]).parent.name
    for folder in (graph.parent, *([graph.parent.parent] if place else [])):
        try:
            config = json.loads((folder / "config.json").read_text("utf-8"))
        except (OSError, ValueError, RecursionError):
            continue
        token = config.get("pad_token_id") if isinstance(config, dict) else None
        return token if type(token) is int else None
    return None


def _no_model(path: Path, found: str) -> ModelError:
    return ModelError(
        f"The model {path}",
        found=found,
        expected="a folder with a model or a bundle, or an .onnx file, all of it readable",
        hint="Check the path; download a model of a hub first.",
    )

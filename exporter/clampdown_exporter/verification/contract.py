"""The graph contract of docs/bundle.md, checked on the file."""

from collections.abc import Iterator

import numpy as np
import onnx_ir as ir

from clampdown_calib.graphs.format_limits import CONTROL_FLOW, IR_VERSION, NEWEST_OPSET
from clampdown_exporter.bundle.graph_facts import graph_facts
from clampdown_exporter.passes.insert_statistic import FLAGGED, SCORE, THRESHOLD
from clampdown_runtime.bundle.manifest import Manifest
from clampdown_runtime.sessions.session import UNDEFENDED_LOGITS

FUSED = "com.microsoft"
"""Domain of ONNX Runtime's fused operators."""

TWO_PASSES = "detect-then-purify"
"""The mode in which the published method runs flagged rows again, in a loop."""

_OUTPUTS = (
    ("logits", ir.DataType.FLOAT, 2),
    (SCORE, ir.DataType.FLOAT, 1),
    (FLAGGED, ir.DataType.BOOL, 1),
)


def contract_differences(model: ir.Model, manifest: Manifest) -> Iterator[str]:
    """One sentence for every point in which a graph departs from the contract."""
    graph = model.graph
    inputs = tuple(value.name for value in graph.inputs)
    if inputs != (*manifest.inputs, THRESHOLD):
        yield f"the inputs are {inputs}, not {(*manifest.inputs, THRESHOLD)}"
    outputs = [(v.name, v.dtype, len(v.shape) if v.shape else 0) for v in graph.outputs]
    expected = list(_OUTPUTS)
    # The graphs of earlier releases and of the published method have none.
    if manifest.mode != "detect" and len(outputs) > len(expected):
        expected.append((UNDEFENDED_LOGITS, ir.DataType.FLOAT, 2))
    if outputs != expected:
        yield f"the outputs (name, type, rank) are {outputs}, not {expected}"
    batch = {str(v.shape[0]) for v in (*graph.inputs[:1], *graph.outputs) if v.shape}
    if len(batch) != 1:
        yield f"the outputs' first dimension is not the inputs': {sorted(batch)}"
    for output in graph.outputs:
        shape = output.shape
        if shape is not None and len(shape) == 2 and shape[1] != len(manifest.labels):
            yield (
                f"the {output.name} are of {shape[1]} classes, the manifest has "
                f"{len(manifest.labels)}"
            )
    opsets = dict(model.opset_imports)
    if model.ir_version > IR_VERSION or max(opsets.values(), default=0) > NEWEST_OPSET:
        yield f"IR version {model.ir_version} and operator sets {opsets} are too new"
    allowed = {"", FUSED} if manifest.precision.startswith("cuda-") else {""}
    used = {node.domain for node in ir.traversal.RecursiveGraphIterator(graph)}
    if domains := (used | set(opsets)) - allowed:
        yield f"operators of the domains {sorted(domains)}"
    own = {"Loop"} if manifest.detector != "excess" and manifest.mode == TWO_PASSES else set()
    nodes = ir.traversal.RecursiveGraphIterator(graph)
    if control := {node.op_type for node in nodes} & CONTROL_FLOW - own:
        yield f"control flow ({', '.join(sorted(control))}), which the defence has none of"
    if model.functions:
        yield "functions of its own, which could be anything"
    stored = graph.initializers.get(THRESHOLD)
    value = None if stored is None or stored.const_value is None else stored.const_value.numpy()
    if value is None or value.shape != (1,) or value[0] != np.float32(manifest.threshold):
        yield f"the threshold is {value}, not [{np.float32(manifest.threshold)}]"
    yield from _metadata_differences(model, manifest)


def _metadata_differences(model: ir.Model, manifest: Manifest) -> Iterator[str]:
    expected = graph_facts(manifest)
    found = {k: v for k, v in model.metadata_props.items() if k.startswith("clampdown.")}
    for key in sorted(set(expected) | set(found)):
        if expected.get(key) != found.get(key):
            yield f"metadata {key} is {found.get(key)!r}, not {expected.get(key)!r}"

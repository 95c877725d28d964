"""What an ONNX file holds besides a network that reads token ids through its embeddings."""

from collections.abc import Iterator
from pathlib import Path

import onnx
import onnx.inliner
import onnx_ir as ir

from clampdown_calib.audit.dataflow import STANDARD, live_nodes, reads
from clampdown_calib.audit.finding import Finding, Kind, listed
from clampdown_calib.audit.side_ways import side_ways
from clampdown_calib.audit.token_logic import token_logic
from clampdown_calib.models.external_data import all_nodes, external_places
from clampdown_calib.models.folder_files import leaves

RUNTIMES_OWN = "com.microsoft"
"""The domain of ONNX Runtime's own operators, which every build of it has."""


def graph_findings(path: Path, root: Path, pad_token_id: int | None) -> Iterator[Finding]:
    """Findings on one ONNX file; external data is not read.

    Args:
        path: the file.
        root: the model's folder, which the file and its external data have to lie in.
        pad_token_id: of the configuration; None where there is none.
    """
    file = path.relative_to(root).as_posix()
    try:
        proto = onnx.load(str(path), load_external_data=False)
    except Exception as error:  # protobuf raises its own kinds
        yield _damaged(file, error)
        return
    places = external_places(proto)
    astray = list(_external_data(places, path, root))
    yield from (Finding(kind, file, text, review=True) for kind, text in astray)
    yield from _operators(proto, file)
    # The checker takes no links, of which the hub's cache is made, for external data.
    if not astray and not (places and path.is_symlink()):
        try:
            # A file cut off between two fields still parses.
            onnx.checker.check_model(str(path))
        except Exception as error:  # the checker's own kinds, and those of protobuf
            yield _damaged(file, error)
            return
    try:
        if proto.functions:
            proto = onnx.inliner.inline_local_functions(proto)
        graph = ir.from_proto(proto).graph
        graph.sort()
        logic, flows = token_logic(graph, file, pad_token_id)
        found = [*logic, *side_ways(graph, file, flows), *_unread(graph, file)]
    except Exception as error:  # a graph of a stranger need not fit together
        yield _damaged(file, error)
        return
    yield from found


def _external_data(places: set[str], path: Path, root: Path) -> Iterator[tuple[Kind, str]]:
    for place in sorted(places):
        target = path.parent / place
        if Path(place).is_absolute() or leaves(target, root):
            yield "external-data", f"weights in {place!r}, outside the model"
        elif not target.is_file():
            yield "damaged", f"no file {place!r}, in which its weights should be"


def _operators(proto: onnx.ModelProto, file: str) -> Iterator[Finding]:
    nodes = [*all_nodes(proto.graph), *(node for f in proto.functions for node in f.node)]
    own = {(function.domain, function.name) for function in proto.functions}
    by_domain: dict[str, set[str]] = {}
    for node in nodes:
        if node.domain not in STANDARD and (node.domain, node.op_type) not in own:
            by_domain.setdefault(node.domain, set()).add(node.op_type)
    for domain, names in sorted(by_domain.items()):
        if domain == RUNTIMES_OWN:
            text = f"ONNX Runtime's own operators: {listed(sorted(names))}"
            yield Finding("operator", file, text, review=False)
        else:
            text = f"custom operators of the domain {domain}: {listed(sorted(names))}"
            yield Finding("operator", file, text, review=True)


def _unread(graph: ir.Graph, file: str) -> Iterator[Finding]:
    """Weights that nothing reads on a way to the logits."""
    read = {value for node in live_nodes(graph) for value in reads(node)}
    unread = [n for n, v in graph.initializers.items() if v not in read and v not in graph.outputs]
    if unread:
        text = f"weights that no layer reads: {listed(sorted(map(str, unread)))}"
        yield Finding("weights", file, text, review=False)


def _damaged(file: str, error: Exception) -> Finding:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return Finding("damaged", file, f"not a whole ONNX model ({lines[0]})", review=True)

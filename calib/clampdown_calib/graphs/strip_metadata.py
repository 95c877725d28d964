"""Removes what exporters leave in a graph."""

import onnx_ir as ir
from onnx_ir.passes import common


def strip_metadata(model: ir.Model) -> None:
    """Remove what exporters leave: it can hold local paths and source code."""
    common.ClearMetadataAndDocStringPass()(model)
    model.metadata_props.clear()
    model.doc_string = None
    for node in ir.traversal.RecursiveGraphIterator(model.graph):
        for value in node.outputs:
            value.metadata_props.clear()
            value.doc_string = None
    for value in (*model.graph.inputs, *model.graph.initializers.values()):
        value.metadata_props.clear()
        value.doc_string = None

"""Imports what the targets need, before the workers are forked from the process that did."""

import onnx.version_converter
import pyarrow.parquet
import tiny_graph
import torch
import transformers.models.auto.tokenization_auto
import transformers.models.bert.modeling_bert

import clampdown.inspect_bundle
import clampdown_calib.models.checkpoint.torch_classifier
import clampdown_exporter
import tests.fuzz.mutant
import tests.fuzz.mutators.onnx_fields
import tests.fuzz.mutators.rows_files

# torch's own threads do not survive a fork.
torch.set_num_threads(1)

__all__ = ["clampdown", "clampdown_calib", "clampdown_exporter", "onnx", "pyarrow", "tests"]
__all__ += ["tiny_graph", "torch", "transformers"]

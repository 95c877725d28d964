"""A model of a repository, run by ONNX Runtime as its config.pbtxt tells Triton to."""

import numpy as np
import onnxruntime
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2
from tritonclient.utils import (
    deserialize_bytes_tensor,
    np_to_triton_dtype,
    triton_to_np_dtype,
)


def read_config(folder):
    """Triton's own message, by Triton's own parser."""
    text = (folder / "config.pbtxt").read_text("utf-8")
    return text_format.Parse(text, model_config_pb2.ModelConfig())


class ServedModel:
    """Takes and gives tensors of the shapes of the configuration, as Triton does."""

    def __init__(self, folder):
        self.name = folder.name
        self.config = read_config(folder)
        options = onnxruntime.SessionOptions()
        for library in self.config.model_operations.op_library_filename:
            options.register_custom_ops_library(library)
        self.session = onnxruntime.InferenceSession(folder / "1" / "model.onnx", options)

    def metadata(self):
        """Of the inputs, with the rows in front where requests are put together."""
        rows = [-1] if self.config.max_batch_size else []
        return [
            {"name": one.name, "datatype": datatype(one), "shape": [*rows, *one.dims]}
            for one in self.config.input
        ]

    def run(self, given, names):
        """Arrays by name in, a list of arrays out; ValueError where Triton answers with one."""
        most = self.config.max_batch_size
        feed = {}
        for one in self.config.input:
            if one.name not in given:
                if one.optional:
                    continue
                raise ValueError(f"no {one.name}")
            array = given.pop(one.name)
            rows = [min(len(array), most)] if most else []
            shape = [*rows, *one.dims]
            fits = len(shape) == array.ndim and all(
                wanted in (-1, found) for wanted, found in zip(shape, array.shape, strict=True)
            )
            if not fits or np_to_triton_dtype(array.dtype) != datatype(one):
                raise ValueError(f"{one.name} is {array.dtype} {array.shape}, not {shape}")
            if one.HasField("reshape"):
                array = array.reshape([*rows, *one.reshape.shape])
            feed[one.name] = array
        if given:
            raise ValueError(f"nothing known of {', '.join(given)}")
        outputs = {one.name: one for one in self.config.output}
        arrays = self.session.run(names, feed)
        return [
            array.reshape([len(array), *outputs[name].dims])
            if outputs[name].HasField("reshape")
            else array
            for name, array in zip(names, arrays, strict=True)
        ]


def datatype(tensor):
    """The protocol's word for it."""
    kind = model_config_pb2.DataType.Name(tensor.data_type).removeprefix("TYPE_")
    return "BYTES" if kind == "STRING" else kind


def decoded(data, kind, shape):
    """The array of a tensor's bytes on the wire."""
    if kind != "BYTES":
        return np.frombuffer(data, triton_to_np_dtype(kind)).reshape(shape)
    texts = [text.decode() for text in deserialize_bytes_tensor(data)]
    return np.array(texts, object).reshape(shape)

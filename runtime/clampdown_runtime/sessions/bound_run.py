"""A run whose inputs and outputs stay in fixed places of a device's memory."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from clampdown_runtime.sessions.providers import import_onnxruntime

if TYPE_CHECKING:
    import onnxruntime

Arrays = Mapping[str, npt.NDArray[np.generic]]

_TYPES: Mapping[str, type[np.generic]] = {"tensor(float)": np.float32, "tensor(bool)": np.bool_}


class BoundRun:
    """Runs a session again and again on inputs of one shape.

    In a session that captures CUDA graphs the first runs record what is launched, and every later
    one is a single launch.
    """

    def __init__(
        self,
        session: "onnxruntime.InferenceSession",
        inputs: Arrays,
        *,
        classes: int,
        device: str,
        number: int = 0,
    ) -> None:
        """Reserves the places.

        Args:
            session: of an undefended or a defended graph.
            inputs: by name; their first dimension is the batch.
            classes: of the logits.
            device: ``cuda`` or ``cpu``, after the session's provider.
            number: of the CUDA graph, one for each shape.
        """
        ort = import_onnxruntime()
        self._session = session
        self._binding = session.io_binding()
        self._options = ort.RunOptions()
        self._options.add_run_config_entry("gpu_graph_id", str(number))
        self._inputs = {
            name: ort.OrtValue.ortvalue_from_numpy(array, device, 0)
            for name, array in inputs.items()
        }
        for name, value in self._inputs.items():
            self._binding.bind_ortvalue_input(name, value)
        rows = len(inputs["input_ids"])
        self._outputs = {}
        for output in session.get_outputs():
            shape = [rows, classes] if len(output.shape) > 1 else [rows]
            value = ort.OrtValue.ortvalue_from_shape_and_type(shape, _TYPES[output.type], device, 0)
            self._binding.bind_ortvalue_output(output.name, value)
            self._outputs[output.name] = value

    def __call__(self) -> None:
        """Runs on what the places hold."""
        self._session.run_with_iobinding(self._binding, self._options)

    def of(self, inputs: Arrays) -> dict[str, npt.NDArray[np.generic]]:
        """Runs on inputs of the same shape, and copies the outputs back, by name."""
        for name, value in self._inputs.items():
            value.update_inplace(np.ascontiguousarray(inputs[name]))
        self()
        # On the CPU, numpy() is a view of the place that the next run writes into.
        return {name: np.array(value.numpy()) for name, value in self._outputs.items()}

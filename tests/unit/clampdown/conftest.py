"""What the command line's tests share."""

import sys
from types import ModuleType

import numpy as np
import onnx
import pytest
import tiny_bundle
from click.testing import CliRunner

from clampdown.cli.main import main


@pytest.fixture
def invoke():
    """Runs a command line; the result has exit_code, stdout and stderr."""
    return lambda *arguments, **keys: CliRunner().invoke(
        main, [str(argument) for argument in arguments], **keys
    )


@pytest.fixture
def replace_package(monkeypatch):
    """Puts functions in the place of a module that imports torch."""

    def replace(name, **functions):
        package = ModuleType(name)
        for key, function in functions.items():
            setattr(package, key, function)
        monkeypatch.setitem(sys.modules, name, package)

    return replace


@pytest.fixture
def negated(replace_package):
    """Makes the undefended model one whose logits are the bundle's negated."""

    def write_undefended(bundle, destination):
        assert bundle.manifest
        onnx.save(tiny_bundle.other_model(), destination)

    replace_package("clampdown_exporter.bundle.remove_defence", write_undefended=write_undefended)


@pytest.fixture
def failing(monkeypatch):
    """Makes `clampdown doctor` raise an exception."""

    def fail(error):
        def examine():
            raise error

        monkeypatch.setattr(sys.modules["clampdown.cli.commands.doctor"], "examine", examine)

    return fail


@pytest.fixture
def many_labels(bundle_path, seal):
    """The tiny bundle, of which both labels are questions: texts have none, one or both."""
    path = bundle_path / "onnx" / "model.onnx"
    model = onnx.load(path)
    [product] = [node for node in model.graph.node if "logits" in node.output]
    product.output[:] = ["uncentred"]
    model.graph.node.append(onnx.helper.make_node("Add", ["uncentred", "bias"], ["logits"]))
    bias = np.full(2, 1.2, np.float32)
    model.graph.initializer.append(onnx.numpy_helper.from_array(bias, "bias"))
    onnx.save(model, path)
    seal(bundle_path, problem_type="multi_label_classification")
    return bundle_path

"""Each detector: its nodes equal its NumPy form, and both equal a reference written another way."""

from dataclasses import replace

import numpy as np
import pytest
import tiny_graph
from safetensors.numpy import load_file

from clampdown_calib.badacts.nas import NasDetector
from clampdown_calib.detectors import Emitted
from clampdown_calib.evidence.probes import probed_layers
from clampdown_calib.rows.clean_run import CleanRun
from clampdown_calib.tensor_file import tensor_bytes

DETECTORS = tiny_graph.DETECTORS
LAYERS, WIDTH, CLASSES = 3, 24, 4


def samples(rows: int = 200, *, seed: int = 0) -> CleanRun:
    """Correlated neurons with a class mean each; class 3 has no rows."""
    random = np.random.default_rng(seed)
    mix = np.random.default_rng(99).normal(size=(LAYERS, WIDTH, WIDTH)) / np.sqrt(WIDTH)
    centres = np.random.default_rng(98).normal(size=(CLASSES, LAYERS, WIDTH)) * 2
    classes = random.integers(0, CLASSES - 1, rows)
    hidden = np.einsum("nlh,lhk->nlk", random.normal(size=(rows, LAYERS, WIDTH)), mix)
    logits = random.normal(size=(rows, CLASSES)) + 8 * np.eye(CLASSES)[classes]
    logits[:, -1] -= 20
    token, pooled = hidden + centres[classes], hidden[:, ::-1] - centres[classes]
    return CleanRun(*(array.astype(np.float32) for array in (token, pooled, logits)), None)


def run_graph(detector, whole: CleanRun) -> np.ndarray:
    """The detector's nodes alone, in ONNX Runtime."""
    means = whole.pooled[:, : probed_layers(LAYERS)]
    [score] = tiny_graph.run_nodes(
        lambda tape, *values: [detector.emit(tape, Emitted(*values))],
        *({"tokens": whole.hidden, "means": means}[detector.reads], whole.logits),
    )
    return score


@pytest.fixture(params=sorted(DETECTORS))
def detector(request):
    return DETECTORS[request.param].fit(samples())


def test_names_are_those_of_the_manifest():
    assert {name: kind.name for name, kind in DETECTORS.items()} == {
        "excess": "excess",
        "nas": "nas",
    }


@pytest.mark.parametrize("rows", [1, 50])
def test_nodes_equal_the_numpy_form(detector, rows):
    unseen = samples(rows, seed=5)
    expected = detector.score(unseen)
    assert expected.shape == (rows,)
    assert expected.dtype == np.float32
    np.testing.assert_allclose(run_graph(detector, unseen), expected, rtol=1e-5, atol=1e-5)


def test_tensors_restore_the_detector(detector, tmp_path):
    (tmp_path / "t.safetensors").write_bytes(tensor_bytes(detector.tensors()))
    restored = type(detector).from_tensors(load_file(tmp_path / "t.safetensors"))
    assert all(v.dtype == np.float32 for v in detector.tensors().values())
    np.testing.assert_array_equal(restored.score(samples(9)), detector.score(samples(9)))


def test_arrays_of_any_memory_order_are_written_as_they_read(tmp_path):
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    (tmp_path / "t.safetensors").write_bytes(
        tensor_bytes(
            {"fortran": np.asfortranarray(array), "view": array.T, "stride": array[:, ::2]},
        )
    )
    read = load_file(tmp_path / "t.safetensors")
    np.testing.assert_array_equal(read["fortran"], array)
    np.testing.assert_array_equal(read["view"], array.T)
    np.testing.assert_array_equal(read["stride"], array[:, ::2])


def test_abnormal_rows_score_higher(detector):
    strange = samples(50, seed=3)
    strange.hidden[:] += np.random.default_rng(4).normal(size=strange.hidden.shape) * 4
    # Sure of what the layers do not say.
    strange.logits[:, :-1] = np.roll(strange.logits[:, :-1], 1, axis=1) * 2
    assert detector.score(strange).min() > np.median(detector.score(samples(50, seed=3)))


def test_what_a_detector_does_not_read_changes_nothing(detector):
    plain, other = samples(20, seed=1), samples(20, seed=2)
    changed = {
        "tokens": replace(plain, pooled=other.pooled, logits=other.logits),
        # A trigger has decided in the last layer.
        "means": replace(
            plain,
            hidden=other.hidden,
            pooled=np.concatenate([plain.pooled[:, :-1], other.pooled[:, -1:]], axis=1),
        ),
    }[detector.reads]
    np.testing.assert_array_equal(detector.score(changed), detector.score(plain))


def test_layer_that_is_constant_on_clean_rows_does_not_decide_the_score():
    def constant(whole):
        for values in (whole.hidden, whole.pooled):
            values[:, 1] = np.linspace(-3, 30, WIDTH)
        return whole

    clean, unseen = constant(samples()), constant(samples(30, seed=1))
    for kind in DETECTORS.values():
        fitted = kind.fit(clean)
        plain = fitted.score(unseen)
        # What another kernel's rounding does to it.
        rounded = replace(unseen, hidden=unseen.hidden.copy(), pooled=unseen.pooled.copy())
        for values in (rounded.hidden, rounded.pooled):
            values[:, 1] *= np.float32(1 + 3e-7)
        assert np.isfinite(plain).all()
        np.testing.assert_allclose(fitted.score(rounded), plain, atol=0.3)
        if kind is NasDetector:
            np.testing.assert_array_equal(fitted.score(rounded), plain)


def test_nas_equals_a_literal_loop():
    clean, unseen = samples(), samples(20, seed=1)
    fitted = NasDetector.fit(clean)
    for row, score in zip(unseen.hidden.astype(np.float64), fitted.score(unseen), strict=True):
        normal = 0
        for layer in range(LAYERS):
            for neuron in range(WIDTH):
                values = clean.hidden[:, layer, neuron].astype(np.float64)
                normal += abs(row[layer, neuron] - values.mean()) <= 3 * values.std()
        assert score == pytest.approx(1 - normal / (LAYERS * WIDTH), abs=1e-6)
    assert fitted.score(unseen).max() > 0

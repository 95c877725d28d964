"""Each detector: its nodes equal its NumPy form, and both equal a reference written another way."""

import numpy as np
import onnx
import onnx_ir as ir
import pytest
import tiny_models
from safetensors.numpy import load_file

from clampdown_calib.artefact import write_tensors
from clampdown_calib.detectors import (
    DETECTORS,
    FusionDetector,
    MahalanobisDetector,
    NasDetector,
    Representations,
)
from clampdown_calib.detectors.mahalanobis import RANK

LAYERS, WIDTH, CLASSES = 3, 24, 4


def samples(rows: int = 200, *, seed: int = 0, offset: float = 0, ratio: float = 1):
    """Correlated neurons with a class mean each; class 3 has no rows."""
    random = np.random.default_rng(seed)
    mix = np.random.default_rng(99).normal(size=(LAYERS, WIDTH, WIDTH)) / np.sqrt(WIDTH)
    mix[:, 0] *= ratio
    centres = np.random.default_rng(98).normal(size=(CLASSES, LAYERS, WIDTH)) * 2
    classes = random.integers(0, CLASSES - 1, rows)
    hidden = np.einsum("nlh,lhk->nlk", random.normal(size=(rows, LAYERS, WIDTH)), mix)
    logits = random.normal(size=(rows, CLASSES)) + 8 * np.eye(CLASSES)[classes]
    logits[:, -1] -= 20
    return Representations(
        (hidden + centres[classes] + offset).astype(np.float32), logits.astype(np.float32)
    )


def batches_of(whole: Representations, size: int = 32):
    return [
        Representations(whole.hidden[i : i + size], whole.logits[i : i + size])
        for i in range(0, len(whole.hidden), size)
    ]


def run_graph(detector, whole: Representations) -> np.ndarray:
    """The detector's nodes alone, in ONNX Runtime."""
    tape = ir.tape.Tape()
    hidden, logits = (
        ir.Value(name=name, type=ir.TensorType(ir.DataType.FLOAT), shape=ir.Shape(shape))
        for name, shape in (
            ("hidden", ["batch", *whole.hidden.shape[1:]]),
            ("logits", ["batch", whole.logits.shape[1]]),
        )
    )
    score = detector.emit(tape, hidden, logits)
    score.name, score.type = "score", ir.TensorType(ir.DataType.FLOAT)
    score.shape = ir.Shape(["batch"])
    graph = ir.Graph(
        [hidden, logits],
        [score],
        nodes=tape.nodes,
        initializers=tape.initializers,
        opset_imports={"": 20},
        name="detector",
    )
    model = ir.Model(graph, ir_version=10)
    onnx.checker.check_model(ir.to_proto(model), full_check=True)
    feed = {"hidden": whole.hidden, "logits": whole.logits}
    return tiny_models.session(model).run(None, feed)[0]


@pytest.fixture(params=sorted(DETECTORS))
def detector(request):
    return DETECTORS[request.param].fit(lambda: batches_of(samples()))


@pytest.mark.parametrize("rows", [1, 50])
def test_nodes_equal_the_numpy_form(detector, rows):
    unseen = samples(rows, seed=5)
    expected = detector.score(unseen)
    assert expected.shape == (rows,)
    assert expected.dtype == np.float32
    np.testing.assert_allclose(run_graph(detector, unseen), expected, rtol=1e-5, atol=1e-5)


def test_tensors_restore_the_detector(detector, tmp_path):
    write_tensors(tmp_path / "t.safetensors", detector.tensors())
    restored = type(detector).from_tensors(load_file(tmp_path / "t.safetensors"))
    assert all(v.dtype == np.float32 for v in detector.tensors().values())
    np.testing.assert_array_equal(restored.score(samples(9)), detector.score(samples(9)))


def test_arrays_of_any_memory_order_are_written_as_they_read(tmp_path):
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    write_tensors(
        tmp_path / "t.safetensors",
        {"fortran": np.asfortranarray(array), "view": array.T, "stride": array[:, ::2]},
    )
    read = load_file(tmp_path / "t.safetensors")
    np.testing.assert_array_equal(read["fortran"], array)
    np.testing.assert_array_equal(read["view"], array.T)
    np.testing.assert_array_equal(read["stride"], array[:, ::2])


def test_fit_does_not_depend_on_the_batches(detector):
    again = type(detector).fit(lambda: batches_of(samples(), 7))
    np.testing.assert_allclose(again.score(samples(9)), detector.score(samples(9)), atol=1e-4)


def test_abnormal_rows_score_higher(detector):
    strange = samples(50, seed=3)
    strange.hidden[:] += np.random.default_rng(4).normal(size=strange.hidden.shape) * 4
    assert detector.score(strange).min() > np.median(detector.score(samples(50, seed=3)))


def test_fit_on_nothing_is_refused(detector):
    with pytest.raises(ValueError, match="no clean samples"):
        type(detector).fit(list)


def mahalanobis_reference(clean: Representations, unseen: Representations) -> np.ndarray:
    """The textbook form: the inverse of the whole probabilistic-PCA covariance, float64."""

    def distances(hidden):
        return np.stack(
            [
                np.sqrt(
                    np.min(
                        [
                            np.einsum("nh,hk,nk->n", h - m, np.linalg.inv(sigma), h - m)
                            for m in means
                        ],
                        axis=0,
                    )
                )
                for h, means, sigma in zip(
                    hidden.astype(np.float64).transpose(1, 0, 2), *models, strict=True
                )
            ],
            axis=1,
        )

    predicted = clean.logits.argmax(axis=1)
    classes = np.unique(predicted)
    models = ([], [])
    for layer in clean.hidden.astype(np.float64).transpose(1, 0, 2):
        means = np.stack([layer[predicted == c].mean(axis=0) for c in classes])
        centred = layer - means[np.searchsorted(classes, predicted)]
        values, vectors = np.linalg.eigh(centred.T @ centred / len(layer))
        values[:-RANK] = values[:-RANK].mean()
        models[0].append(means)
        models[1].append(vectors @ np.diag(values) @ vectors.T)
    on_clean = distances(clean.hidden)
    standard = (distances(unseen.hidden) - on_clean.mean(axis=0)) / on_clean.std(axis=0)
    return standard.mean(axis=1)


# A residual stream has directions whose variance is ten thousand times that of the others, and a
# mean far from zero: in float32 a difference of squares is off by more than a clean row's spread.
@pytest.mark.parametrize(("offset", "ratio"), [(0, 1), (20, 1), (0, 100), (0, 1000)])
def test_mahalanobis_equals_the_explicit_inverse(offset, ratio):
    clean, unseen = (samples(n, seed=s, offset=offset, ratio=ratio) for n, s in ((300, 0), (40, 1)))
    fitted = MahalanobisDetector.fit(lambda: batches_of(clean))
    expected = mahalanobis_reference(clean, unseen)
    np.testing.assert_allclose(fitted.score(unseen), expected, atol=2e-3)
    np.testing.assert_allclose(run_graph(fitted, unseen), expected, atol=2e-3)
    # Class 3 has no clean row: its mean would be NaN.
    assert fitted.means.shape == (LAYERS, CLASSES - 1, WIDTH)


def test_mahalanobis_takes_fewer_rows_than_directions():
    clean = samples(8)
    fitted = MahalanobisDetector.fit(lambda: batches_of(clean))
    assert fitted.directions.shape == (LAYERS, WIDTH, 4)
    assert np.isfinite(fitted.score(samples(20, seed=1))).all()


def test_layer_that_is_constant_on_clean_rows_does_not_decide_the_score():
    def constant(whole):
        whole.hidden[:, 1] = np.linspace(-3, 30, WIDTH)
        return whole

    clean, unseen = constant(samples()), constant(samples(30, seed=1))
    for kind in (MahalanobisDetector, NasDetector):
        fitted = kind.fit(lambda: batches_of(clean))
        plain = fitted.score(unseen)
        # What another kernel's rounding does to it.
        rounded = Representations(unseen.hidden.copy(), unseen.logits)
        rounded.hidden[:, 1] *= np.float32(1 + 3e-7)
        assert np.isfinite(plain).all()
        np.testing.assert_allclose(fitted.score(rounded), plain, atol=0.3)
        if kind is NasDetector:
            np.testing.assert_array_equal(fitted.score(rounded), plain)


def test_nas_equals_a_literal_loop():
    clean, unseen = samples(), samples(20, seed=1)
    fitted = NasDetector.fit(lambda: batches_of(clean))
    for row, score in zip(unseen.hidden.astype(np.float64), fitted.score(unseen), strict=True):
        normal = 0
        for layer in range(LAYERS):
            for neuron in range(WIDTH):
                values = clean.hidden[:, layer, neuron].astype(np.float64)
                normal += abs(row[layer, neuron] - values.mean()) <= 3 * values.std()
        assert score == pytest.approx(1 - normal / (LAYERS * WIDTH), abs=1e-6)
    assert fitted.score(unseen).max() > 0


def test_fusion_is_the_sum_of_distance_and_margin():
    clean, unseen = samples(), samples(20, seed=1)
    fitted = FusionDetector.fit(lambda: batches_of(clean))

    def margins(logits):
        two = np.sort(logits.astype(np.float64), axis=1)
        return two[:, -1] - two[:, -2]

    margin = (margins(unseen.logits) - margins(clean.logits).mean()) / margins(clean.logits).std()
    distance = MahalanobisDetector.fit(lambda: batches_of(clean)).score(unseen)
    np.testing.assert_allclose(fitted.score(unseen), distance + margin, atol=1e-5)

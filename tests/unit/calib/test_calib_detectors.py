"""Each detector: its nodes equal its NumPy form, and both equal a reference written another way."""

from dataclasses import replace

import numpy as np
import onnx_ir as ir
import pytest
import tiny_models
from safetensors.numpy import load_file

from clampdown_calib.artefact import write_tensors
from clampdown_calib.detectors import (
    DETECTORS,
    Emitted,
    FusionDetector,
    MahalanobisDetector,
    NasDetector,
    Representations,
)
from clampdown_calib.detectors.mahalanobis import RANK
from clampdown_calib.folds import folds

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
    representation, pooled = hidden + centres[classes] + offset, hidden[:, ::-1] - centres[classes]
    inner = logits + random.normal(size=(rows, CLASSES)) * 3
    return Representations(
        *(array.astype(np.float32) for array in (representation, pooled, logits, inner))
    )


def run_graph(detector, whole: Representations) -> np.ndarray:
    """The detector's nodes alone, in ONNX Runtime."""
    [score] = tiny_models.run_nodes(
        lambda tape, *values: [detector.emit(tape, Emitted(*values))],
        *(whole.hidden, whole.pooled, whole.logits, whole.inner),
    )
    return score


@pytest.fixture(params=sorted(DETECTORS))
def detector(request):
    return DETECTORS[request.param].fit(samples())


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


def test_abnormal_rows_score_higher(detector):
    strange = samples(50, seed=3)
    strange.hidden[:] += np.random.default_rng(4).normal(size=strange.hidden.shape) * 4
    assert detector.score(strange).min() > np.median(detector.score(samples(50, seed=3)))


def reference_distances(fit, predicted, hidden):
    """The textbook form: the inverse of the whole probabilistic-PCA covariance, float64."""
    classes = np.unique(predicted)
    found = []
    for layer, given in zip(fit.transpose(1, 0, 2), hidden.transpose(1, 0, 2), strict=True):
        means = np.stack([layer[predicted == c].mean(axis=0) for c in classes])
        centred = layer - means[np.searchsorted(classes, predicted)]
        values, vectors = np.linalg.eigh(centred.T @ centred / len(layer))
        values[:-RANK] = values[:-RANK].mean()
        inverse = np.linalg.inv(vectors @ np.diag(values) @ vectors.T)
        offsets = given[:, None] - means
        found.append(np.einsum("nch,hk,nck->nc", offsets, inverse, offsets).min(axis=1) ** 0.5)
    return np.stack(found, axis=1)


def mahalanobis_reference(clean: Representations, unseen: Representations) -> np.ndarray:
    """Standardised by the distances of clean rows under fits without them."""
    fit, predicted = clean.hidden.astype(np.float64), clean.logits.argmax(axis=1)
    left_out = np.empty(fit.shape[:2])
    for out in folds(predicted):
        left_out[out] = reference_distances(fit[~out], predicted[~out], fit[out])
    found = reference_distances(fit, predicted, unseen.hidden.astype(np.float64))
    return ((found - left_out.mean(axis=0)) / left_out.std(axis=0)).mean(axis=1)


# A residual stream has directions whose variance is ten thousand times that of the others, and a
# mean far from zero: in float32 a difference of squares is off by more than a clean row's spread.
@pytest.mark.parametrize(("offset", "ratio"), [(0, 1), (20, 1), (0, 100), (0, 1000)])
def test_mahalanobis_equals_the_explicit_inverse(offset, ratio):
    clean, unseen = (samples(n, seed=s, offset=offset, ratio=ratio) for n, s in ((300, 0), (40, 1)))
    fitted = MahalanobisDetector.fit(clean)
    expected = mahalanobis_reference(clean, unseen)
    np.testing.assert_allclose(fitted.score(unseen), expected, atol=2e-3)
    np.testing.assert_allclose(run_graph(fitted, unseen), expected, atol=2e-3)
    # Class 3 has no clean row: its mean would be NaN.
    assert fitted.means.shape == (LAYERS, CLASSES - 1, WIDTH)


def test_mahalanobis_takes_fewer_rows_than_directions():
    clean = samples(8)
    fitted = MahalanobisDetector.fit(clean)
    assert fitted.directions.shape == (LAYERS, WIDTH, 4)
    assert np.isfinite(fitted.score(samples(20, seed=1))).all()


def test_layer_that_is_constant_on_clean_rows_does_not_decide_the_score():
    def constant(whole):
        whole.hidden[:, 1] = np.linspace(-3, 30, WIDTH)
        return whole

    clean, unseen = constant(samples()), constant(samples(30, seed=1))
    for kind in (MahalanobisDetector, NasDetector):
        fitted = kind.fit(clean)
        plain = fitted.score(unseen)
        # What another kernel's rounding does to it.
        rounded = replace(unseen, hidden=unseen.hidden.copy())
        rounded.hidden[:, 1] *= np.float32(1 + 3e-7)
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


def test_fusion_is_the_sum_of_the_distance_of_both_tokens_and_the_excess_confidence():
    clean, unseen = samples(), samples(20, seed=1)
    # The two predict different classes: both leads are of the model's.
    assert (unseen.logits.argmax(axis=1) != unseen.inner.argmax(axis=1)).any()
    fitted = FusionDetector.fit(clean)

    def leads(whole):
        for row, inner in zip(whole.logits, whole.inner, strict=True):
            y = row.argmax()
            yield [v[y] - max(np.delete(v, y)) for v in (row, inner)]

    (outer, inner), (new_outer, new_inner) = (np.array(list(leads(w))).T for w in (clean, unseen))
    excess = (new_outer - new_inner - (outer - inner).mean()) / outer.std()

    def both(whole):
        return replace(whole, hidden=np.concatenate([whole.hidden, whole.pooled], axis=1))

    distance = MahalanobisDetector.fit(both(clean)).score(both(unseen))
    np.testing.assert_allclose(fitted.score(unseen), distance + excess, atol=1e-5)


def test_fusion_of_margins_that_never_vary_is_finite():
    clean = samples()
    clean.logits[:] = np.eye(CLASSES)[clean.logits.argmax(axis=1)] * 5
    assert np.isfinite(FusionDetector.fit(clean).score(clean)).all()


def test_fusion_needs_a_readout_in_the_graph():
    seen = Emitted(*(ir.Value(name=name) for name in ("hidden", "pooled", "logits")), None)
    with pytest.raises(ValueError, match="no readout"):
        FusionDetector.fit(samples()).emit(ir.tape.Tape(), seen)


@pytest.mark.parametrize("kind", [MahalanobisDetector, NasDetector])
def test_other_detectors_need_none(kind):
    assert not kind.reads_inner_layers
    unseen = samples(5, seed=1)
    fitted = kind.fit(samples())
    [score] = tiny_models.run_nodes(
        lambda tape, hidden, logits: [fitted.emit(tape, Emitted(hidden, hidden, logits, None))],
        *(unseen.hidden, unseen.logits),
    )
    np.testing.assert_allclose(score, fitted.score(unseen), rtol=1e-5, atol=1e-5)

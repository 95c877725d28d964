import numpy as np
import pytest

from clampdown_exporter.report.widths import draw_widths, short_labels


def chart(*widths):
    widths = np.array(widths, np.float32)
    lower = np.full_like(widths, -1)
    return draw_widths([f"layer.{i}" for i in range(len(widths))], lower, lower + widths)


def test_quantiles_of_known_widths():
    (layer,) = chart(np.arange(101) / 100).layers
    assert layer.quantiles == pytest.approx((0.05, 0.25, 0.5, 0.75, 0.95), abs=1e-6)
    assert layer.at == pytest.approx([100 * q / 0.95 for q in layer.quantiles])
    assert layer.figures == ("0.05", "0.25", "0.5", "0.75", "0.95")


def test_widths_of_one_scale_have_an_axis_from_zero():
    drawn = chart([1, 2, 3], [2, 4, 6])
    assert not drawn.logarithmic
    assert drawn.ticks[0].label == "0"
    assert drawn.layers[1].at[2] == pytest.approx(2 * drawn.layers[0].at[2])


def test_widths_of_many_scales_have_a_logarithmic_axis():
    drawn = chart([0.01, 0.01, 0.01], [1, 1, 1], [100, 100, 100])
    assert drawn.logarithmic
    assert [layer.at[2] for layer in drawn.layers] == pytest.approx([0, 50, 100], abs=1e-3)


def test_a_width_of_zero_keeps_the_axis_linear():
    assert not chart([0, 0, 0], [100, 100, 100]).logarithmic


def test_widths_that_are_all_zero_can_be_drawn():
    (layer,) = chart([0, 0]).layers
    assert layer.at == (0, 0, 0, 0, 0)


def test_what_is_not_finite_is_counted_and_left_out():
    drawn = chart([1, np.inf, 1], [np.nan, np.inf, np.inf])
    assert drawn.not_finite == 4
    assert drawn.layers[0].quantiles == (1, 1, 1, 1, 1)
    assert drawn.layers[1].quantiles == ()


def test_infinite_bounds_on_both_sides_are_left_out_without_a_warning(recwarn):
    infinite = np.full((1, 3), np.inf, np.float32)
    assert draw_widths(["only"], infinite, infinite).not_finite == 3
    assert not recwarn.list


@pytest.mark.parametrize("layers", [1, 6, 15, 16, 48])
def test_rows_never_touch(layers):
    drawn = chart(*([1.0, 2.0] for _ in range(layers)))
    middles = [layer.y for layer in drawn.layers]
    assert min(np.diff(middles), default=18) >= 18
    assert middles[0] > 0
    assert middles[-1] < drawn.height < 1000


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        (["bert.encoder.layer.0", "bert.encoder.layer.1"], ["0", "1"]),
        (["h.0.ln", "h.1.ln", "h.10.ln"], ["0", "1", "10"]),
        (["albert.group#0", "albert.group#1"], ["group#0", "group#1"]),
        (["only.layer.3"], ["1"]),
        (["first", "first.second"], ["1", "2"]),
        (["a.quite.long.layer", "another.very.long.layer"], ["1", "2"]),
    ],
)
def test_labels_are_what_tells_layers_apart(names, labels):
    assert short_labels(names) == labels

import pytest

from clampdown_exporter.report.axis import Axis


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (0, 1, ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        (-1.7, 3.4, ["−1", "0", "1", "2", "3"]),
        (0.0213, 0.0219, ["0.0213", "0.0214", "0.0215", "0.0216", "0.0217", "0.0218", "0.0219"]),
        (0, 3e30, ["0", "5e29", "1e30", "1.5e30", "2e30", "2.5e30", "3e30"]),
        (0, 6e-7, ["0", "1e−07", "2e−07", "3e−07", "4e−07", "5e−07", "6e−07"]),
    ],
)
def test_ticks_are_round(low, high, labels):
    assert [tick.label for tick in Axis(low, high).ticks()] == labels


def test_ticks_lie_where_their_values_are():
    assert [tick.at for tick in Axis(-1, 3).ticks(4)] == pytest.approx([0, 25, 50, 75, 100])


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (0.1, 10, ["0.1", "1", "10"]),
        (0.3, 16, ["0.5", "1", "2", "5", "10"]),
        (1e-6, 1e9, ["1e−06", "0.001", "1", "1000", "1e6", "1e9"]),
    ],
)
def test_a_logarithmic_axis_has_few_round_ticks(low, high, labels):
    assert [tick.label for tick in Axis(low, high, logarithmic=True).ticks()] == labels


def test_a_logarithmic_axis_gives_every_decade_the_same_room():
    axis = Axis(0.1, 1000, logarithmic=True)
    assert [axis.at(value) for value in (0.1, 1, 10, 100, 1000)] == pytest.approx(
        [0, 25, 50, 75, 100]
    )


def test_values_beyond_the_ends_stay_at_them():
    axis = Axis(2, 4)
    assert (axis.at(-1e300), axis.at(3), axis.at(1e300)) == (0, 50, 100)

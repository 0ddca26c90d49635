"""Reading the axes of a sweep, and the figures of a replay."""

import numpy as np
import pytest

from imbalance_doctor.errors import InputError
from imbalance_doctor.evidence import Series, TrainingLog
from imbalance_doctor.replay import ReplaySettings
from imbalance_doctor.replay.sweep import axis, figures, points

START = ReplaySettings(loss="smooth-ap")


def test_a_range_has_seven_values_in_equal_ratios():
    found = axis("temperature=1e-3..1")
    assert found.name == "temperature"
    np.testing.assert_allclose(found.values, np.geomspace(1e-3, 1, 7), rtol=1e-3)
    assert found.values[0] == 1e-3
    assert found.values[-1] == 1


def test_whole_numbers_stay_whole_and_come_once():
    assert axis("queue-size=0,1024,8192,1024").values == (0, 1024, 8192)
    found = axis("batch_size=1..4").values
    assert found == tuple(dict.fromkeys(found))
    assert all(isinstance(value, int) for value in found)
    assert axis("gather_distributed=true,false").values == (True, False)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("temperature", "NAME=LOW"),
        ("temperature=", "NAME=LOW"),
        ("temperatur=1,2", "did you mean 'temperature'"),
        ("epochs=1,2", "setting of a replay"),
        ("temperature=0.1,", "value"),
        ("temperature=1..0.1", "LOW < HIGH"),
        ("queue_size=0..10", "LOW"),
        ("temperature=-1,2", "temperature"),
        ("queue_size=x", "queue-size"),
        ("loss=smooth-ap..bce", "LOW"),
    ],
)
def test_bad_axes_are_told(text, said):
    with pytest.raises(InputError, match=said):
        axis(text)


def test_every_combination_up_to_sixty_four():
    axes = [axis("temperature=0.1,0.2"), axis("queue_size=0,10,20")]
    found = points(axes, START)
    assert [tuple(p.values()) for p in found] == [(t, q) for t in (0.1, 0.2) for q in (0, 10, 20)]
    eight = axis("temperature=1,2,3,4,5,6,7,8")
    assert len(points([eight, axis("queue_size=1,2,3,4,5,6,7,8")], START)) == 64
    with pytest.raises(InputError, match="65"):
        points([axis("temperature=1,2,3,4,5"), axis("queue_size=1,2,3,4,5,6,7,8,9,10,11,12,13")], START)
    with pytest.raises(InputError, match="again"):
        points([eight, eight], START)
    with pytest.raises(InputError, match="gamma"):
        points([axis("gamma=1,2")], START)


def log(**curves):
    return TrainingLog(
        series=tuple(
            Series(
                key=name,
                name=name,
                phase="train" if name == "loss" else "",
                steps=np.arange(float(len(v))),
                values=np.array(v, dtype=float),
                order=np.arange(len(v)),
                lines=np.zeros(len(v), dtype=np.int64),
            )
            for name, v in curves.items()
        )
    )


def test_figures_by_hand():
    found = figures(
        log(
            loss=[0, 0, 5, 5, 5, 5, 5, 5, 1, 3],
            chance_level=[0.5] * 8 + [0.7, 0.9],
            gradient_norm=[1, 2, 3, 30, np.nan],
            positives_with_gradient=[0, 1, 0.5],
        )
    )
    assert found == {
        "loss": 2.0,
        "chance_level": pytest.approx(0.8),
        "gradient_norm": 2.5,
        "gradient_peak": 12.0,
        "gradient_share_positive": None,
        "positives_with_gradient": 0.5,
        "zero_loss_share": 0.2,
    }


def test_the_peak_between_the_steps_that_are_kept_counts():
    found = figures(log(loss=[1, 1], gradient_norm=[2, 2], gradient_norm_max=[2, 9]))
    assert found["gradient_peak"] == 4.5
    assert figures(log(loss=[1], gradient_norm=[0]))["gradient_peak"] is None

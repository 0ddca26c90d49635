import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imbalance_doctor.sources.logs._curves import Curves


def _read(curves):
    """Return steps, epochs and values by tag."""
    found = {}
    for record in curves.records():
        for tag, value in record.values.items():
            found.setdefault(tag, []).append((record.step, record.epoch, value))
    return found


def _starts(curves):
    """Return the number of times the step falls back from one record to the next."""
    steps = [r.step for r in curves.records() if r.step is not None]
    return sum(b < a for a, b in pairwise(steps))


def test_tags_of_one_step_make_one_record():
    curves = Curves()
    for step in range(3):
        curves.add("loss", 1.0 - step, step=step, order=2 * step)
        curves.add("auc", 0.1 * step, step=step, order=2 * step + 1)
    assert [(r.step, dict(r.values)) for r in curves.records()] == [
        (0.0, {"loss": 1.0, "auc": 0.0}),
        (1.0, {"loss": 0.0, "auc": 0.1}),
        (2.0, {"loss": -1.0, "auc": 0.2}),
    ]


def test_phases_stay_apart_and_a_second_value_of_a_step_too():
    curves = Curves()
    curves.add("loss", 1.0, step=5, order=0, phase="train")
    curves.add("loss", 2.0, step=5, order=1, phase="val")
    curves.add("loss", 3.0, step=5, order=2, phase="val")
    assert [(r.phase, r.values["loss"]) for r in curves.records()] == [
        ("train", 1.0),
        ("val", 2.0),
        ("val", 3.0),
    ]


def test_validation_by_epoch_beside_training_by_step_is_no_restart():
    curves = Curves()
    order = 0
    for epoch in range(10):
        for batch in range(50):
            curves.add("train/loss", 1.0, step=50 * epoch + batch, order=(order := order + 1))
        curves.add("val/loss", float(epoch), step=epoch, order=(order := order + 1))
    assert _starts(curves) == 0
    found = _read(curves)
    assert [s for s, _, _ in found["train/loss"]] == list(range(500))
    assert [(s, e) for s, e, _ in found["val/loss"]] == [(50 * e + 49, e) for e in range(10)]


def test_validation_by_epoch_written_after_the_training_is_spread_over_it():
    curves = Curves()
    for step in range(101):
        curves.add("train/loss", 1.0, step=step, order=step)
    for epoch in range(5):
        curves.add("val/loss", 1.0, step=epoch, order=200 + epoch)
    assert [(s, e) for s, e, _ in _read(curves)["val/loss"]] == [(25 * e, e) for e in range(5)]


def test_curves_of_one_range_written_one_after_the_other_keep_their_steps():
    curves = Curves()
    for n, tag in enumerate(("train/loss", "val/loss")):
        for epoch in range(6):
            curves.add(tag, 1.0, step=epoch, order=100 * n + epoch)
    found = _read(curves)
    assert [s for s, _, _ in found["val/loss"]] == [s for s, _, _ in found["train/loss"]] == list(range(6))


def test_validation_that_stops_early_keeps_its_steps():
    curves = Curves()
    for step in range(0, 1000, 10):
        curves.add("train/loss", 1.0, step=step, order=step)
        if step % 100 == 0 and step < 300:
            curves.add("val/loss", 1.0, step=step, order=step + 1)
    assert [s for s, _, _ in _read(curves)["val/loss"]] == [0, 100, 200]


def test_a_restart_of_most_tags_is_kept_for_the_assembly():
    curves = Curves()
    order = 0
    for start in (0, 30):
        for step in range(start, 60):
            curves.add("loss", 1.0, step=step, order=(order := order + 1))
            curves.add("lr", 0.1, step=step, order=(order := order + 1))
    steps = [r.step for r in curves.records()]
    assert steps == [*range(60), *range(30, 60)]
    assert all(set(r.values) == {"loss", "lr"} for r in curves.records())


def test_batches_counted_within_the_epoch_are_no_restarts():
    curves = Curves()
    order = 0
    for epoch in range(8):
        for batch in range(20):
            curves.add("batch/loss", float(order), step=batch, order=(order := order + 1))
        curves.add("val/loss", 1.0, step=epoch, order=(order := order + 1))
        curves.add("val/auc", 0.5, step=epoch, order=(order := order + 1))
    assert _starts(curves) == 0
    found = _read(curves)
    assert [v for _, _, v in found["batch/loss"]] == sorted(v for _, _, v in found["batch/loss"])
    assert len({s for s, _, _ in found["batch/loss"]}) > 100


def test_batches_within_the_epoch_alone_go_by_order():
    curves = Curves()
    for n in range(80):
        curves.add("loss", float(n), step=n % 20, order=n)
    found = _read(curves)["loss"]
    assert [v for _, _, v in found] == list(range(80))
    assert {s for s, _, _ in found} == {None}


def test_two_restarts_are_not_taken_for_batches():
    curves = Curves()
    for n in range(60):
        curves.add("loss", float(n), step=n % 20, order=n)
    assert _starts(curves) == 2


def test_steps_that_never_move_are_none():
    curves = Curves()
    for n in range(5):
        curves.add("loss", float(n), step=0, order=2 * n)
        curves.add("auc", float(n), step=0, order=2 * n + 1)
    assert [(r.step, dict(r.values)) for r in curves.records()] == [
        (None, {"loss": float(n), "auc": float(n)}) for n in range(5)
    ]


def test_a_final_value_without_a_step_stands_at_the_end():
    curves = Curves()
    for n in range(5):
        curves.add("loss", 1.0, step=n, order=n)
    curves.add("test/auc", 0.9, step=0, order=10)
    assert _read(curves)["test/auc"] == [(4.0, None, 0.9)]


def test_a_tag_called_epoch_tells_the_epoch_of_its_step():
    curves = Curves()
    for n in range(6):
        curves.add("loss", 1.0, step=10 * n, order=2 * n)
        curves.add("epoch", float(n // 2), step=10 * n, order=2 * n + 1)
    assert [(r.step, r.epoch, set(r.values)) for r in curves.records()] == [
        (10.0 * n, n // 2, {"loss"}) for n in range(6)
    ]


def test_tags_known_to_count_epochs_have_no_step():
    curves = Curves(lambda tag: tag.startswith("epoch_"))
    for n in range(4):
        curves.add("epoch_loss", 1.0, step=n, order=n)
    assert _read(curves)["epoch_loss"] == [(None, float(n), 1.0) for n in range(4)]


@pytest.mark.parametrize("count", [65_536, 65_537, 300_000])
def test_long_curves_are_thinned_without_losing_what_matters(count):
    values = np.sin(np.arange(count) / 1000) + np.random.default_rng(0).normal(0, 0.01, count)
    values[12_345], values[count // 2], values[40_000] = math.nan, 50.0, -math.inf
    curves = Curves()
    for n, value in enumerate(values.tolist()):
        curves.add("loss", value, step=n, order=n)
    found = _read(curves)["loss"]
    kept = {int(s): v for s, _, v in found}
    assert len(found) <= 65_536
    assert (len(found) == count) == (count == 65_536)
    assert all(v == values[n] or (math.isnan(v) and math.isnan(values[n])) for n, v in kept.items())
    assert {0, 12_345, count // 2, 40_000, count - 1} <= set(kept)
    finite = values[np.isfinite(values)]
    assert min(v for v in kept.values() if math.isfinite(v)) == finite.min()
    # what is left lies evenly
    assert max(np.diff(sorted(kept))) < 100


_points = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.one_of(st.none(), st.integers(-3, 30), st.floats()),
        st.floats(),
        st.integers(0, 20),
    ),
    max_size=60,
)


@given(_points)
def test_no_point_is_lost_or_changed(points):
    curves = Curves()
    for tag, step, value, order in points:
        curves.add(tag, value, step=step, order=order)
    read = [(tag, repr(v)) for tag, rows in _read(curves).items() for _, _, v in rows]
    assert sorted(read) == sorted((tag, repr(value)) for tag, _, value, _ in points)
    assert all(r.step is None or math.isfinite(r.step) for r in curves.records())


def test_merging_renames_and_joins():
    one, two = Curves(), Curves()
    one.add("loss", 1.0, step=0, order=0)
    two.add("loss", 2.0, step=1, order=1)
    whole = Curves()
    for part in (one, two):
        whole.take(part, lambda tag: f"x/{tag}", "val")
    assert [(r.step, r.phase, dict(r.values)) for r in whole.records()] == [
        (0.0, "val", {"x/loss": 1.0}),
        (1.0, "val", {"x/loss": 2.0}),
    ]


def test_more_tags_than_any_run_has_are_left_out_and_counted():
    curves = Curves()
    for n in range(5_010):
        curves.add(f"tag{n}", 1.0, step=0, order=n)
    assert len(curves.tags()) == 5_000
    assert curves.left_out == 10

"""A reservoir keeps its number of rows of each window, every row as likely as any other."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imbalance_doctor.record import ScoreRecorder


def record(folder, batches, **options):
    """Record rows whose score is their number."""
    number = 0
    with ScoreRecorder(folder, **options) as recorder:
        for step, size in batches:
            rows = np.arange(number, number + size, dtype=np.float64)
            recorder(rows, rows.astype(int) % 2, step=step, sample=rows.astype(int))
            number += size


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.integers(0, 12), min_size=1, max_size=40),
    st.integers(1, 9),
    st.integers(1, 7),
    st.integers(0, 20),
)
def test_each_window_keeps_its_number(tmp_path_factory, read_blocks, sizes, keep, window, first):
    folder = tmp_path_factory.mktemp("r") / "x.scores"
    batches = list(enumerate(sizes, first))
    record(folder, batches, reservoir=keep, window=window)
    found, _ = read_blocks(folder / "rank-00000.stb")
    steps = np.concatenate([c["step"] for c, _ in found] or [np.empty(0, int)])
    scores = np.concatenate([c["scores"][:, 0] for c, _ in found] or [np.empty(0)])
    samples = np.concatenate([c["sample"] for c, _ in found] or [np.empty(0, int)])
    targets = np.concatenate([c["targets"] for c, _ in found] or [np.empty(0, int)])
    assert np.all(np.diff(scores) > 0)  # none twice, in the order they came
    assert np.array_equal(scores, samples)
    assert np.array_equal(targets, samples % 2)
    step_of_row = [step for step, size in batches for _ in range(size)]
    assert steps.tolist() == [step_of_row[sample] for sample in samples]
    offered = np.bincount([step // window for step in step_of_row], minlength=1)
    kept = np.bincount(steps // window, minlength=len(offered))
    assert kept.tolist() == np.minimum(offered, keep).tolist()


def test_every_row_is_as_likely(tmp_path, read_rows):
    """700 draws of 5 from 20 uneven batches' rows: each row's count stays within five deviations."""
    sizes = [1, 7, 2, 10]
    counts = np.zeros(20)
    batches = [(4 * lap + place, size) for lap in range(700) for place, size in enumerate(sizes)]
    record(tmp_path / "x.scores", batches, reservoir=5, window=4)
    rows = read_rows(tmp_path / "x.scores")
    np.add.at(counts, rows["sample"] % 20, 1)
    deviation = np.sqrt(700 * 0.25 * 0.75)
    assert np.abs(counts - 700 * 0.25).max() < 5 * deviation
    assert np.abs(counts - 700 * 0.25).max() > deviation / 5  # drawn, not dealt out


def test_the_draw_depends_on_seed_and_rank(tmp_path, read_rows):
    def kept(name, rank=0, **options):
        record(tmp_path / name, [(0, 1000)], reservoir=20, rank=rank, **options)
        return read_rows(tmp_path / name, rank)["sample"].tolist()

    assert kept("a") == kept("b")
    assert kept("a2", seed=1) != kept("b2")
    assert kept("a3", rank=1) != kept("b3")


def test_the_file_does_not_grow_with_the_rows(tmp_path):
    record(tmp_path / "x.scores", [(step, 5000) for step in range(40)], reservoir=100, window=20)
    assert (tmp_path / "x.scores" / "rank-00000.stb").stat().st_size < 2 * (100 * 25 + 1000)


@pytest.mark.parametrize("step", [9, 10])
def test_a_window_ends_where_it_is_said_to(tmp_path, read_rows, step):
    record(tmp_path / "x.scores", [(0, 10), (step, 10)], reservoir=3, window=10)
    assert len(read_rows(tmp_path / "x.scores")["step"]) == (3 if step == 9 else 6)

"""Arrays that are there already are written whole, or not at all."""

import numpy as np
import pytest

from imbalance_doctor.errors import InputError
from imbalance_doctor.record import record_scores
from imbalance_doctor.record import recorder as recorder_module


def test_every_column_comes_back(tmp_path, read_blocks, monkeypatch):
    monkeypatch.setattr(recorder_module, "_ROWS_AT_ONCE", 7)
    rng = np.random.default_rng(0)
    given = {
        "scores": rng.normal(size=(50, 3)),
        "targets": rng.integers(0, 2, (50, 3)),
        "step": np.arange(50) // 5,
        "epoch": np.arange(50) / 50,
        "sample": rng.permutation(50),
        "iid": rng.random(50) < 0.5,
    }
    path = record_scores(tmp_path / "x.scores", **given)
    found, torn = read_blocks(path)
    assert not torn
    assert {m["kind"] for _, m in found} == {"multilabel"}
    for name, values in given.items():
        assert np.array_equal(np.concatenate([c[name] for c, _ in found]), values)


def test_one_value_may_stand_for_all_rows(tmp_path, read_rows):
    torch = pytest.importorskip("torch")
    scores = torch.randn(5, requires_grad=True)
    record_scores(tmp_path / "x.scores", scores, torch.ones(5), epoch=2, iid=True)
    rows = read_rows(tmp_path / "x.scores")
    assert np.array_equal(rows["scores"][:, 0], scores.detach())
    assert rows["step"].tolist() == [0] * 5
    assert rows["epoch"].tolist() == [2] * 5
    assert rows["iid"].tolist() == [True] * 5


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"targets": np.full(5, 3)}, "got 3"),
        ({"targets": np.zeros(4)}, "targets of shape"),
        ({"step": np.zeros(4, int)}, "5 rows"),
        ({"step": np.full(5, 0.5)}, "5 rows"),
        ({"epoch": np.zeros((5, 1))}, "5 rows"),
        ({"sample": np.full(5, 0.5)}, "whole"),
        ({"scores_are": "probabilities"}, "probabilities"),
        ({"scores_are": "p"}, "scores_are"),
    ],
)
def test_what_does_not_fit_leaves_no_file(tmp_path, arguments, says):
    folder = tmp_path / "x.scores"
    with pytest.raises(InputError, match=says):
        record_scores(folder, **{"scores": np.arange(5.0), "targets": np.zeros(5), **arguments})
    assert not folder.exists() or not list(folder.iterdir())


def test_a_folder_is_not_overwritten_unasked(tmp_path, read_rows):
    record_scores(tmp_path / "x.scores", [1.5], [1])
    with pytest.raises(InputError, match="overwrite=True"):
        record_scores(tmp_path / "x.scores", [2.5], [1])
    assert read_rows(tmp_path / "x.scores")["scores"].tolist() == [[1.5]]
    record_scores(tmp_path / "x.scores", [2.5], [1], overwrite=True)
    assert read_rows(tmp_path / "x.scores")["scores"].tolist() == [[2.5]]
    with pytest.raises(InputError):
        record_scores(tmp_path / "x.scores", [2.5], [9], overwrite=True)


def test_undeclared_probabilities_are_doubted(tmp_path):
    with pytest.warns(UserWarning, match="probabilities") as warned:
        record_scores(tmp_path / "x.scores", np.linspace(0, 1, 200), np.zeros(200))
    assert warned[0].filename == __file__

"""Labelled runs: what is written for the tool, what is kept from it, and how harm is judged."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from imbalance_doctor.errors import InputError
from imbalance_doctor.lab import metrics
from imbalance_doctor.lab.base import Draw
from imbalance_doctor.lab.runs import Job, Labelled, make, make_all, paired_error, read_labels, severity_of
from imbalance_doctor.lab.training import Run
from imbalance_doctor.sources.logs import read_logs
from imbalance_doctor.sources.scores import read_scores


@given(st.data())
def test_metrics_agree_with_scikit_learn(data):
    n = data.draw(st.integers(2, 40))
    hits = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    scores = np.array(data.draw(st.lists(st.integers(-5, 5), min_size=n, max_size=n)), dtype=float)  # ties
    if not hits.any():
        assert math.isnan(metrics.average_precision(scores, hits))
        return
    assert metrics.average_precision(scores, hits) == pytest.approx(sk.average_precision_score(hits, scores))
    if hits.all():
        assert math.isnan(metrics.roc_auc(scores, hits))
    else:
        assert metrics.roc_auc(scores, hits) == pytest.approx(sk.roc_auc_score(hits, scores))


def test_precision_at_hits_averages_to_average_precision():
    g = np.random.default_rng(0)
    scores, labels = g.normal(size=200), (g.random(200) < 0.2).astype(np.int64)
    (found,) = metrics.precision_at_hits(scores, labels)
    assert len(found) == labels.sum()
    assert found.mean() == pytest.approx(sk.average_precision_score(labels, scores))


def test_scores_that_are_not_finite_rank_nothing():
    hits = np.array([True, False, False, False])
    scores = np.array([1.0, math.nan, 0.0, 0.0])
    assert metrics.average_precision(scores, hits) == 0.25
    assert metrics.roc_auc(scores, hits) == 0.5
    assert metrics.recall_at_quantile(scores, hits, 0.5) == 0


@pytest.mark.parametrize(
    ("outcome", "twin", "error", "harm"),
    [
        (0.5, 0.6, 0.0, "severe"),
        (0.5001, 0.6, 0.0, "mild"),
        (0.5, 0.52, 0.0, "mild"),
        (0.5001, 0.52, 0.0, "harmless"),
        (0.6, 0.5, 0.0, "harmless"),
        (0.4, 0.6, 0.0999, "severe"),
        (0.4, 0.6, 0.1001, "unsure"),
    ],
)
def test_harm_is_judged_against_the_twin_and_its_error(outcome, twin, error, harm):
    # The ends are moved by a hair where binary fractions would decide.
    assert severity_of(outcome - 1e-12, twin, error) == harm


def test_held_out_settings_are_never_those_of_tuning():
    for seed in range(200):
        tuned, held = Draw(seed).between(1.0, 100.0), Draw(seed, held_out=True).between(1.0, 100.0)
        share = math.log(tuned) / math.log(100)
        assert 0.2 <= share <= 0.8
        share = math.log(held) / math.log(100)
        assert 0 <= share <= 0.2 or 0.8 <= share <= 1


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    job = Job(kind="temperature-below-resolution", world="clouds", seed=3, steps=60)
    return folder, job, make(job, folder)


def test_a_fault_and_its_twin_are_written_as_a_users_runs(made):
    folder, _, (fault, twin) = made
    assert fault.causes[0] == "temperature-below-resolution"
    assert twin.causes == ()
    assert twin.clean
    assert fault.twin == twin.outcome
    for label in (fault, twin):
        place = folder / "runs" / label.name
        (reading,) = read_logs([str(p) for p in place.iterdir() if p.name not in {"plan.yaml", "val.scores"}])
        (log,) = reading.runs
        assert len(log.get("average_precision", "val")) == 20
        dump = read_scores([str(place / "val.scores")])
        assert dump.kind == "binary"
        text = "".join(
            p.read_text(errors="replace") for p in place.rglob("*") if p.is_file() and p.suffix != ".stb"
        )
        assert "twin" not in text
        assert "fault" not in text


def test_runs_are_made_once_and_the_same_each_time(made, tmp_path):
    folder, job, labels = made
    before = {p: p.stat().st_mtime_ns for p in folder.rglob("*")}
    assert make(job, folder) == labels
    assert {p: p.stat().st_mtime_ns for p in folder.rglob("*")} == before
    assert make(job, tmp_path) == labels
    written = {
        p.relative_to(folder) for p in folder.rglob("*") if p.is_file() and "val.scores" not in p.parts
    }
    assert len(written) == 6
    for path in written:
        assert (folder / path).read_bytes() == (tmp_path / path).read_bytes()


def test_a_run_is_made_again_for_another_dialect(made):
    folder, job, labels = made
    other = "tsv" if labels[0].dialect != "tsv" else "csv"
    (fault, twin) = make(replace(job, dialect=other), folder)
    assert {fault.dialect, twin.dialect} == {other}
    assert fault.outcome == labels[0].outcome
    assert len(list((folder / "runs" / fault.name).glob("*"))) == 3


def test_several_workers_make_the_same_runs(made, tmp_path):
    _, job, labels = made
    other = Job(kind="plain", world="clouds", seed=3, steps=60)
    found = make_all([other, job], tmp_path, workers=2)
    assert [
        label for label in found if label.kind != "plain" or label.causes or "twin" in label.name
    ] == labels
    assert list(read_labels(tmp_path)) == found


def _run(scores, labels):
    return Run(
        rows=(),
        outcomes=(0.0,),
        scores=np.asarray(scores),
        labels=np.asarray(labels),
        setup=None,
        prevalence=0.1,
    )


def test_the_error_of_a_pair_is_that_of_the_precision_at_each_positive():
    labels = np.array([1, 1, 0, 0, 1])
    same = _run([[5.0], [4.0], [1.0], [0.0], [3.0]], labels)
    assert paired_error(same, same) == 0
    other = _run([[5.0], [4.0], [3.5], [3.2], [3.0]], labels)  # the last positive falls to place five
    assert paired_error(other, same) == pytest.approx(np.std([0, 0, 0.6 - 1], ddof=1) / math.sqrt(3))
    assert paired_error(_run([[1.0]] * 4, [1, 0, 0, 0]), same) == pytest.approx(
        0.5
    )  # other rows: the least known


def test_a_folder_without_runs_and_a_broken_label_are_told(tmp_path):
    with pytest.raises(InputError, match="expected labelled runs"):
        list(read_labels(tmp_path))
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "x.json").write_text("{}")
    with pytest.raises(InputError, match=r"x\.json"):
        list(read_labels(tmp_path))
    (tmp_path / "labels" / "x.json").write_text(json.dumps(dict.fromkeys(Labelled.__dataclass_fields__, 0)))
    with pytest.raises(InputError, match=r"x\.json"):
        list(read_labels(tmp_path))

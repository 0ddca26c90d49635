"""The generator of labelled runs."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("imbalanced_losses")

from sklearn.metrics import average_precision_score, roc_auc_score

from imbalance_doctor.sources.logs import read_logs

_PATH = Path(__file__).parents[1] / "benchmarks" / "simulate_runs.py"
_SPEC = importlib.util.spec_from_file_location("simulate_runs", _PATH)
simulate = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(simulate)


def written(monkeypatch, out, *options):
    given = ["simulate_runs.py", str(out), "--knob", "steps=30", "--knob", "every=10", *options]
    monkeypatch.setattr(sys, "argv", given)
    simulate.main()
    return {path.stem.split("__")[0]: path for path in sorted(out.glob("*.jsonl"))}


def rows(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_same_seed_writes_the_same_runs(monkeypatch, tmp_path):
    first, again, other = (
        written(monkeypatch, tmp_path / name, "--fault", "H_bce", "--seed", seed)["H_bce"].read_text()
        for name, seed in (("a", "3"), ("b", "3"), ("c", "4"))
    )
    assert first == again
    assert first != other


def test_faults_show_in_what_is_logged(monkeypatch, tmp_path):
    found = written(monkeypatch, tmp_path, "--fault", "F10", "F17", "F26", "F29", "H_pauc_pair")
    assert len(found) == 5
    for path in found.values():
        meta, *logged = rows(path)
        assert meta["type"] == "meta"
        assert meta["fault"] in path.stem
        assert [row["step"] for row in logged] == [10, 20, 30]
    assert {row["loss"] for row in rows(found["F29_all_ignored"])[1:]} == {0.0}
    assert {row["grad_norm"] for row in rows(found["F10_pauc_degenerate"])[1:]} == {0.0}
    assert (
        rows(found["F26_resume_tau_reset"])[2]["queue_fill"]
        < rows(found["F26_resume_tau_reset"])[3]["queue_fill"]
    )
    assert any(row["phase"] == "warmup" or row["band_neg_count"] for row in rows(found["H_pauc_pair"])[1:])


def test_other_names_are_read_as_the_same_metrics(monkeypatch, tmp_path):
    logs = []
    for names in ("plain", "slash"):
        path = written(monkeypatch, tmp_path / names, "--fault", "H_bce_slow", "--names", names)["H_bce_slow"]
        path.write_text("".join(path.read_text().splitlines(keepends=True)[1:]))
        logs.append(read_logs([str(path)])[0].runs[0])
    for name, phase in (("average_precision", "val"), ("roc_auc", "val"), ("bce", "val"), ("loss", "train")):
        plain, slash = (log.get(name, phase).values.tolist() for log in logs)
        assert plain == slash


def test_data_are_read_from_a_folder(monkeypatch, tmp_path):
    x, y = simulate.made_up(5, rows=400, columns=3, prevalence=0.2)
    np.savez(tmp_path / "tiny.npz", X=x, y=y)
    found = written(monkeypatch, tmp_path / "out", "--data", str(tmp_path), "--fault", "F28")
    shown = rows(found["F28_labels_inverted_val"])[-1]["val_pos_rate"]
    assert shown > 0.6  # turned around


def test_an_unknown_knob_is_named(monkeypatch, tmp_path, capsys):
    with pytest.raises(SystemExit):
        written(monkeypatch, tmp_path, "--knob", "speed=1")
    assert "expected one of lr, batch" in capsys.readouterr().err


def test_metrics_against_another_implementation():
    g = np.random.default_rng(0)
    y = (g.random(500) < 0.1).astype(int)
    scores = g.normal(size=500) + y
    assert simulate.average_precision(scores, y) == pytest.approx(average_precision_score(y, scores))
    assert simulate.roc_auc(scores, y) == pytest.approx(roc_auc_score(y, scores))
    assert np.isnan(simulate.average_precision(scores, np.zeros(500, dtype=int)))
    assert np.isnan(simulate.roc_auc(scores, np.ones(500, dtype=int)))


def test_what_is_no_number_is_told_by_the_loss_and_the_gradient():
    assert simulate.written("loss", float("nan")) == "nan"
    assert simulate.written("score_mean", float("inf")) is None
    assert simulate.written("score_mean", 2.5) == 2.5

"""The sample patients: their files regenerate byte for byte, each plan gets exactly its findings."""

from __future__ import annotations

import importlib.util
import math
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from imbalance_doctor.engine import judge, load_rules
from imbalance_doctor.facts.base import Evidence, Facts, measure
from imbalance_doctor.sources.labels import read_labels
from imbalance_doctor.sources.plans import read_plan

SAMPLES = Path(__file__).parents[2] / "sample_data"
LABELS: dict[str, dict[str, Any]] = {
    "fraud": {"file": "y.npy"},
    "defects": {"file": "labels.csv", "column": "label"},
    "pathology": {"file": "labels.npz", "key": "y"},
    "tagging": {"file": "tags.npy", "ignore_index": -100},
    "counts": {"file": "counts.json"},
}
GATING = ("error", "warning")


def labels_of(patient: str):
    options = dict(LABELS[patient])
    return read_labels([str(SAMPLES / patient / options.pop("file"))], **options)


def expected(patient: str) -> dict[str, dict[str, str]]:
    return yaml.safe_load((SAMPLES / patient / "expected.yaml").read_text(encoding="utf-8"))


def cases() -> list[tuple[str, str]]:
    return [(patient, plan) for patient in LABELS for plan in expected(patient)]


def found(patient: str, plan: str) -> dict[str, str]:
    """Return severity by rule id, errors and warnings only, over all runs of the plan."""
    labels = labels_of(patient)
    rules = load_rules().rules.values()
    result: dict[str, str] = {}
    for run in read_plan(str(SAMPLES / patient / plan)):
        completed, _ = run.completed()
        judgement = judge(rules, measure(Evidence(labels=labels, plan=completed)))
        result |= {f.rule: f.severity for f in judgement.findings if f.severity in GATING}
    return result


def test_make_reproduces_the_shipped_files(tmp_path: Path) -> None:
    made = runpy.run_path(str(SAMPLES / "make.py"))
    made["write"](tmp_path)
    names = sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file())
    assert names == sorted(f"{patient}/{options['file']}" for patient, options in LABELS.items())
    for name in names:
        assert (tmp_path / name).read_bytes() == (SAMPLES / name).read_bytes(), name


def test_samples_stay_small() -> None:
    assert sum(p.stat().st_size for p in SAMPLES.rglob("*") if p.is_file()) < 1_000_000


@pytest.mark.parametrize(("patient", "plan"), cases())
def test_each_plan_gets_exactly_its_findings(patient: str, plan: str) -> None:
    assert found(patient, plan) == expected(patient)[plan]


@pytest.mark.parametrize("patient", LABELS)
def test_every_patient_has_a_faulty_plan(patient: str) -> None:
    assert expected(patient)["train.yaml"]


def test_every_plan_and_script_has_expectations() -> None:
    shipped = {
        (path.parent.name, path.name)
        for pattern in ("*/*.yaml", "*/*.py")
        for path in SAMPLES.glob(pattern)
        if path.name != "expected.yaml"
    }
    assert shipped == set(cases())


def test_the_healthy_plan_is_silent_and_was_judged() -> None:
    (run,) = read_plan(str(SAMPLES / "fraud" / "healthy.yaml"))
    completed, _ = run.completed()
    facts = measure(Evidence(labels=labels_of("fraud"), plan=completed))
    judgement = judge(load_rules().rules.values(), facts)
    assert [f.rule for f in judgement.findings if f.severity in GATING] == []
    assert len(judgement.passed) >= 10


def test_the_script_runs_as_written(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("imbalanced_losses")
    spec = importlib.util.spec_from_file_location("fraud_train", SAMPLES / "fraud" / "train.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    features, labels = script.load().tensors
    assert (features.shape, labels.shape) == ((120_000, 30), (120_000, 1))
    assert labels.sum() == 240
    assert math.isfinite(script.main(max_steps=2))
    # Three batches per epoch, so that the warm-up of two epochs ends and the ranking loss is called.
    few = script.TensorDataset(torch.randn(384, 30), (torch.arange(384) % 4 == 0).float().unsqueeze(1))
    monkeypatch.setattr(script, "load", lambda: few)
    warm, ranked = script.main(max_steps=6), script.main(max_steps=7)
    assert 0 < ranked < 1
    assert warm != ranked


def facts_of(patient: str, plan: str = "train.yaml") -> Facts:
    (run,) = read_plan(str(SAMPLES / patient / plan))
    return measure(Evidence(labels=labels_of(patient), plan=run.completed()[0]))


def test_labels_are_counted_as_the_patients_say() -> None:
    fraud = facts_of("fraud")
    assert (fraud.value("labels.rows"), fraud.value("labels.positives")) == (120_000, 240)
    assert fraud.value("labels.prevalence") == pytest.approx(0.002)
    assert facts_of("defects").value("labels.num_classes") == 12
    assert facts_of("defects").value("labels.focus_class") == "corrosion"
    pathology = facts_of("pathology")
    assert pathology.value("labels.num_classes") == 14
    assert pathology.value("labels.task") == "multilabel"
    assert pathology.value("labels.positives") == 12
    tags = np.load(SAMPLES / "tagging" / "tags.npy")
    tagging = facts_of("tagging")
    assert tagging.value("labels.ignored") == int((tags == -100).sum())
    assert tagging.value("labels.rows") == int((tags != -100).sum())
    assert facts_of("counts").value("labels.focus_class") == "animal"

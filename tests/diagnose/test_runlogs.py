"""The verdict and the causes of training runs whose fault is known."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

_PATH = Path(__file__).parents[1] / "benchmarks" / "score_runlogs.py"
_SPEC = importlib.util.spec_from_file_location("score_runlogs", _PATH)
scoring = importlib.util.module_from_spec(_SPEC)
sys.modules[_SPEC.name] = scoring
_SPEC.loader.exec_module(scoring)

pytestmark = pytest.mark.skipif(not scoring.FOLDER.is_dir(), reason="the shared run logs are not here")


@pytest.fixture(scope="module")
def runs():
    return scoring.runs()


def share(said, name):
    hits, total = scoring.rates(said)[name]
    return hits / total


@pytest.mark.parametrize("dataset", ["htru2", "ai4i2020"])
def test_with_everything_logged(runs, dataset):
    said = scoring.answers([run for run in runs if run.dataset == dataset], level=2)
    assert share(said, "detection") >= 0.95
    assert share(said, "top-1") >= 0.9
    assert share(said, "top-1, all faults") >= 0.9
    assert share(said, "  of healthy") == 0
    assert share(said, "false alarms") <= 0.06


@pytest.mark.parametrize("dataset", ["htru2", "ai4i2020"])
def test_with_loss_and_validation_alone(runs, dataset):
    said = scoring.answers([run for run in runs if run.dataset == dataset], level=0)
    assert share(said, "detection") >= 0.75
    assert share(said, "false alarms") <= 0.03
    assert share(said, "top-1") >= 0.6


def test_the_label_is_never_read(runs):
    """The first line of a file, which names the fault, is no part of what is diagnosed."""
    for run in runs:
        assert run.fault not in repr([series.key for series in run.log.series])
        assert not run.log.hints


def test_harm_is_judged_by_outcome(runs):
    harmful = {run.id for run in runs if run.harmful}
    assert harmful & scoring.HARMLESS == set()
    assert {"F10", "F18", "F22", "F23"} <= harmful
    assert not any(run.harmful for run in runs if run.fault.startswith("H"))

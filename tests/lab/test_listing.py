"""Runs that were made, written down: one word for harm in every format, and what it means."""

import json
from pathlib import Path

import pytest

from imbalance_doctor.lab.listing import render_runs
from imbalance_doctor.lab.runs import MILD, SEVERE, Labelled


def label(name, harm, causes=()):
    return Labelled(
        name=name, kind="k", world="clouds", seed=0, held_out=False, causes=causes, outcome=0.2, twin=0.5,
        error=0.01, reachable=0.5, harm=harm, onset=0, steps=100, dialect="csv", task="binary",
    )  # fmt: skip


RUNS = [label("ill", "severe", ("stale-queue",)), label("ill-twin", "harmless"), label("odd", "unsure")]


@pytest.mark.parametrize("format_", ["text", "markdown"])
def test_harm_is_the_same_word_everywhere_and_explained(format_):
    text = " ".join(render_runs(RUNS, Path("f"), format=format_, width=120).split())
    table, told = text.split("harm, by average precision")
    rows = json.loads(render_runs(RUNS, Path("f"), format="json"))
    assert [row["harm"] for row in rows] == [
        word for word in table.replace("|", " ").split() if word in HARMS
    ]
    assert all(word in told for word in HARMS)
    assert f"severe {SEVERE:g} or more" in told
    assert f"mild {MILD:g} or more" in told
    assert "healthy" not in text


HARMS = ("severe", "mild", "harmless", "unsure")


def test_without_runs_nothing_is_explained():
    assert "harm" not in render_runs([], Path("f"))


def test_paths_are_never_broken():
    folder = Path("/a") / "folder-of-runs" / "with-a-long-name" / "and-another-one"
    text = render_runs(RUNS, folder, width=80)
    for run in RUNS:
        assert str(folder / "runs" / run.name) in text.split("\n")

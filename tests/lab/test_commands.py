"""`imbalance-doctor lab`, as a user types it."""

import json
import shutil
import subprocess
import sys

import pytest


def lab(*words, code=0):
    done = subprocess.run(
        [sys.executable, "-m", "imbalance_doctor", "lab", *map(str, words)],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


def test_kinds_are_listed():
    found = json.loads(lab("list", "--format", "json").stdout)
    faults = [kind for kind in found if kind["causes"]]
    assert len(faults) >= 30
    assert sum(bool(kind["ugly"]) for kind in found) >= 8
    assert "temperature-below-resolution" in lab("list").stdout


def test_a_fault_is_run_diagnosed_and_scored(tmp_path):
    runs = tmp_path / "runs"
    words = ("learning-rate-too-low", "--runs", runs, "--format", "json")
    fault, twin = json.loads(lab("run", *words).stdout)
    assert fault["harm"] == "severe"
    assert fault["causes"][0] == "learning-rate-too-low"
    assert twin["causes"] == []
    done = subprocess.run(
        [sys.executable, "-m", "imbalance_doctor", "diagnose", fault["run"]],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode in {0, 1, 3}, done.stderr
    scored = json.loads(lab("score", "--runs", runs, "--remedies", "--format", "json").stdout)["diagnosis"]
    assert scored["faulty_runs"] == 1
    assert scored["clean_runs"] == 1
    assert {"detection", "top1", "top3", "false_alarms", "by_cause", "loss_only"} <= scored.keys()
    assert scored["by_cause"]["learning-rate-too-low"]["runs"] == 1


def test_the_small_version_of_everything_runs(tmp_path):
    scored = json.loads(lab("score", "--smoke", "--runs", tmp_path / "r", "--format", "json").stdout)
    assert scored["diagnosis"]["faulty_runs"] >= 1
    advised = json.loads(lab("advise", "--smoke", "--format", "json").stdout)["advice"]
    assert {"mean_regret", "worst_regret", "interval_coverage", "by_dataset"} <= advised.keys()
    told = json.loads(lab("claims", "--smoke", "--format", "json").stdout)["claims"]
    assert len(told) >= 23
    assert {"id", "document", "measured", "verdict"} <= told[0].keys()


def test_stored_results_have_the_keys_that_others_read():
    found = json.loads(lab("results", "--format", "json").stdout)
    assert list(found) == ["diagnosis", "advice", "claims"]
    diagnosis = found["diagnosis"]
    for name in ("detection", "top1", "top3", "false_alarms"):
        assert 0 <= diagnosis[f"{name}_low"] <= diagnosis[name] <= diagnosis[f"{name}_high"] <= 1
        assert 0 <= diagnosis["loss_only"][name] <= 1
    assert diagnosis["faulty_runs"] > 0
    assert sum(counts["runs"] for counts in diagnosis["by_cause"].values()) == diagnosis["faulty_runs"]
    assert found["advice"]["by_dataset"]
    assert all(claim["id"] and claim["measured"] for claim in found["claims"])
    assert {claim["verdict"] for claim in found["claims"]} >= {"confirmed", "sharpened", "contradicted"}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("run", "learning-rate-to-low"), "did you mean 'learning-rate-too-low'"),
        (("run", "plain", "--world", "cloud"), "did you mean 'clouds'"),
        (("run", "plain", "--world", "htru2"), "--data"),
        (("run", "plain", "--dialect", "jsonlines"), "did you mean 'json-lines'"),
        (("run", "plain", "--data", "nowhere"), "expected a folder of data sets"),
        (
            ("run", "class-ids-permuted", "--world", "clouds"),
            "for class-ids-permuted, but got clouds",
        ),
        (("run", "plain", "--runs", "a-file"), "a-file"),
        (("score", "--runs", "x", "--store"), "--make held-out"),
        (("advise", "--smoke", "--store"), "at full size"),
        (("claims", "loss-at-start", "--store"), "at full size"),
        (("run", "plain", "--seeds", "0"), "--seeds"),
        (("run",), "FAULT"),
        (("score", "--runs", "nowhere"), "expected labelled runs"),
        (("score", "--make", "everything"), "--make"),
        (("score", "--level", "4"), "--level"),
        (("claims", "loss-at-stat"), "did you mean"),
        (("results", "--format", "yaml"), "expected"),
        (("advise", "--data", "nowhere"), "expected a folder of data sets"),
    ],
)
def test_bad_words_are_told_in_one_line(words, told, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a-file").touch()
    done = lab(*words, code=2)
    assert told in done.stderr
    assert done.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["a-file"]


def test_a_kind_finds_a_world_that_it_can_train_on(tmp_path):
    (run, _) = json.loads(
        lab("run", "class-ids-permuted", "--smoke", "--runs", tmp_path, "--format", "json").stdout
    )
    assert run["world"] == "many-classes"
    assert run["run"].endswith("-120steps")  # is not taken for a whole run later


def test_a_run_whose_folder_is_gone_is_told(tmp_path):
    made = json.loads(lab("run", "plain", "--smoke", "--runs", tmp_path, "--format", "json").stdout)
    shutil.rmtree(made[0]["run"])
    assert "there is none" in lab("score", "--runs", tmp_path, code=2).stderr


WITHOUT_TORCH = """
import sys
class Hidden:
    def __init__(self, finder):
        self.finder = finder
    def find_spec(self, name, *more):
        return None if name.partition(".")[0] == "torch" else self.finder.find_spec(name, *more)
sys.meta_path[:] = map(Hidden, sys.meta_path)
from imbalance_doctor.cli import main
main()
"""


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("results",), 0),
        (("score", "--help"), 0),
        (("run", "--help"), 0),
        (("list",), 2),
        (("run", "plain"), 2),
        (("score",), 2),
        (("advise",), 2),
        (("claims",), 2),
    ],
    ids=str,
)
def test_without_torch_what_needs_none_works_and_the_rest_says_what_to_install(words, code, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, "lab", *words],
        cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    if code:
        assert done.stderr == "error: the lab needs torch; pip install 'imbalance-doctor[torch]'\n"
    assert list(tmp_path.iterdir()) == []

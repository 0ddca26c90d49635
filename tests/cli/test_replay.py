"""`replay` as a user types it: symptoms appear, are judged, and go where the remedy helps."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("torch")


@pytest.fixture
def dump(tmp_path):
    """Return a function that writes a dump of 1 % positives in steps of some rows."""

    def write(size, rows=8000, seed=0):
        rng = np.random.default_rng(seed)
        targets = (rng.random(rows) < 0.01).astype(int)
        scores = (rng.normal(size=rows) + 1.5 * targets - 4).astype(np.float32)
        path = tmp_path / f"run{size}.npz"
        np.savez(path, scores=scores, targets=targets, step=np.arange(rows) // size)
        return path

    return write


def replayed(run, *arguments):
    ended = run("replay", *arguments, "--scores-are", "logits", "--format", "json")
    assert ended.code in {0, 1}, ended.err
    return json.loads(ended.out)


def rules(document):
    return {finding["rule"] for finding in document["findings"]}


def test_a_temperature_far_below_the_scores(run, dump):
    path = dump(64)
    cold = replayed(run, path, "--loss", "smooth-ap", "--temperature", "1e-5")
    assert "temperature-finer-than-the-scores" in rules(cold)
    assert cold["verdict"] == "faulty"
    remedy = cold["remedy"]
    assert remedy["settings"]["temperature"] == pytest.approx(0.1, rel=0.2)
    assert "temperature-finer-than-the-scores" in remedy["resolved"]
    assert remedy["before"]["positives_with_gradient"] < 0.3 < remedy["after"]["positives_with_gradient"]
    warm = replayed(run, path, "--loss", "smooth-ap", "--temperature", "0.1")
    assert not {r for r in rules(warm) if r.startswith("temperature")}


def test_a_replay_without_a_fault_passes_and_claims_no_more(run, dump):
    path = dump(64, rows=20_000)
    found = replayed(run, path, "--loss", "smooth-ap", "--temperature", "0.1", "--queue-size", "1024")
    assert found["exit"]["code"] == 0
    assert found["verdict"] == "cannot tell"
    assert "trains nothing" in found["runs"][0]["because"]


def test_small_batches_without_a_queue_have_no_loss(run, dump):
    path = dump(16)
    bare = replayed(run, path, "--loss", "smooth-ap", "--temperature", "0.1", "--queue-size", "0")
    assert "steps-of-zero-loss" in rules(bare)
    assert bare["remedy"]["before"]["zero_loss_share"] > 0.8
    assert bare["remedy"]["after"]["zero_loss_share"] < 0.2
    assert "steps-of-zero-loss" in bare["remedy"]["resolved"]
    queued = replayed(run, path, "--loss", "smooth-ap", "--temperature", "0.1", "--queue-size", "4096")
    assert "steps-of-zero-loss" not in rules(queued)


def test_workers_that_do_not_gather_print_different_losses(run, dump):
    path = dump(256)
    apart = ("--loss", "smooth-ap", "--temperature", "0.1", "--queue-size", "0", "--world-size", "8")
    found = replayed(run, path, *apart, "--no-gather-distributed")
    assert "workers-print-different-losses" in rules(found)
    assert "rank_loss_std" in {s["name"] for s in found["runs"][0]["series"]}
    together = replayed(run, path, *apart)
    assert "workers-print-different-losses" not in rules(together)


def test_the_trace_is_a_log_that_diagnose_reads(run, dump, tmp_path):
    out = tmp_path / "trace.jsonl"
    document = replayed(run, dump(64), "--loss", "smooth-ap", "--temperature", "1e-5", "--trace-out", out)
    read = json.loads(run("diagnose", out, "--format", "json").out)
    assert read["read"]["ignored"] == []
    of_trace = {name: v for name, v in document["runs"][0]["facts"].items() if name.startswith("trace.")}
    again = read["runs"][0]["facts"]
    assert len(of_trace) > 10
    for name in (
        "trace.temperature",
        "trace.pool_size",
        "trace.queue_turn",
        "trace.loss",
        "trace.pool_positives",
    ):
        assert again[name] == pytest.approx(of_trace[name]), name
    ended = run("replay", dump(64), "--scores-are", "logits", "--loss", "smooth-ap", "--trace-out", out)
    assert ended.code == 2
    assert "--overwrite" in ended.err


def test_a_sweep_draws_the_response(run, dump):
    path = dump(16)
    found = replayed(
        run, path, "--loss", "smooth-ap", "--sweep", "temperature=0.001,0.1", "queue_size=0,1024"
    )["sweep"]  # fmt: skip
    assert found["axes"] == {"temperature": [0.001, 0.1], "queue_size": [0, 1024]}
    by = {(p["settings"]["temperature"], p["settings"]["queue_size"]): p for p in found["points"]}
    assert len(by) == 4
    assert by[0.1, 0]["figures"]["zero_loss_share"] > 0.8 > by[0.1, 1024]["figures"]["zero_loss_share"]
    assert "steps-of-zero-loss" in by[0.1, 0]["findings"]
    alone = replayed(run, path, "--loss", "smooth-ap", "--temperature", "0.1", "--queue-size", "0")
    assert alone["sweep"] is None
    assert by[0.1, 0]["figures"]["loss"] == alone["remedy"]["before"]["loss"]


def test_the_reference_library_goes_by_that_name(run, dump):
    pytest.importorskip("imbalanced_losses")
    path = dump(64, rows=2000)
    settings = ("--loss", "smooth-ap", "--temperature", "0.1", "--queue-size", "500")
    own, its = (replayed(run, path, *settings, *more) for more in ((), ("--implementation", "reference")))
    level = "trace.loss"
    assert its["runs"][0]["facts"][level] == pytest.approx(own["runs"][0]["facts"][level], rel=1e-4)
    assert its["runs"][0]["facts"] != own["runs"][0]["facts"]


@pytest.mark.parametrize("form", ["text", "markdown", "html"])
def test_reports_for_reading_show_remedy_and_sweep_before_the_exit(run, dump, form):
    ended = run(
        "replay", dump(16), "--scores-are", "logits", "--loss", "smooth-ap", "--queue-size", "0",
        "--sweep", "temperature=0.01,0.1", "--format", form,
    )  # fmt: skip
    assert ended.code == 1, ended.err
    remedy, response = ended.out.index("Remedy, tried"), ended.out.index("Response")
    assert remedy < response < ended.out.rindex("exit 1")


def test_as_a_program(dump):
    ended = subprocess.run(
        [sys.executable, "-m", "imbalance_doctor", "replay", str(dump(64)), "--scores-are", "logits",
         "--loss", "recall-at-quantile", "--quantile", "0.05", "--format", "json"],
        env={**os.environ, "NO_COLOR": "1"},
        capture_output=True,
        check=False,
        text=True,
    )  # fmt: skip
    assert ended.stderr == ""
    assert ended.returncode in {0, 1}
    document = json.loads(ended.stdout)
    assert document["command"] == "replay"
    assert document["runs"][0]["format"] == "replay of recall-at-quantile"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--scores-are", "logits"], "--loss"),
        (["--scores-are", "logits", "--loss", "hinge"], "hinge"),
        (["--scores-are", "logits", "--loss", "smooth-ap", "--sweep", "gamma=1,2"], "gamma"),
        (["--scores-are", "logits", "--loss", "smooth-ap", "--format", "xml"], "xml"),
    ],
)
def test_bad_input_is_one_line(run, dump, arguments, said):
    ended = run("replay", dump(64), *arguments)
    assert ended.code == 2
    assert said in ended.err
    assert len(ended.err.strip().splitlines()) == 1


def test_no_scores_at_all(run):
    ended = run("replay", "--loss", "smooth-ap")
    assert ended.code == 2
    assert "scores" in ended.err

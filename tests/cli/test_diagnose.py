"""`diagnose` as a user types it, on the sample runs and on files that are no logs."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
RUNS = ROOT / "sample_data" / "runs"
EXPECTED = yaml.safe_load((RUNS / "expected.yaml").read_text(encoding="utf-8"))


def command(*arguments, stdin=None):
    return subprocess.run(
        [sys.executable, "-m", "imbalance_doctor", "diagnose", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "100", "NO_COLOR": "1"},
        input=stdin,
        capture_output=True,
        check=False,
    )


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_sample_runs_get_their_verdict_and_cause(run, name):
    ended = run("diagnose", RUNS / name, "--format", "json")
    document = json.loads(ended.out)
    assert document["verdict"] == EXPECTED[name]["verdict"]
    first = document["causes"][0]["cause"] if document["causes"] else None
    assert first == EXPECTED[name].get("cause")
    assert ended.code == (1 if any(f["severity"] == "error" for f in document["findings"]) else 0)


def test_the_log_can_come_through_a_pipe():
    name = "cold_temperature.jsonl"
    piped = json.loads(command("-", "--format", "json", stdin=(RUNS / name).read_bytes()).stdout)
    filed = json.loads(command(RUNS / name, "--format", "json").stdout)
    assert piped["causes"] == filed["causes"]
    assert piped["verdict"] == "faulty"


def test_several_runs_are_judged_each(run):
    ended = run("diagnose", RUNS / "healthy.jsonl", RUNS / "cold_temperature.jsonl", "--format", "json")
    document = json.loads(ended.out)
    assert [r["verdict"] for r in document["runs"]] == ["healthy", "faulty"]
    assert document["verdict"] == "faulty"
    errors = [f for f in document["findings"] if f["severity"] == "error"]
    assert {f["run"] for f in errors} == {str(RUNS / "cold_temperature.jsonl")}


def test_a_folder_is_searched(run):
    document = json.loads(run("diagnose", RUNS, "--format", "json").out)
    assert len(document["runs"]) == len(EXPECTED)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 130\n", "LFS"),
        (b"This is pdfTeX, Version 3.14\n(./a.tex LaTeX2e <2020>)\nOverfull \\hbox\n", "LaTeX"),
        (b"Once upon a time there was a class.\n" * 40, ""),
        (b"", "empty"),
        (b"\x89PNG\r\n\x1a\n" + b"\x00" * 64, ""),
    ],
)
def test_what_is_no_log_is_named_and_ends_with_three(run, tmp_path, content, says):
    path = tmp_path / "run.log"
    path.write_bytes(content)
    ended = run("diagnose", path, "--format", "json")
    assert ended.code == 3, ended.err
    document = json.loads(ended.out)
    assert document["read"]["runs"] == 0
    assert says.lower() in document["read"]["instead"].lower()
    assert document["read"]["instead"]
    assert "no training series found" in document["exit"]["why"]


def test_recorded_scores_are_told_from_a_log(run, tmp_path):
    folder = tmp_path / "run.scores"
    folder.mkdir()
    (folder / "rank-00000.stb").write_bytes(b"")
    ended = run("diagnose", folder)
    assert ended.code == 3
    assert "give it as --scores" in ended.out
    assert "Assumed" not in ended.out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nowhere.log"], "nowhere.log"),
        ([RUNS / "healthy.jsonl", "--map", "loss"], "expected KEY=NAME"),
        ([RUNS / "healthy.jsonl", "--map", "loss=val_los"], "did you mean"),
        ([RUNS / "healthy.jsonl", "--map", "lossy=val_loss"], "did you mean 'loss'"),
        ([RUNS / "fractional_gamma.log", "--pattern", "("], "--pattern"),
        ([RUNS / "healthy.jsonl", "--format", "htm"], "html"),
        (["-", "--follow"], "standard input"),
        ([RUNS / "healthy.jsonl", "--interval", "0"], "interval"),
    ],
)
def test_bad_input_is_one_line_and_two(run, arguments, says):
    ended = run("diagnose", *arguments)
    assert ended.code == 2
    assert ended.out == ""
    assert len(ended.err.splitlines()) == 1
    assert says in ended.err


def test_a_key_can_be_given_its_meaning(run, tmp_path):
    path = tmp_path / "run.jsonl"
    rows = [{"step": i, "zork": 1 / (i + 1), "blip": 1 / (i + 2)} for i in range(30)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert run("diagnose", path).code == 3
    mapped = run("diagnose", path, "--map", "zork=train_loss", "--map", "blip=val_loss", "--format", "json")
    document = json.loads(mapped.out)
    assert document["read"]["keys"] == {"zork": "train loss", "blip": "val loss"}


def test_a_pattern_reads_a_dialect_of_its_own(run, tmp_path):
    path = tmp_path / "run.log"
    path.write_text("".join(f"<{i}> fehler={1 / (i + 1):.4f};{0.5 + i / 100:.3f}\n" for i in range(30)))
    pattern = r"<(?P<step>\d+)> fehler=(?P<loss>[\d.]+);(?P<val_auc>[\d.]+)"
    document = json.loads(run("diagnose", path, "--pattern", pattern, "--format", "json").out)
    names = {(s["name"], s["phase"], s["points"]) for s in document["runs"][0]["series"]}
    assert {("loss", "train", 30), ("roc_auc", "val", 30)} <= names


def test_the_plan_and_the_labels_are_judged_too(run):
    fraud = ROOT / "sample_data" / "fraud"
    ended = run(
        "diagnose", RUNS / "healthy.jsonl", "--plan", fraud / "train.yaml", "--labels", fraud / "y.npy",
        "--format", "json",
    )  # fmt: skip
    document = json.loads(ended.out)
    assert any(not f["steps"] for f in document["findings"])
    assert document["verdict"] == "healthy"


def test_the_page_is_written_and_nothing_is_overwritten(run, tmp_path):
    page = tmp_path / "report.html"
    log = RUNS / "learnt_by_heart.csv"
    run("diagnose", log, "--format", "html", "-o", page)
    written = page.read_text(encoding="utf-8")
    assert "minority-overfit" in written
    again = run("diagnose", log, "--format", "html", "-o", page)
    assert again.code == 2
    assert "--overwrite" in again.err
    assert page.read_text(encoding="utf-8") == written


def test_follow_tells_each_finding_once_and_ends_with_the_report(tmp_path):
    lines = (RUNS / "cold_temperature.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    path = tmp_path / "run.jsonl"
    path.write_text("".join(lines[:30]))
    heard = tmp_path / "heard"
    with heard.open("w") as stderr:
        watching = subprocess.Popen(
            [sys.executable, "-m", "imbalance_doctor", "diagnose", path, "--follow", "--interval", "0.05"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            # A shell starts background jobs with Ctrl-C ignored, and children inherit that.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509  no threads here
        )
    try:
        for chunk in range(30, len(lines), 3):
            time.sleep(0.6)
            with path.open("a") as file:
                file.write("".join(lines[chunk : chunk + 3]))
        for _ in range(600):  # a busy machine takes its time
            time.sleep(0.1)
            if heard.stat().st_size:
                break
        time.sleep(1.0)
    finally:
        watching.send_signal(signal.SIGINT)
        out, _ = watching.communicate(timeout=60)
    err = heard.read_text(encoding="utf-8")
    told = [line.split(":")[1].strip() for line in err.splitlines() if line.startswith(("error", "warning"))]
    assert told
    assert len(told) == len(set(told))
    assert "Read" in out
    assert watching.returncode in (0, 1)

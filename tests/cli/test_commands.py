"""The commands as a user types them, mostly as real processes."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from imbalance_doctor.causes import catalogue
from imbalance_doctor.engine.rulebook import load_rules
from imbalance_doctor.lab.results import Results
from imbalance_doctor.report import facts_table
from imbalance_doctor.report.base import formats

FORMATS = tuple(formats())
ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "sample_data"
FRAUD = SAMPLES / "fraud" / "y.npy"
DATA = ROOT.parent / "shared" / "data"


def command(*arguments, stdin=None, **environment):
    return subprocess.run(
        [sys.executable, "-m", "imbalance_doctor", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "100", **environment},
        input=stdin,
        capture_output=True,
        check=False,
    )


def test_json_holds_what_is_to_be_relied_on():
    done = command("recommend", "--labels", FRAUD, "--loss", "smooth-ap", "--format", "json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["version"] == 1
    advice = document["recommendation"]
    assert advice["loss"]["value"] == "smooth-ap"
    assert {"value", "low", "high", "because"} <= set(advice["queue_size"])
    assert advice["queue_size"]["low"] <= advice["queue_size"]["value"]
    assert "max_pool_size" in advice
    assert document["facts"]["labels.prevalence"] == {"value": pytest.approx(0.002), "unit": "share"}
    assert document["exit"]["code"] == 0
    for finding in document["findings"]:
        assert {"rule", "severity", "confidence", "message", "covers", "facts"} <= set(finding)
    for unknown in document["unknown"]:
        assert {"rule", "missing"} <= set(unknown)


@pytest.mark.parametrize(
    ("options", "catalogue"),
    [
        (["--loss", "recall-at-quantile", "--quantile", "0.005", "--batch-size", "256"], "RQ-8"),
        (
            ["--loss", "pauc-at-budget", "--beta", "0.005", "--batch-size", "64", "--queue-size", "128"],
            "PA-3",
        ),
        (["--loss", "pauc-at-budget", "--alpha", "0.001", "--beta", "0.005", "--batch-size", "256"], "PA-3"),
        (["--loss", "sigmoid-focal", "--gamma", "0.5"], "ST-1"),
        (["--loss", "SoftmaxFocalLoss", "--gamma", "0.25"], "ST-1"),
        (["--loss", "sigmoid-focal", "--gamma", "2", "--label-noise", "0.06"], "U-1"),
        (["--loss", "smooth-ap", "--label-noise", "0.06"], "U-1"),
    ],
)
def test_the_four_that_must_be_heard(options, catalogue):
    done = command("check", "--labels", FRAUD, *options, "--format", "json", "--fail-on", "warning")
    assert done.returncode == 1, done.stderr
    heard = [f for f in json.loads(done.stdout)["findings"] if catalogue in f["covers"]]
    assert any(f["severity"] in ("error", "warning") for f in heard)


@pytest.mark.parametrize("form", ["text", "json", "markdown", "github", "sarif", "junit"])
@pytest.mark.parametrize("name", ["recommend", "check"])
def test_every_format_has_the_same_exit_code(form, name):
    arguments = ["--labels", FRAUD, "--loss", "sigmoid-focal", "--gamma", "0.5", "--format", form]
    done = command(name, *arguments)
    assert done.returncode == 1, done.stderr
    assert b"\x1b[" not in done.stdout
    assert b"unstable-gamma" in done.stdout


def test_a_github_job_gets_annotations_and_a_summary(tmp_path):
    summary = tmp_path / "summary.md"
    summary.write_text("# before\n")
    script = SAMPLES / "fraud" / "train.py"
    done = command("check", script, "-l", FRAUD, "-f", "github", GITHUB_STEP_SUMMARY=str(summary))
    assert done.returncode == 1
    assert b"::error file=sample_data/fraud/train.py,line=" in done.stdout
    assert summary.read_text().startswith("# before\n")
    assert "pool-starved-of-positives" in summary.read_text()


def test_a_recommended_plan_is_checked_clean(tmp_path):
    plan = tmp_path / "train.yaml"
    assert command("recommend", "--labels", FRAUD, "--plan-out", plan).returncode == 0
    done = command("check", "--plan", plan, "--labels", FRAUD, "--fail-on", "warning")
    assert done.returncode == 0, done.stdout


def test_a_script_is_judged_at_its_lines():
    done = command("check", SAMPLES / "fraud" / "train.py", "--labels", FRAUD, "--format", "json")
    assert done.returncode == 1
    (error,) = [f for f in json.loads(done.stdout)["findings"] if f["severity"] == "error"]
    line = (SAMPLES / "fraud" / "train.py").read_text().splitlines()[error["where"]["line"] - 1]
    assert "SmoothAPLoss" in line


def test_labels_from_standard_input():
    text = "label\n" + "0\n" * 990 + "1\n" * 10
    done = command("recommend", "--labels", "-", "--format", "json", stdin=text.encode())
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["facts"]["labels.positives"]["value"] == 10


def test_shards_add_up(tmp_path):
    whole = np.load(FRAUD)
    for n, part in enumerate(np.array_split(whole, 3)):
        np.save(tmp_path / f"part-{n}.npy", part)
    one = json.loads(command("facts", "--labels", FRAUD, "--format", "json").stdout)
    many = json.loads(command("facts", "--labels", tmp_path / "part-*.npy", "--format", "json").stdout)
    assert one["facts"] == many["facts"]


def test_options_win_over_the_plan():
    plan = SAMPLES / "fraud" / "healthy.yaml"
    done = command("check", "--plan", plan, "--labels", FRAUD, "--loss", "sigmoid-focal", "--gamma", "0.5")
    assert done.returncode == 1
    assert b"unstable-gamma" in done.stdout


def test_nothing_evaluated_is_not_fine(tmp_path):
    rules = tmp_path / "own"
    rules.mkdir()
    done = command("check", "--metric", "roc_auc", "--format", "json")
    document = json.loads(done.stdout)
    assert done.returncode in (0, 3)
    assert (done.returncode == 3) == (not document["passed"] and not document["findings"])


def test_strict_turns_unknown_into_failure():
    plan = ["--loss", "sigmoid-focal", "--batch-size", "256"]
    assert command("check", *plan).returncode == 0
    assert command("check", *plan, "--strict").returncode == 1


def test_baseline_accepts_what_is_known_and_names_what_is_gone(tmp_path):
    accepted = tmp_path / "baseline.json"
    bad = ["check", "--labels", FRAUD, "--loss", "sigmoid-focal", "--gamma", "0.5"]
    assert command(*bad, "--write-baseline", accepted).returncode == 0
    again = command(*bad, "--write-baseline", accepted)
    assert again.returncode == 2
    assert b"--overwrite" in again.stderr
    assert command(*bad, "--baseline", accepted).returncode == 0
    worse = command(*bad, "--alpha", "0", "--baseline", accepted)
    assert worse.returncode == 1
    mended = command(*bad[:-1], "2", "--baseline", accepted)
    assert mended.returncode == 0
    assert b"unstable-gamma" in mended.stdout


def test_writing_a_baseline_calls_nothing_stale_that_is_still_needed(tmp_path):
    config, accepted = tmp_path / "pyproject.toml", tmp_path / "baseline.json"
    config.write_text(
        "[tool.imbalance-doctor]\nsuppress = [{rule = 'unstable-gamma', reason = 'short runs only'}]\n"
    )
    bad = ["check", "--labels", FRAUD, "--loss", "sigmoid-focal", "--gamma", "0.5", "--alpha", "0"]
    bad += ["--config", config, "--write-baseline", accepted, "--format", "json"]
    first = command(*bad)
    again = command(*bad, "--baseline", accepted, "--overwrite")
    for done in (first, again):
        assert done.returncode == 0, done.stderr
        document = json.loads(done.stdout)
        assert document["stale"] == []
        assert sorted(s["finding"]["rule"] for s in document["suppressed"]) == [
            "alpha-that-removes-positives",
            "unstable-gamma",
        ]


def test_project_configuration(tmp_path):
    config = tmp_path / "pyproject.toml"
    config.write_text(
        "[tool.imbalance-doctor]\nfail-on = 'warning'\n"
        "suppress = [{rule = 'unstable-gamma', reason = 'short runs only'}]\n"
    )
    bad = ["check", "--labels", FRAUD, "--loss", "sigmoid-focal", "--gamma", "0.5", "--config", config]
    done = command(*bad)
    assert done.returncode == 0, done.stdout
    assert b"suppressed" in done.stdout.lower()
    assert command(*bad, "--label-noise", "0.2").returncode == 1


def test_own_rules_are_judged_and_tested(tmp_path):
    (tmp_path / "house").mkdir()
    rule = tmp_path / "house" / "batch-size-too-odd.yaml"
    rule.write_text(
        "id: batch-size-too-odd\ntitle: The batch is larger than our machines take\nseverity: error\n"
        "confidence: high\nparams:\n  most: {value: 512, unit: samples, why: our cards}\n"
        "when: plan.batch_size > most\nmessage: 'A batch of {plan.batch_size} does not fit.'\n"
        "why: Measured on our cards.\nremedy: Take 512.\nexamples:\n"
        "  - {name: too large, facts: {plan.batch_size: 513}, expect: fires, "
        "message: 'A batch of 513 does not fit.'}\n"
        "  - {name: fits, facts: {plan.batch_size: 512}, expect: passes}\n"
        "  - {name: not given, facts: {}, expect: unknown}\n"
    )
    tested = command("rules", "test", tmp_path)
    assert tested.returncode == 0, tested.stdout
    done = command("check", "--loss", "bce", "--batch-size", "1024", "--rules", tmp_path)
    assert done.returncode == 1
    assert b"A batch of 1024 does not fit." in done.stdout
    rule.write_text(rule.read_text().replace("value: 512", "value: 400"))
    assert command("rules", "test", tmp_path).returncode == 1


def test_output_goes_to_a_file_once(tmp_path):
    report = tmp_path / "report.json"
    arguments = ["check", "--loss", "bce", "--labels", FRAUD, "--format", "json", "--output", report]
    assert command(*arguments).returncode == 0
    assert json.loads(report.read_text())["version"] == 1
    assert command(*arguments).returncode == 2
    assert command(*arguments, "--overwrite").returncode == 0


def test_a_closed_pipe_is_no_error():
    script = f"{sys.executable} -m imbalance_doctor rules list --verbose | head -n 1"
    done = subprocess.run(["bash", "-c", script], cwd=ROOT, capture_output=True, check=False)
    assert done.stderr == b""


@pytest.mark.skipif(not DATA.is_dir(), reason="the shared data sets are not here")
@pytest.mark.parametrize("path", sorted(DATA.glob("*.npz")), ids=lambda p: p.stem)
def test_real_data_sets(path, tmp_path, run):
    plan = tmp_path / "plan.yaml"
    done = run("recommend", "--labels", path, "--key", "y", "--plan-out", plan, "--format", "json")
    assert done.code == 0, done.err
    document = json.loads(done.out)
    y = np.load(path)["y"]
    assert document["facts"]["labels.positives"]["value"] == int((y == 1).sum())
    for loss in ("smooth-ap", "pauc-at-budget"):
        advice = json.loads(run("recommend", "-l", path, "--key", "y", "--loss", loss, "-f", "json").out)
        assert advice["exit"]["code"] == 0, loss
    checked = run("check", "--plan", plan, "--labels", path, "--key", "y", "--fail-on", "warning")
    assert checked.code == 0, checked.out


def test_help_shows_examples_that_work():
    for name in ("recommend", "check", "facts"):
        done = command(name, "--help")
        assert done.returncode == 0
        assert b"Examples:" in done.stdout
    shown = command("rules", "explain", "--help").stdout.decode()
    rule = shown.split("imbalance-doctor rules explain ")[1].split()[0]
    assert command("rules", "explain", rule).returncode == 0


COMMANDS = {
    ("recommend",): FORMATS,
    ("check",): FORMATS,
    ("diagnose",): FORMATS,
    ("replay",): FORMATS,
    ("facts",): facts_table.FORMATS,
    ("reproduce",): facts_table.PAGE_FORMATS,
    ("rules", "list"): facts_table.PAGE_FORMATS,
    ("rules", "explain"): facts_table.PAGE_FORMATS,
    **{
        ("lab", name): facts_table.PAGE_FORMATS
        for name in ("list", "run", "score", "advise", "claims", "results")
    },
}


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_lists_the_formats_that_the_command_takes_and_others_are_refused_at_once(words, run):
    told = re.sub(r"[\s│]+", " ", run(*words, "--help").out)
    (listed,) = re.findall(r"--format -f FORMAT ((?:\w+, )+\w+)\.", told)
    assert set(listed.split(", ")) == set(COMMANDS[words])
    refused = run(*words, *{"explain": ["x"], "run": ["no-such-kind"]}.get(words[-1], []), "--format", "yaml")
    assert refused.code == 2
    assert f"--format: expected one of {listed} here, but got 'yaml'" in refused.err


def test_a_cause_is_explained_with_the_rules_that_name_it(run):
    causes = catalogue()
    rules = load_rules()
    stored = Results.load().diagnosis.figures["by_cause"]
    for cause in set(causes) - rules.rules.keys():
        found = json.loads(run("rules", "explain", cause, "--format", "json").out)["cause"]
        assert {rule["id"]: rule["share"] for rule in found["rules"]} == {
            rule.id: 1 if rule.cause == cause else rule.also[cause]
            for rule in rules
            if cause in (rule.cause, *rule.also)
        }
        assert (found["measured"] or {}).items() <= stored.get(cause, {}).items()
        assert (found["measured"] is None) == (cause not in stored)
    for options in ([], ["--format", "markdown"]):
        text = run("rules", "explain", "poisoned-queue", *options).out
        assert "poisoned-queue is a cause, not a rule" in text
        assert "queue-filled-during-warmup" in text


def test_a_rule_whose_id_is_also_a_cause_is_explained_as_a_rule(run):
    (both, *_) = set(catalogue()) & load_rules().rules.keys()
    assert "rule" in json.loads(run("rules", "explain", both, "--format", "json").out)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("poisoned-qeue", "poisoned-queue"), ("loss-not-finit", "loss-not-finite"), ("zzz", "")],
)
def test_a_mistyped_id_is_looked_for_among_rules_and_causes(typed, meant, run):
    ended = run("rules", "explain", typed)
    assert ended.code == 2
    assert (f"did you mean '{meant}'" if meant else "rules list") in ended.err

"""Score dumps on the command line, and what is exported for monitoring."""

import json
import math
import re

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, recall_score, roc_auc_score

HELP = re.compile(r"# HELP (?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*) (?P<text>(?:[^\\\n]|\\\\|\\n)+)")
TYPE = re.compile(r"# TYPE (?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*) gauge")
SAMPLE = re.compile(r'(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{class="(?P<label>[^"\\\n]*)"\})? (?P<value>\S+)')


def parse(text):
    """Read the text format of Prometheus strictly: help, type, then the samples of one metric at a time."""
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    found, metric, typed = {}, None, False
    for line in text.splitlines():
        if line.startswith("# HELP"):
            metric, typed = HELP.fullmatch(line)["name"], False
            assert metric not in found
            found[metric] = {}
        elif line.startswith("#"):
            assert TYPE.fullmatch(line)["name"] == metric
            assert not found[metric]
            typed = True
        else:
            sample = SAMPLE.fullmatch(line)
            assert sample is not None, line
            assert sample["name"] == metric
            assert typed
            assert sample["label"] not in found[metric]
            found[metric][sample["label"]] = float(sample["value"])
            assert math.isfinite(found[metric][sample["label"]])
    assert all(found.values())
    return found


@pytest.fixture
def binary(tmp_path):
    rng = np.random.default_rng(0)
    targets = (rng.random(3000) < 0.05).astype(np.int64)
    logits = rng.normal(size=3000) + 2.5 * targets - 3
    path = tmp_path / "run.npz"
    np.savez(path, logits=logits, targets=targets, step=np.arange(3000) // 32)
    return path, logits, targets


@pytest.fixture
def classes(tmp_path):
    rng = np.random.default_rng(1)
    targets = rng.choice(4, size=2000, p=[0.7, 0.2, 0.08, 0.02])
    logits = rng.normal(size=(2000, 4))
    logits[np.arange(2000), targets] += 1
    path = tmp_path / "classes.npz"
    np.savez(path, logits=logits, targets=targets)
    return path, logits, targets


def facts_of(run, *arguments):
    ended = run("facts", *arguments, "--format", "json")
    assert ended.code == 0, ended.err
    return {name: fact["value"] for name, fact in json.loads(ended.out)["facts"].items()}


def test_facts_of_a_dump(run, binary):
    path, logits, targets = binary
    facts = facts_of(run, "--scores", path)
    assert facts["scores.average_precision"] == pytest.approx(
        average_precision_score(targets, logits), abs=1e-12
    )
    assert facts["scores.roc_auc"] == pytest.approx(roc_auc_score(targets, logits), abs=1e-12)
    assert facts["scores.recall[1]"] == facts["scores.recall"] == recall_score(targets, logits >= 0)
    assert facts["scores.recall[0]"] == facts["scores.specificity"]


def test_facts_by_class(run, classes):
    path, logits, targets = classes
    facts = facts_of(run, "--scores", path)
    wanted = recall_score(targets, logits.argmax(axis=1), average=None)
    assert [facts[f"scores.recall[{c}]"] for c in range(4)] == pytest.approx(wanted, abs=1e-12)
    assert "scores.recall[4]" not in facts
    assert facts["scores.focus_class"] == "3"
    assert facts["scores.recall"] == facts["scores.recall[3]"]


def test_the_labels_of_a_dump_need_not_be_given_again(run, classes, tmp_path):
    path, _, targets = classes
    np.save(tmp_path / "y.npy", targets)
    ended = run("facts", "--scores", path, "--scores-are", "logits", "--format", "json")
    given = json.loads(run("facts", "--labels", tmp_path / "y.npy", "--format", "json").out)["facts"]
    found = json.loads(ended.out)
    assert any("labels are those of the score dump" in told for told in found["assumptions"])
    labels = [name for name in given if name.startswith("labels.")]
    assert len(labels) > 10
    assert {name: found["facts"][name]["value"] for name in labels} == {
        name: given[name]["value"] for name in labels
    }


def test_shards_give_the_same_numbers(run, binary, tmp_path):
    path, logits, targets = binary
    step = np.arange(3000) // 32
    shards = []
    for rank in range(3):
        cut = slice(rank * 1000, (rank + 1) * 1000)
        shards.append(tmp_path / f"shard{rank}.npz")
        np.savez(shards[-1], logits=logits[cut], targets=targets[cut], step=step[cut])
    whole = facts_of(run, "--scores", path, "--queue-size", 320, "--batch-size", 32)
    joined = facts_of(
        run,
        *(part for shard in shards for part in ("--scores", shard)),
        "--queue-size",
        320,
        "--batch-size",
        32,
    )
    assert whole["scores.queue_shift"] is not None
    for name, value in whole.items():
        if isinstance(value, float):
            assert joined[name] == pytest.approx(value, rel=1e-12, abs=1e-12), name


def test_facts_for_prometheus(run, classes):
    path, logits, targets = classes
    ended = run("facts", "--scores", path, "--format", "prometheus")
    assert ended.code == 0
    metrics = parse(ended.out)
    recalls = recall_score(targets, logits.argmax(axis=1), average=None)
    assert metrics["imbalance_doctor_scores_class_recall"] == pytest.approx(
        {str(c): recall for c, recall in enumerate(recalls)}
    )
    assert metrics["imbalance_doctor_scores_rows"] == {None: 2000}
    assert "imbalance_doctor_scores_kind" not in metrics
    try:
        from prometheus_client.parser import text_string_to_metric_families
    except ImportError:
        return
    families = {family.name: family for family in text_string_to_metric_families(ended.out)}
    assert families.keys() == metrics.keys()


@pytest.mark.parametrize("command", [("check",), ("diagnose",), ("recommend", "--prevalence", "0.05")])
def test_a_dump_is_judged(run, binary, command):
    path, _, _ = binary
    ended = run(*command, "--scores", path, "--probabilities-used", "--format", "json")
    assert ended.code in {0, 1}, ended.err
    found = {finding["rule"] for finding in json.loads(ended.out)["findings"]}
    assert "probabilities-far-from-frequencies" in found


def test_the_remedy_is_taken_from_the_dump(run, binary):
    path, logits, _ = binary
    plan = ("--loss", "recall-at-quantile", "--temperature", 0.001, "--quantile", 0.01)
    found = {
        f["rule"]: f for f in json.loads(run("check", "--scores", path, *plan, "-f", "json").out)["findings"]
    }
    finding = found["few-positives-near-the-quantile"]
    assert finding["suggest"]["temperature"] == pytest.approx(0.1 * logits.std())


def test_without_a_dump_its_rules_are_left_out(run):
    document = json.loads(run("check", "--loss", "smooth-ap", "-f", "json").out)
    assert "no-better-than-chance" not in {unknown["rule"] for unknown in document["unknown"]}
    assert (
        document["not_applicable"]["no-better-than-chance"] == "it judges a score dump: give one as --scores"
    )


def test_a_dump_says_how_the_scores_are_spread(run, binary):
    path, logits, _ = binary
    assert facts_of(run, "--scores", path)["plan.score_std"] == pytest.approx(logits.std())
    assert facts_of(run, "--scores", path, "--score-std", 7)["plan.score_std"] == 7
    told = json.loads(run("check", "--scores", path, "-f", "json").out)["assumptions"]
    assert f"score_std {logits.std():.3g} (of the score dump)" in told


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("facts", "--scores-are", "logits"), "error: --scores-are: expected --scores with --scores-are"),
        (("check", "--targets", "t.npy"), "error: --targets: expected --scores with --targets"),
        (("facts", "--scores", "absent.npz"), "absent.npz"),
        (("diagnose",), "error: expected a training log"),
        (("diagnose", "--scores", "run.npz", "--follow"), "error: expected a training log"),
    ],
)
def test_bad_input_is_one_line(run, arguments, told):
    ended = run(*arguments)
    assert ended.code == 2
    assert told in ended.err
    assert ended.err.count("\n") == 1

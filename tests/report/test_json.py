"""The JSON report is a contract: strict, complete, deterministic."""

import json
import math
from dataclasses import fields, replace

import numpy as np
import pytest

from imbalance_doctor.engine.base import Finding
from imbalance_doctor.facts.base import Facts
from imbalance_doctor.facts.labels import Labels
from imbalance_doctor.recommend.base import Choice
from imbalance_doctor.report.base import renderer
from imbalance_doctor.report.json import dump


def read(diagnosis, **settings):
    def refuse(name):
        raise AssertionError(name)

    return json.loads(renderer("json")(diagnosis, **settings), parse_constant=refuse)


def test_every_part_of_a_check_is_there(checked):
    document = read(checked, command="check")
    assert list(document) == [
        "version", "command", "subject", "recommendation", "findings", "unknown", "suppressed", "stale",
        "passed", "not_applicable", "facts", "assumptions", "unread", "exit",
    ]  # fmt: skip
    assert document["version"] == 1
    assert document["recommendation"] is None
    assert document["exit"] == {"code": 1, "why": "1 finding at or above error"}
    finding = document["findings"][0]
    shown = {f.name for f in fields(Finding)} - {"from_log", "seen", "figures", "claimed"}
    assert set(finding) == shown | {"steps", "evidence", "measured"}
    assert finding["measured"] is None
    assert finding["facts"] == {"pool.expected_positives": 2.5600000000000005, "pool.size": 1280}
    assert finding["where"] == {"path": "train.py", "line": 42, "column": 11}
    assert finding["covers"] == ["AP-3", "AP-5"]
    assert document["findings"][1]["where"] is None
    assert document["unknown"][2]["missing"] == ["plan.label_noise", "plan.learning_rate"]
    assert document["suppressed"][0]["finding"]["rule"] == "batch-without-positives"
    assert document["unread"][0] == {
        "field": "label_noise",
        "because": "'cfg.noise' is only known when the script runs",
        "run": "",
        "where": {"path": "train.py", "line": 7, "column": 3},
    }
    assert document["unread"][1]["where"] is None
    assert document["facts"]["pool.size"] == {"value": 1280, "unit": "rows"}
    assert document["facts"]["labels.class_counts"]["value"] == [98802.0, 198.0]


def test_recommendation_is_a_pure_mapping_of_choices(advised):
    document = read(advised)
    assert "command" not in document
    assert list(document["recommendation"]) == ["loss", "queue_size", "max_pool_size", "temperature"]
    assert set(document["recommendation"]["loss"]) == {"value", "because"}
    for name in ("queue_size", "max_pool_size", "temperature"):
        assert set(document["recommendation"][name]) == {"value", "low", "high", "because"}
    assert document["recommendation"]["max_pool_size"]["value"] is None
    assert document["feasible"] is True
    assert document["question"]["fields"] == ["baseline_roc_auc", "baseline_metric"]
    assert list(document["code"]) == ["imbalanced_losses", "other"]
    assert document["alternatives"][1]["why_not"].startswith("quantile-below-prevalence: ")
    assert document["plan"]["queue_size"] == 16384
    assert document["expected_gain"].startswith("+0.031")


def test_what_stands_in_the_way_is_named(stuck):
    document = read(stuck)
    assert document["feasible"] is False
    assert document["recommendation"] == {}
    assert [b["rule"] for b in document["blockers"]] == ["pool-starved-of-positives"]
    assert document["remedies"][0] == "queue_size 4096 instead of 64 would do"


@pytest.mark.parametrize("name", ["checked", "advised", "stuck"])
def test_round_trip_and_determinism(name, request):
    diagnosis = request.getfixturevalue(name)
    text = renderer("json")(diagnosis)
    assert text.isascii()
    assert text.endswith("}\n")
    assert json.dumps(json.loads(text), indent=2) + "\n" == text
    assert renderer("json")(diagnosis, color=True, width=40, verbose=True) == text


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, np.float64("nan"), np.float32("inf")])
def test_numbers_that_are_none_become_null(value, advised):
    advice = replace(advised.recommendation, choices={"temperature": Choice(value=value, low=value)})
    document = read(replace(advised, recommendation=advice))
    assert document["recommendation"]["temperature"]["value"] is None
    assert document["recommendation"]["temperature"]["low"] is None


def test_numpy_values_become_plain_ones(checked):
    facts = Facts(labels=Labels(rows=np.int64(7), prevalence=np.float32(0.5), class_counts=np.array([3, 4])))
    document = read(replace(checked, facts=facts))
    assert document["facts"]["labels.rows"]["value"] == 7
    assert document["facts"]["labels.prevalence"]["value"] == 0.5
    assert document["facts"]["labels.class_counts"]["value"] == [3, 4]


def test_a_file_name_that_is_no_unicode_is_spelt_out():
    assert json.loads(dump({"a\udc80": {"b\udc80", "a"}})) == {"a\\udc80": ["a", "b\\udc80"]}

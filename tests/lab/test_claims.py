"""Claims: every catalogue id is accounted for, verdicts follow from figures, what is stored agrees."""

import json
import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml

pytest.importorskip("torch")

from imbalance_doctor.engine import load_rules
from imbalance_doctor.errors import InputError
from imbalance_doctor.lab.claims import (
    UNTESTED,
    _stats,
    claims,
    claims_table,
    measure_claims,
    read_claims,
    rules_that_differ,
    store,
    write_table,
)
from imbalance_doctor.lab.claims.base import (
    CONFIRMED,
    CONTRADICTED,
    OPEN,
    SHARPENED,
    Claim,
    Draw,
    above,
    below,
    settle,
)

ROOT = Path(__file__).parents[2]
STORED = ROOT / "rules" / "claims.json"
DATA = ROOT.parent / "shared" / "data"
CATALOGUE = yaml.safe_load((ROOT / "tests" / "catalogue_ids.yaml").read_text())
LEDGER = [f"C{n}" for n in range(1, 24)]
KNOWN = claims()
SHOWN = sorted(name for name, claim in KNOWN.items() if "with_cause" in claim.tell)

PENDING = {"ranking-phase-began-without-order"}
"""Rules whose verdict is known to be softer than what was measured."""

# Figures that lead to each verdict, laid over those measured. An interval collapses to the value given.
SIDES = {
    "accuracy-hides": [({"never": 0.97, "trained": 0.98}, CONFIRMED), ({"never": 0.7}, CONTRADICTED)],
    "alpha-and-ranking": [({"gain": 0.02}, CONFIRMED), ({"gain": -0.02}, CONTRADICTED)],
    "alpha-for-rare-classes": [({"gain": 0.02}, CONFIRMED), ({"gain": 0.0}, CONTRADICTED)],
    "background-in-the-mean": [
        ({"mean": 0.1, "positives": 1.0}, CONFIRMED),
        ({"mean": 1.0, "positives": 1.0}, CONTRADICTED),
    ],
    "band-never-empty": [({"zero": 0.5, "least": 0}, CONFIRMED), ({"zero": 0.0, "least": 1}, CONTRADICTED)],
    "band-too-wide": [({"few": 4.0, "many": 1.0}, CONFIRMED), ({"few": 1.0, "many": 1.0}, CONTRADICTED)],
    "band-width": [({"narrow": 2.0}, CONFIRMED), ({"narrow": 1.0}, CONTRADICTED)],
    "batches-without-positives": [({"none": 0.8}, CONFIRMED), ({"none": 0.2}, CONTRADICTED)],
    "bounded-gradient": [
        ({"loss": 60, "two": 60}, CONFIRMED),
        ({"loss": 60, "two": 1.1, "five": 1.2}, SHARPENED),
        ({"loss": 1}, CONTRADICTED),
    ],
    "calibration-repairs": [
        (
            {"plain_temperature": 0, "plain_platt": 0, "weighted_temperature": 0, "weighted_platt": 0},
            CONFIRMED,
        ),
        (
            {"plain_temperature": 0, "plain_platt": 0, "weighted_temperature": 1, "weighted_platt": 0},
            SHARPENED,
        ),
        ({"plain_temperature": 1}, CONTRADICTED),
        ({"weighted_platt": 1}, CONTRADICTED),
    ],
    "cap-is-noise": [
        ({"noise": 0.01, "stored": 2000, "bias": 5}, SHARPENED),
        ({"noise": 0.01, "stored": 2000, "bias": 0}, CONFIRMED),
        ({"noise": 0.0, "stored": 2000}, CONTRADICTED),
        ({"noise": 0.01, "stored": 1000}, CONTRADICTED),
    ],
    "cap-quota": [({"off": 1.1}, CONFIRMED), ({"off": 5, "error": 0.01}, CONTRADICTED)],
    "cap-sizing": [
        ({"enough": 1.0, "scarce": 1.0}, CONFIRMED),
        ({"enough": 1.0, "scarce": 0.3}, SHARPENED),
        ({"enough": 0.5, "scarce": 0.3}, CONTRADICTED),
    ],
    "class-gap": [
        ({"seldom": 2.0, "often": 0.0, "sometimes": 0.1}, CONFIRMED),
        ({"seldom": 2.0, "often": 0.0, "sometimes": 1.5}, SHARPENED),
        ({"seldom": 0.0, "often": 0.0}, CONTRADICTED),
        ({"seldom": 2.0, "often": 2.0}, OPEN),
    ],
    "cold-start": [({"gain": 0.02}, CONFIRMED), ({"gain": 0.0}, CONTRADICTED)],
    "cost-of-ranking": [
        ({"dense": 4, "linear": 2}, SHARPENED),
        ({"dense": 4, "linear": 4}, CONFIRMED),
        ({"dense": 2}, CONTRADICTED),
    ],
    "dense-memory": [
        ({"dense": 5, "linear": 0.01}, SHARPENED),
        ({"dense": 5, "linear": 5}, CONFIRMED),
        ({"dense": 0.1}, CONTRADICTED),
    ],
    "drop-in": [({"state": 0}, CONFIRMED), ({"state": 2}, CONTRADICTED), ({"apart": 1.0}, CONTRADICTED)],
    "easy-minority": [
        ({"two": 0.001}, CONFIRMED),
        ({"two": 0.14, "weighted": 0.001}, SHARPENED),
        ({"two": 0.14, "weighted": 0.1}, CONTRADICTED),
    ],
    "easy-rows-fill-the-loss": [
        ({"plain": 0.8, "focal": 0.01}, CONFIRMED),
        ({"plain": 0.1, "focal": 0.01}, SHARPENED),
        ({"plain": 0.3, "focal": 0.3}, CONTRADICTED),
    ],
    "epsilon-floor": [({"weight_10": 0.01}, CONFIRMED), ({"weight_10": 0.5}, SHARPENED)],
    "exclusive-classes": [({"softmax": 0.5}, CONFIRMED), ({"softmax": 0.9}, CONTRADICTED)],
    "fast-decay": [({"loss": 0.02}, CONFIRMED), ({"loss": 0.0}, CONTRADICTED)],
    "few-positives-train": [
        ({"one": 0.3, "two": 0.3, "averaged": 0.9}, CONTRADICTED),
        ({"one": 0.0, "two": 0.0, "averaged": 0.9}, CONFIRMED),
        ({"one": 0.0, "two": 0.3, "averaged": 0.9}, OPEN),
    ],
    "focal-arithmetic": [
        ({"loss": 0.01, "gradient": 0.029}, SHARPENED),
        ({"loss": 0.01, "gradient": 0.01}, CONFIRMED),
        ({"loss": 0.1}, CONTRADICTED),
    ],
    "focal-probabilities": [({"two": 0.15, "bce": 0.01}, CONFIRMED), ({"two": 0.01}, CONTRADICTED)],
    "focal-under-mild-imbalance": [({"gain": 0.02}, CONFIRMED), ({"gain": 0.0}, CONTRADICTED)],
    "focal-under-severe-imbalance": [({"gain": 0.02}, CONFIRMED), ({"gain": 0.0}, CONTRADICTED)],
    "gamma-amplifies-noise": [({"more": 0.05}, CONFIRMED), ({"more": 0.0}, CONTRADICTED)],
    "gamma-limits": [
        ({"stable": 100, "fp64": 37, "bf16": 6}, SHARPENED),
        ({"stable": 100, "fp64": 17, "bf16": 17}, CONFIRMED),
        ({"stable": 17}, CONTRADICTED),
        ({"stable": 100, "fp32_last": 100}, CONTRADICTED),
    ],
    "gradient-spikes": [
        ({"narrow": 2, "wide": 9}, SHARPENED),
        ({"narrow": 9, "wide": 2}, CONFIRMED),
        ({"narrow": 2, "wide": 2}, CONTRADICTED),
    ],
    "hard-rows": [({"hard": 0.1}, CONFIRMED), ({"hard": 0.01}, SHARPENED)],
    "higher-gamma": [({"gain": 0.0}, CONFIRMED), ({"gain": 0.05}, CONTRADICTED)],
    "larger-queue": [
        ({"ranks_none": 0.9, "ranks_long": 0.0, "recall_long": 0.0}, CONFIRMED),
        ({"ranks_none": 0.9, "ranks_long": 0.0, "recall_long": 0.9}, SHARPENED),
        ({"ranks_none": 0.9, "ranks_long": 0.9}, CONTRADICTED),
    ],
    "library-defaults": [({"held": 20}, CONFIRMED), ({"held": 6.4, "swing": 0.4}, CONTRADICTED)],
    "live-numerator": [
        ({"gain": 10, "zero": 0.5}, SHARPENED),
        ({"gain": 10, "zero": 0.0}, CONFIRMED),
        ({"gain": 1, "zero": 0.0}, CONTRADICTED),
    ],
    "long-warmup": [({"loss": 0.02}, CONFIRMED), ({"loss": 0.0}, CONTRADICTED)],
    "loss-at-start": [({"rare": 0.5}, CONFIRMED), ({"rare": 0.99}, CONTRADICTED)],
    "loss-near-zero": [
        ({"least": 0.0}, CONFIRMED),
        ({"least": 0.5, "invalid": 0.0}, CONTRADICTED),
        ({"least": 0.1, "invalid": 0.0}, SHARPENED),
    ],
    "low-calibration-error": [({"never": 0.02}, SHARPENED), ({"never": 0.2}, CONFIRMED)],
    "lower-gamma-on-noise": [({"won": 0.05}, CONFIRMED), ({"won": 0.0}, CONTRADICTED)],
    "main-called-during-warmup": [
        ({"hooked_before": 320, "hooked_after": 0, "bare_after": 320}, SHARPENED),
        ({"hooked_before": 320, "hooked_after": 320}, CONFIRMED),
        ({"hooked_before": 320, "hooked_after": 0, "bare_after": 0}, CONTRADICTED),
        ({"hooked_before": 0}, CONTRADICTED),
    ],
    "majority-drift": [
        ({"recall": 0.0}, CONFIRMED),
        ({"recall": 0.4}, CONTRADICTED),
    ],
    "mining-shifts-the-budget": [
        ({"bare": 0.2, "masked": 1.0}, CONFIRMED),
        ({"bare": 1.0, "masked": 1.0}, CONTRADICTED),
    ],
    "mismatched-inputs": [({"wrong": 0.4, "right": 0.0}, CONFIRMED), ({"wrong": 0.0}, OPEN)],
    "nan-without-spikes": [({"calm": 0.0}, CONFIRMED), ({"calm": 1.0}, SHARPENED)],
    "near-uniform-scores-train": [
        ({"uniform": 0.5, "right": 1.0}, CONTRADICTED),
        ({"uniform": 0.0, "right": 1.0}, CONFIRMED),
        ({"uniform": 0.2, "right": 1.0}, OPEN),
    ],
    "no-signal": [
        ({"bce": 0.5, "focal": 0.5, "smooth_ap": 0.5}, CONFIRMED),
        ({"bce": 0.7, "focal": 0.7, "smooth_ap": 0.7}, CONTRADICTED),
    ],
    "noise-and-hard-rows": [
        ({"rise": 0.01, "more": 0.01}, CONFIRMED),
        ({"rise": -0.01, "more": 0.01}, SHARPENED),
        ({"rise": -0.01, "more": -0.01}, CONTRADICTED),
    ],
    "noise-and-the-tail": [({"heavier": 2.0}, CONFIRMED), ({"heavier": 0.9}, CONTRADICTED)],
    "noise-degrades-focal": [
        ({"focal": 0.05, "earlier": 0.03}, CONFIRMED),
        ({"focal": 0.01, "earlier": 0.0}, CONTRADICTED),
        ({"focal": 0.05, "earlier": -0.03}, OPEN),
    ],
    "outliers": [
        ({"fixed": 0.2}, CONFIRMED),
        ({"fixed": 0.0, "following": 0.2}, SHARPENED),
        ({"fixed": 0.0, "following": 0.0}, CONTRADICTED),
    ],
    "partial-auc-for-partial-auc": [({"gain": 0.02}, CONFIRMED), ({"gain": -0.1}, CONTRADICTED)],
    "partial-auc-loss-is-the-partial-auc": [
        ({"pairwise": 0.0}, CONFIRMED),
        ({"pairwise": 0.2}, CONTRADICTED),
    ],
    "pauc-temperature": [
        ({"apart": 0.0, "own": 0.2, "low": 0.9}, CONFIRMED),
        ({"apart": 0.3}, CONTRADICTED),
        ({"apart": 0.0, "own": 0.9}, CONTRADICTED),
    ],
    "poisoned-queue": [
        ({"largest": 0.3, "late": 0.3}, CONFIRMED),
        ({"largest": 0.3, "late": 0.0}, SHARPENED),
        ({"largest": 0.0, "late": 0.0}, CONTRADICTED),
    ],
    "pool-for-half-a-percent": [
        ({"large": 0.1}, CONFIRMED),
        ({"large": 0.5}, SHARPENED),
        ({"large": 1.5}, CONTRADICTED),
    ],
    "pool-positives": [
        ({"cliff": 3.0}, CONFIRMED),
        ({"cliff": 1.2, "depends": 2.0}, SHARPENED),
        ({"cliff": 1.2, "depends": 1.0}, OPEN),
    ],
    "positives-in-a-batch": [
        ({"stated": 0.0064, "hundredfold": 0.64}, SHARPENED),
        ({"stated": 0.0064, "hundredfold": 2}, CONFIRMED),
        ({"stated": 2}, CONTRADICTED),
    ],
    "pretrained-warmup": [({"gain": 0.0}, CONFIRMED), ({"gain": 0.05}, CONTRADICTED)],
    "published-cure": [({"fixed": 0.0}, CONFIRMED), ({"fixed": 0.5}, CONTRADICTED)],
    "published-runs": [
        ({"between": 0.9, "other": 0.0}, CONFIRMED),
        ({"between": 0.1, "other": 0.0}, CONTRADICTED),
        ({"between": 0.9, "other": 0.5}, OPEN),
    ],
    "quantile-exists": [({"half": 2.0, "ten": 1.0}, CONFIRMED), ({"half": 1.0}, CONTRADICTED)],
    "quantile-floor": [
        ({"ten": 0.1}, CONFIRMED),
        ({"ten": 0.3, "one": 0.9}, SHARPENED),
        ({"ten": 0.8, "one": 0.9}, CONTRADICTED),
    ],
    "quantile-in-a-gap": [
        ({"short": 0.5, "long": 0.0}, CONFIRMED),
        ({"short": 0.5, "long": 0.5}, SHARPENED),
        ({"short": 0.0, "long": 0.0}, CONTRADICTED),
    ],
    "recall-for-recall": [({"gain": 0.02}, CONFIRMED), ({"gain": -0.1}, CONTRADICTED)],
    "recall-loss-is-the-recall": [({"error": 0.0}, CONFIRMED), ({"error": 0.2}, CONTRADICTED)],
    "recall-needs-no-positives": [
        ({"recall": 0.9, "ranks": 0.0}, CONTRADICTED),
        ({"recall": 0.0, "ranks": 0.0}, CONFIRMED),
        ({"recall": 0.3, "ranks": 0.0}, OPEN),
    ],
    "recall-stall": [
        ({"met": 0.0, "inside": 0.7, "absent": 0.9, "flat": 0.5, "gradient": 0.0}, SHARPENED),
        ({"met": 0.0, "inside": 0.0}, CONFIRMED),
        ({"met": 0.5}, CONTRADICTED),
    ],
    "scores-run-away": [
        ({"recall": 30, "partial": 30}, SHARPENED),
        ({"recall": 0, "partial": 0}, CONFIRMED),
        ({"recall": 30, "partial": 0}, OPEN),
    ],
    "seeds": [
        ({"again": 0.0, "apart": 0.03}, SHARPENED),
        ({"again": 0.0, "apart": 0.0}, CONFIRMED),
        ({"again": 0.1}, CONTRADICTED),
    ],
    "shards-alone": [
        ({"many_agrees": 0.1}, CONFIRMED),
        ({"many_agrees": 0.9, "few_agrees": 0.6, "few_apart": 0.2}, SHARPENED),
        ({"many_agrees": 0.9, "few_agrees": 0.9}, OPEN),
    ],
    "short-warmup": [
        ({"at_switch": 0.1, "loss": 0.02}, CONFIRMED),
        ({"at_switch": 0.1, "loss": 0.0}, CONTRADICTED),
        ({"at_switch": 0.5}, OPEN),
    ],
    "small-batches": [({"rougher": 4.0}, CONFIRMED), ({"rougher": 1.0}, CONTRADICTED)],
    "smooth-ap-beats-focal": [
        ({"gain": 0.05, "won": 0.9}, CONFIRMED),
        ({"gain": -0.01, "won": 0.3}, CONTRADICTED),
        ({"gain": 0.05, "won": 0.3}, OPEN),
    ],
    "smooth-ap-on-a-curve": [({"gain": 0.05}, CONFIRMED), ({"gain": -0.01}, CONTRADICTED)],
    "smooth-ap-range": [
        ({"inside": 0.05, "outside": 0.0}, CONFIRMED),
        ({"inside": 0.0}, CONTRADICTED),
        ({"inside": 0.05, "outside": 0.05}, OPEN),
    ],
    "soft-rank-limit": [({"falls": 1.0, "limit": 0.0}, CONFIRMED), ({"falls": 0.0}, CONTRADICTED)],
    "stabilised-form": [({"failures": 0}, CONFIRMED), ({"failures": 3}, CONTRADICTED)],
    "stale-queue": [
        ({"steady": 0.99, "early_shift": 0.1}, SHARPENED),
        ({"steady": 0.99, "early_shift": 0.0}, CONFIRMED),
        ({"steady": 0.5, "early_shift": 0.1}, CONTRADICTED),
    ],
    "stated-mechanics": [
        ({"refused": 3}, CONFIRMED),
        ({"refused": 1}, CONTRADICTED),
        ({"queues": 1.0}, CONTRADICTED),
    ],
    "ten-positives-are-rough": [({"ten": 0.4}, CONFIRMED), ({"ten": 0.05}, CONTRADICTED)],
    "temperature-for-near-uniform-scores": [
        ({"high": 0.0, "low": 0.3}, CONTRADICTED),
        ({"high": 0.3, "low": 0.0}, CONFIRMED),
        ({"high": 0.3, "low": 0.3}, OPEN),
    ],
    "two-heaps": [({"gap": 0.0, "single": 0.5}, CONFIRMED), ({"gap": 0.5, "single": 0.5}, CONTRADICTED)],
    "two-hundred-negatives": [
        ({"swing": 0.1, "width": 1.0}, CONFIRMED),
        ({"swing": 0.9, "width": 1.0}, SHARPENED),
        ({"swing": 0.9, "width": 4.0}, CONTRADICTED),
    ],
    "unstable-training": [({"rougher": 1.0}, CONFIRMED), ({"rougher": 0.0}, CONTRADICTED)],
    "value-with-one-live-positive": [({"apart": 0.0}, CONFIRMED), ({"apart": 0.2}, CONTRADICTED)],
    "weights-suffice": [({"more": 0.0}, CONFIRMED), ({"more": 0.05}, CONTRADICTED)],
    "whole-gallery": [
        ({"rougher": 4, "too_high": 0.03}, CONFIRMED),
        ({"rougher": 1, "too_high": 0.03}, CONTRADICTED),
    ],
    "wide-scores-without-gradient": [
        ({"usual": 0.1, "wide": 1.0}, CONFIRMED),
        ({"usual": 0.9, "wide": 1.0}, SHARPENED),
        ({"usual": 0.1, "wide": 0.1}, CONTRADICTED),
    ],
}


@pytest.fixture(scope="module")
def stored():
    return read_claims(STORED)


@pytest.fixture(scope="module")
def smoke():
    return {r["id"]: r for r in measure_claims(smoke=True, folder=DATA if DATA.is_dir() else None)}


def _laid_over(figures, changes):
    changed = dict(figures)
    for name, value in changes.items():
        assert name in changed, f"{name} is no figure of it"
        for key in (name, f"{name}_low", f"{name}_high"):
            if key in changed:
                changed[key] = float(value)
    return changed


def test_every_catalogue_id_and_every_claim_of_the_ledger_is_accounted_for():
    covered = {i for claim in KNOWN.values() for i in claim.covers}
    assert covered | set(UNTESTED) == set(CATALOGUE) | set(LEDGER)
    assert not covered & set(UNTESTED)


def test_claims_say_what_is_claimed_in_sentences_of_their_own():
    for name, claim in KNOWN.items():
        assert claim.covers, name
        assert claim.document.endswith("."), name
        assert claim.tell.endswith("."), name
    assert len({claim.document for claim in KNOWN.values()}) == len(KNOWN)


def test_both_sides_of_every_claim_are_given_here():
    assert set(SIDES) == set(KNOWN) - set(SHOWN)
    for sides in SIDES.values():
        assert len({verdict for _, verdict in sides}) > 1


@pytest.mark.parametrize("name", sorted(SIDES))
def test_the_verdict_follows_from_the_figures(name, stored):
    figures = next(c["figures"] for c in stored["claims"] if c["id"] == name)
    for changes, verdict in SIDES[name]:
        assert KNOWN[name].judge(_laid_over(figures, changes)) == verdict, changes


@pytest.mark.parametrize("name", SHOWN)
def test_a_reproduction_that_does_not_show_turns_the_verdict(name):
    judge = KNOWN[name].judge
    always = {**_stats.proportion("with_cause", 6, 6), **_stats.proportion("without", 0, 6), "draws": 6}
    never = {**_stats.proportion("with_cause", 0, 6), **_stats.proportion("without", 0, 6), "draws": 6}
    besides = {**_stats.proportion("with_cause", 6, 6), **_stats.proportion("without", 6, 6), "draws": 6}
    once = {**_stats.proportion("with_cause", 1, 1), **_stats.proportion("without", 0, 1), "draws": 1}
    assert judge(always) != judge(never)
    assert judge(besides) == judge(never)
    assert judge(once) == OPEN


def test_what_is_stored_follows_from_its_figures(stored):
    assert [c["id"] for c in stored["claims"]] == list(KNOWN)
    for claim in stored["claims"]:
        now = KNOWN[claim["id"]]
        assert claim["verdict"] == now.judge(claim["figures"]), claim["id"]
        assert claim["measured"] == now.tell.format(**claim["figures"]), claim["id"]
        assert claim["document"] == now.document, claim["id"]
        assert claim["covers"] == list(now.covers), claim["id"]


def test_what_is_stored_took_minutes(stored):
    assert sum(claim["seconds"] for claim in stored["claims"]) < 1200


def test_the_page_is_that_of_the_stored_claims(stored):
    assert (ROOT / "rules" / "CLAIMS.md").read_text() == claims_table(stored)


def test_the_page_names_every_id(stored):
    page = claims_table(stored)
    cells = {i.strip() for line in page.splitlines() if line.startswith("| ") for i in line.split("|")[1:3]}
    named = {i for cell in cells for i in cell.split(", ")}
    assert not (set(CATALOGUE) | set(LEDGER)) - named


def test_rules_carry_the_verdict_that_was_measured(stored):
    assert set(rules_that_differ(stored, load_rules())) <= PENDING


def test_a_rule_with_another_verdict_is_named():
    document = {
        "claims": [
            {"covers": ["A", "B"], "verdict": CONFIRMED},
            {"covers": ["B"], "verdict": SHARPENED},
            {"covers": ["C"], "verdict": OPEN},
            {"covers": ["D"], "verdict": None},
            {"covers": ["F"], "verdict": SHARPENED},
            {"covers": ["G"], "verdict": CONTRADICTED},
        ]
    }

    def rule(name, verdict, *covers):
        return SimpleNamespace(id=name, verdict=verdict, covers=covers)

    rules = [
        rule("agrees", CONFIRMED, "A"),
        rule("differs", CONTRADICTED, "A"),
        rule("agrees-with-one", CONFIRMED, "A", "B"),
        rule("adds-a-condition-to-what-holds", SHARPENED, "A"),
        rule("takes-too-much-for-true", CONFIRMED, "F"),
        rule("softens-what-is-wrong", SHARPENED, "G"),
        rule("silent", "", "A"),
        rule("about-what-is-open", CONTRADICTED, "C"),
        rule("perhaps-about-what-is-open", CONTRADICTED, "A", "C"),
        rule("about-what-was-not-measured", CONTRADICTED, "D"),
        rule("about-something-else", CONTRADICTED, "E"),
    ]
    assert rules_that_differ(document, rules) == [
        "differs",
        "takes-too-much-for-true",
        "softens-what-is-wrong",
    ]


def test_every_claim_can_be_measured(smoke, stored):
    assert list(smoke) == list(KNOWN)
    full = {c["id"]: c for c in stored["claims"]}
    for name, result in smoke.items():
        assert result["verdict"] in (CONFIRMED, SHARPENED, CONTRADICTED, OPEN, None)
        if result["verdict"] is None:
            assert result["measured"].startswith("not measured: needs")
            assert not result["figures"]
            continue
        assert set(result["figures"]) == set(full[name]["figures"]), name
        assert all(math.isfinite(v) for v in result["figures"].values())


CHEAP = ["quantile-floor", "few-positives-train", "shards-alone", "cap-is-noise", "stated-mechanics"]


def test_what_is_drawn_follows_from_the_seed():
    def figures(seed):
        return [r["figures"] for r in measure_claims(CHEAP, seed, smoke=True)]

    first = figures(1)
    assert figures(1) == first
    other = figures(2)
    assert all(a != b for a, b in zip(first[:-1], other[:-1], strict=True))


def test_a_claim_without_its_data_is_not_measured(tmp_path):
    (found,) = measure_claims(["published-runs"])
    assert found["verdict"] is None
    assert "focal_instability_runs.csv" in found["measured"]
    (found,) = measure_claims(["published-runs"], folder=tmp_path)
    assert found["verdict"] is None


def test_published_runs_are_counted(tmp_path):
    rows = ["kind,noise,gamma,th,epochs_ok,nan,last,first,minl"]
    rows += [f"Original,0,0.5,0,10,{int(i < 15)},0.1,0.5,0.1" for i in range(20)]
    rows += ["Original,0,2.0,0,10,0,0.1,0.5,0.1"] * 100 + ["Fixed,0,0.5,0,10,0,0.1,0.5,0.1"] * 300
    (tmp_path / "focal_instability_runs.csv").write_text("\n".join(rows) + "\n")
    runs, cure, calm = measure_claims(
        ["published-runs", "published-cure", "nan-without-spikes"], folder=tmp_path
    )
    assert runs["figures"]["between"] == 0.75
    assert runs["figures"]["other_runs"] == 100
    assert runs["verdict"] == CONFIRMED
    assert cure["figures"]["fixed_runs"] == 300
    assert calm["figures"]["runs"] == 15
    (tmp_path / "focal_instability_runs.csv").write_text(
        "\n".join(rows).replace("2.0,0,10,0", "2.0,0,10,1") + "\n"
    )
    assert measure_claims(["published-runs"], folder=tmp_path)[0]["verdict"] == OPEN


def test_an_unknown_claim_is_an_error_with_a_hint():
    with pytest.raises(InputError, match="claim") as error:
        measure_claims(["quantile-flor"])
    assert "quantile-floor" in str(error.value)


def test_progress_is_told():
    told = []
    measure_claims(["epsilon-floor", "drop-in"], smoke=True, progress=told.append)
    assert told == ["epsilon-floor", "drop-in"]


def test_a_figure_that_is_not_finite_is_an_error(monkeypatch):
    claim = Claim(
        covers=("U-1",), document="x", measure=lambda _: {"x": math.nan}, tell="x", judge=lambda _: CONFIRMED
    )
    monkeypatch.setattr("imbalance_doctor.lab.claims.base.claims", lambda: {"broken": claim})
    with pytest.raises(ArithmeticError):
        measure_claims(["broken"])


def test_above_and_below_decide_only_beyond_the_interval():
    figures = {"x": 1.0, "x_low": 0.5, "x_high": 1.5, "y": 1.0}
    assert above(figures, "x", 0.4) is True
    assert above(figures, "x", 0.5) is None
    assert above(figures, "x", 1.4) is None
    assert above(figures, "x", 1.5) is False
    assert below(figures, "x", 1.6) is True
    assert below(figures, "x", 1.5) is None
    assert below(figures, "x", 0.5) is False
    assert above(figures, "y", 0.9) is True
    assert above(figures, "y", 1.0) is False


def test_settle_takes_the_first_case_that_holds_and_stops_at_one_that_is_undecided():
    assert settle((CONFIRMED, (True, True)), (SHARPENED, (True,)), otherwise=OPEN) == CONFIRMED
    assert settle((CONFIRMED, (True, False)), (SHARPENED, (True,)), otherwise=OPEN) == SHARPENED
    assert settle((CONFIRMED, (None, False)), (SHARPENED, (False,)), otherwise=CONTRADICTED) == CONTRADICTED
    assert settle((CONFIRMED, (True, None)), (SHARPENED, (True,)), otherwise=CONTRADICTED) == OPEN


def test_the_interval_of_a_mean_holds_the_truth_as_often_as_it_says():
    g = np.random.default_rng(0)
    for size in (3, 8, 30):
        held = 0
        for _ in range(400):
            found = _stats.mean("x", g.normal(2, 3, size))
            held += found["x_low"] <= 2 <= found["x_high"]
        assert 0.92 < held / 400 < 0.98, size


def test_one_draw_decides_nothing():
    assert above(_stats.mean("x", [5.0]), "x", 0) is None


def test_the_interval_of_a_share_is_that_of_wilson():
    found = _stats.proportion("x", 8, 10)
    assert found["x"] == 0.8
    assert found["x_low"] == pytest.approx(0.4902, abs=1e-3)
    assert found["x_high"] == pytest.approx(0.9433, abs=1e-3)
    assert _stats.proportion("x", 0, 10)["x_low"] == 0
    assert _stats.proportion("x", 10, 10)["x_high"] == 1


def test_the_interval_of_a_spread_holds_the_truth_as_often_as_it_says():
    g = np.random.default_rng(1)
    held = 0
    for _ in range(400):
        found = _stats.spread("x", g.normal(0, 3, 60), 2.0)
        held += found["x_low"] <= 1.5 <= found["x_high"]
    assert 0.91 < held / 400 < 0.99


def test_cosine_of_nothing_is_zero():
    assert _stats.cosine([0, 0], [1, 2]) == 0
    assert _stats.cosine([1, 0], [2, 0]) == pytest.approx(1)
    assert _stats.cosine([1, 0], [0, 3]) == 0


def test_metrics_of_outcomes_follow_slow_twins():
    import torch

    from imbalance_doctor.lab.claims._trained import Outcome
    from imbalance_doctor.lab.metrics import roc_auc

    g = np.random.default_rng(3)
    s, y = g.normal(size=60), (g.random(60) < 0.3).astype(int)
    of = Outcome(torch.from_numpy(s), torch.from_numpy(y))
    pairs = [(a, b) for a in s[y == 1] for b in s[y == 0]]
    assert roc_auc(s, y == 1) == pytest.approx(np.mean([a > b for a, b in pairs]))
    assert of.partial_auc(1.0) == pytest.approx(np.mean([a > b for a, b in pairs]))
    assert of.recall == pytest.approx(np.mean(s[y == 1] > 0))
    assert of.accuracy == pytest.approx(np.mean((s > 0) == y))
    top = np.argsort(-s)[:12]
    assert of.recall_in_the_top(0.2) == pytest.approx(y[top].sum() / y.sum())
    assert of.negatives == pytest.approx(s[y == 0].mean())


def test_a_worlds_share_of_positives_is_what_was_asked():
    from imbalance_doctor.lab.claims._trained import world

    for prevalence in (0.02, 0.3):
        _, y = world(3, prevalence, 5000)
        assert abs(float(y.double().mean()) - prevalence) < 0.002


def test_stored_claims_are_read_back(tmp_path):
    results = measure_claims(["epsilon-floor"], smoke=True)
    path = tmp_path / "claims.json"
    store(results, path, seed=3)
    document = read_claims(path)
    assert document["claims"] == results
    assert document["seed"] == 3
    assert set(document["versions"]) == {"torch", "numpy"}
    write_table(path, tmp_path / "page.md")
    assert (tmp_path / "page.md").read_text() == claims_table(document)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"claims": 3}',
        '{"claims": [3]}',
        '{"claims": [{"id": "x"}]}',
        json.dumps(
            {
                "claims": [
                    {
                        "id": "x",
                        "document": "",
                        "measured": "",
                        "covers": [],
                        "figures": {},
                        "seconds": 0,
                        "verdict": "perhaps",
                    }
                ]
            }
        ),
        "[" * 100_000,
    ],
)
def test_other_files_are_no_claims(tmp_path, text):
    path = tmp_path / "claims.json"
    path.write_text(text)
    with pytest.raises(InputError):
        read_claims(path)


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(InputError):
        read_claims(tmp_path / "none.json")


def test_draws_differ_by_seed_and_stream():
    import torch

    def first(seed, stream):
        return float(torch.rand(1, generator=Draw(seed).generator(stream)))

    assert first(0, 1) == first(0, 1)
    assert len({first(s, t) for s in range(3) for t in range(3)}) == 9

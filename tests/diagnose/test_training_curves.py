"""Verdicts on drawn curves: what looks odd but is healthy stays silent, what is broken is named."""

import math

import numpy as np
import pytest

from imbalance_doctor.diagnose import diagnose
from imbalance_doctor.engine import load_rules
from imbalance_doctor.evidence import Series, TrainingLog

NAN = math.nan
EPOCHS = 60


@pytest.fixture(scope="module")
def rules():
    return load_rules()


def draw(name, values, phase="train", part="", every=1):
    count = len(values)
    return Series(
        key=f"{phase}/{name}{part}",
        name=name,
        phase=phase,
        part=part,
        steps=np.arange(count, dtype=float) * every,
        values=np.array(values, dtype=float),
        order=np.arange(count) * every,
        lines=np.arange(count) + 1,
    )


def noisy(values, scale, seed=0):
    return np.asarray(values) + np.random.default_rng(seed).normal(0, scale, len(values))


def falling(start, end, count=EPOCHS):
    return end + (start - end) * np.exp(-np.linspace(0, 5, count))


def rising(start, end, count=EPOCHS):
    return falling(start, end, count)


def log(*series, **more):
    return TrainingLog(series=series, axis="epoch", **more)


LOSS = draw("loss", noisy(falling(0.7, 0.1), 0.01))
VAL_LOSS = draw("loss", noisy(falling(0.7, 0.15), 0.003, 1), "val")
AP = draw("average_precision", noisy(rising(0.1, 0.6), 0.005, 2), "val")

HEALTHY = {
    "a plain good run": log(LOSS, VAL_LOSS, AP),
    "the loss changes its meaning at a phase switch": log(
        draw("loss", np.r_[noisy(falling(0.7, 0.1, 20), 0.01), noisy(falling(0.55, 0.45, 40), 0.02)]), AP
    ),
    "the loss halves in one good step": log(
        draw("loss", np.r_[noisy(falling(1.5, 0.83, 40), 0.01), noisy(falling(0.21, 0.2, 20), 0.01)]),
        draw("accuracy", np.r_[noisy(rising(0.3, 0.7, 40), 0.01), noisy(rising(0.78, 0.8, 20), 0.01)], "val"),
        draw("recall", [0.0] * 12 + [0.1, 0.4, 0.2, 0.5] * 7 + list(rising(0.6, 0.9, 20)), "val", "9"),
        draw("recall", rising(0.5, 0.95), "val", "0"),
    ),
    "a Dice loss below zero": log(
        draw("loss", noisy(falling(0.1, -0.88), 0.01)),
        draw("loss", noisy(falling(0.1, -0.85), 0.01, 1), "val"),
        draw("dice", noisy(rising(0.2, 0.89), 0.005), "val"),
    ),
    "a heat-map loss that is tiny": log(
        draw("loss", noisy(falling(3e-3, 5e-4), 2e-5)),
        draw("loss", noisy(falling(3e-3, 6e-4), 2e-5), "val"),
        draw("average_precision", noisy(rising(0.2, 0.75), 0.004), "val"),
    ),
    "a one-class detector": log(
        LOSS,
        draw("loss_component", [0.0] * EPOCHS, part="cls"),
        draw("loss_component", falling(1.0, 0.3), part="box"),
        draw("average_precision", noisy(rising(0.1, 0.8), 0.01), "val"),
    ),
    "overflows of half precision at the start": log(
        LOSS,
        AP,
        draw("gradient_norm", np.r_[[math.inf, 2.0, math.inf], noisy([1.0] * (EPOCHS - 3), 0.2)], ""),
        draw("loss_scale", np.r_[[65536, 32768, 32768], [16384] * (EPOCHS - 3)], ""),
    ),
    "a few NaN losses that pass": log(
        draw("loss", np.where(np.isin(np.arange(EPOCHS), [5, 17]), NAN, LOSS.values)), VAL_LOSS, AP
    ),
    "a validation with a dozen positives": log(
        LOSS, VAL_LOSS, draw("average_precision", noisy(rising(0.1, 0.4), 0.06, 3), "val")
    ),
    "foreground found late": log(
        draw("loss", noisy(falling(3.0, 0.6), 0.05)),
        draw("foreground_accuracy", [0.0] * 28 + list(rising(0.1, 0.8, 32)), "val"),
        VAL_LOSS,
    ),
    "a plateau at the ceiling": log(
        draw("loss", noisy(falling(0.7, 0.001), 1e-4)),
        VAL_LOSS,
        draw("accuracy", [0.9] + [1.0] * (EPOCHS - 1), "val"),
    ),
    "a slow run": log(
        draw("loss", noisy(np.linspace(0.76, 0.4, EPOCHS), 0.02)),
        draw("average_precision", noisy(np.linspace(0.03, 0.2, EPOCHS), 0.002), "val"),
        VAL_LOSS,
    ),
    "on its way up from a bad start": log(
        draw("loss", noisy(falling(0.76, 0.2), 0.01)),
        draw("roc_auc", noisy(np.r_[np.linspace(0.5, 0.2, 30), np.linspace(0.2, 0.29, 30)], 0.001), "val"),
    ),
    "a ranking of a hard problem": log(
        LOSS,
        VAL_LOSS,
        draw("average_precision", noisy(rising(0.002, 0.05), 0.003), "val"),
        draw("prevalence", [0.001] * EPOCHS, "val"),
    ),
    "a validation loss that rises while the metric gains": log(
        draw("loss", falling(0.7, 0.1)),
        draw("loss", noisy(np.r_[falling(0.7, 0.3, 20), np.linspace(0.3, 0.42, 40)], 0.002), "val"),
        draw("f1", noisy(rising(0.1, 0.85), 0.003), "val"),
    ),
    "one odd evaluation in the warm-up": log(
        LOSS, AP, draw("loss", np.where(np.arange(EPOCHS) == 3, 110.0, VAL_LOSS.values), "val")
    ),
    "continued from a good model": log(
        draw("loss", noisy([0.061] * EPOCHS, 0.001)),
        VAL_LOSS,
        draw("accuracy", noisy([0.93] * EPOCHS, 0.003), "val"),
    ),
    "at rest, with a metric that is not good": log(
        draw("loss", noisy([0.061] * EPOCHS, 0.0005)),
        VAL_LOSS,
        draw("roc_auc", noisy([0.75] * EPOCHS, 0.001), "val"),
    ),
    "stopped by the user": log(LOSS, VAL_LOSS, AP, crash="KeyboardInterrupt"),
}

FAULTY = {
    "calm, then NaN": (
        log(draw("loss", np.r_[falling(0.7, 0.02, 40), [NAN] * 20]), AP),
        "unstable-gamma",
    ),
    "a climb, then NaN": (
        log(draw("loss", np.r_[falling(0.7, 0.1, 40), [0.5, 3.0, 40.0], [NAN] * 17]), AP),
        "learning-rate-too-high",
    ),
    "NaN in every fourth step": (
        log(draw("loss", np.where(np.arange(EPOCHS) % 4 == 1, NAN, LOSS.values)), AP),
        "learning-rate-too-high",
    ),
    "NaN that the log shows as zero": (
        log(
            draw("loss", np.r_[falling(0.7, 0.3, 40), [0.0] * 20]),
            draw("gradient_norm", np.r_[[1.0] * 39, [NAN] * 21], ""),
        ),
        "learning-rate-too-high",
    ),
    "guessing among four": (
        log(
            draw("loss", noisy([math.log(4)] * EPOCHS, 0.001)),
            draw("loss", noisy([math.log(4)] * EPOCHS, 0.001), "val"),
            draw("accuracy", noisy([0.26] * EPOCHS, 0.01), "val"),
        ),
        "not-separable",
    ),
    "always the majority": (
        log(
            draw("loss", noisy(falling(0.5, 0.33), 0.003)),
            draw("loss", noisy([0.325] * EPOCHS, 0.003), "val"),
            draw("accuracy", [0.899] * EPOCHS, "val"),
        ),
        "majority-collapse",
    ),
    "never positive": (
        log(
            LOSS,
            VAL_LOSS,
            draw("accuracy", noisy([0.95] * EPOCHS, 1e-4), "val"),
            draw("recall", [0.0] * EPOCHS, "val"),
        ),
        "majority-collapse",
    ),
    "always positive": (
        log(
            LOSS,
            *(
                draw(n, [v] * EPOCHS, "val")
                for n, v in (("recall", 1.0), ("precision", 0.1), ("accuracy", 0.1))
            ),
        ),
        "alpha-misconfigured",
    ),
    "saturated outputs": (
        log(
            draw("loss", [7.6666] * EPOCHS),
            draw("accuracy", [0.5] * EPOCHS),
            draw("accuracy", [0.5] * EPOCHS, "val"),
        ),
        "learning-rate-too-high",
    ),
    "memorised": (
        log(
            draw("loss", falling(0.7, 0.01)),
            draw("loss", noisy(np.r_[falling(0.7, 0.3, 15), np.linspace(0.3, 0.7, 45)], 0.005), "val"),
            draw("f1", noisy(np.r_[rising(0.1, 0.6, 15), np.linspace(0.6, 0.5, 45)], 0.003), "val"),
        ),
        "minority-overfit",
    ),
    "ranks at chance": (
        log(LOSS, draw("roc_auc", noisy([0.505] * EPOCHS, 0.004), "val")),
        "not-separable",
    ),
    "all scores equal": (
        log(LOSS, draw("roc_auc", [0.5] * EPOCHS, "val")),
        "learning-rate-too-high",
    ),
    "ranks lost": (
        log(LOSS, draw("roc_auc", noisy(np.r_[[0.94] * 10, falling(0.94, 0.51, 50)], 0.001), "val")),
        "learning-rate-too-high",
    ),
    "validation upside down": (
        log(LOSS, draw("roc_auc", noisy(falling(0.4, 0.06), 0.003), "val")),
        "evaluation-inverted",
    ),
    "no step worth the name": (
        log(
            draw("loss", noisy(np.linspace(0.773, 0.77, EPOCHS), 2e-3)),
            draw("average_precision", noisy([0.2] * EPOCHS, 1e-3), "val"),
        ),
        "learning-rate-too-low",
    ),
    "swinging": (
        log(LOSS, draw("accuracy", noisy([0.7] * EPOCHS, 0.15), "val")),
        "learning-rate-too-high",
    ),
    "scores without bound": (
        log(
            draw("loss", noisy(np.r_[falling(0.7, 0.1, 15), [0.5] * 45], 0.03)),
            draw("bce", np.r_[falling(0.7, 0.1, 15), np.geomspace(0.1, 30, 45)], "val"),
            draw(
                "average_precision",
                noisy(np.r_[rising(0.3, 0.9, 15), np.linspace(0.9, 0.85, 45)], 0.001),
                "val",
            ),
        ),
        "score-runaway",
    ),
    "a class left behind": (
        log(LOSS, *(draw("f1", [v] * EPOCHS, "val", p) for p, v in (("a", 0.8), ("b", 0.7), ("c", 0.0)))),
        "majority-collapse",
    ),
    "no foreground": (
        log(draw("loss", falling(2.0, 0.5)), draw("dice", noisy([0.02] * EPOCHS, 0.002), "val")),
        "majority-collapse",
    ),
}


def shouted(trained):
    return [f.rule for f in trained.findings if f.from_log and f.severity != "note"]


@pytest.mark.parametrize("name", HEALTHY)
def test_what_looks_odd_but_is_healthy_stays_silent(rules, name):
    assert shouted(diagnose(rules, logs=[HEALTHY[name]]).trained[0]) == []


@pytest.mark.parametrize("name", FAULTY)
def test_what_is_broken_is_named(rules, name):
    curves, cause = FAULTY[name]
    trained = diagnose(rules, logs=[curves]).trained[0]
    assert trained.verdict == "faulty"
    assert trained.causes[0].id == cause, {c.id: [f.rule for f in c.findings] for c in trained.causes}


@pytest.mark.parametrize("name", FAULTY)
def test_what_is_broken_is_shown_in_the_log(rules, name):
    trained = diagnose(rules, logs=[FAULTY[name][0]]).trained[0]
    keys = {s.key for s in trained.log.series}
    for finding in trained.findings:
        if finding.from_log and finding.severity != "note":
            assert finding.seen, finding.rule
            assert all(key in keys for span in finding.seen for key in span.key.split(", ")), finding.rule


@pytest.mark.parametrize("length", [1, 2, 3, 4])
def test_a_short_log_gives_no_verdict_of_health(rules, length):
    curves = log(
        draw("loss", falling(0.7, 0.1, 60)[:length]), draw("f1", rising(0.1, 0.6, 60)[:length], "val")
    )
    trained = diagnose(rules, logs=[curves]).trained[0]
    assert trained.verdict == "cannot tell"
    assert shouted(trained) == []


@pytest.mark.parametrize("every", [2, 5])
@pytest.mark.parametrize(
    "name", ["memorised", "calm, then NaN", "scores without bound", "validation upside down"]
)
def test_the_logging_interval_does_not_matter(rules, name, every):
    curves, cause = FAULTY[name]
    thinned = log(*(draw(s.name, s.values[::every], s.phase, s.part, every) for s in curves.series))
    assert diagnose(rules, logs=[thinned]).trained[0].causes[0].id == cause

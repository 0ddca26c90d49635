"""What a plan file means: words, numbers, sections, places; options on top."""

import json
import math
import re

import pytest

from imbalance_doctor.errors import InputError
from imbalance_doctor.evidence import LOSSES, PLAN_FIELDS, Location, PlannedRun, TrainingPlan
from imbalance_doctor.sources.plans import example_plan, overlay, plan_from_options, plan_schema, read_plan
from imbalance_doctor.sources.plans.base import coerce

HERE = Location(path="here")


@pytest.fixture
def read(tmp_path):
    def read(text, suffix=".yaml"):
        path = tmp_path / f"plan{suffix}"
        path.write_text(text, encoding="utf-8")
        (run,) = read_plan(str(path))
        return run

    return read


def test_a_plan_as_people_write_it(read):
    run = read(
        """\
# fraud, March
loss: {name: SmoothAPLoss, queue_size: 4_096, temperature: 5e-2}
warmup:
  name: LossWarmupWrapper
  warmup_epochs: 2
  temp_end: 1e-2
batch_size: 256
learning_rate: 1e-3
optimizer: AdamW
precision: bf16-mixed
metric: AUCPR
memory_budget: 2GiB
pretrained: no
max_pool_size:
"""
    )
    assert run.plan == TrainingPlan(
        loss="smooth-ap",
        queue_size=4096,
        temperature=0.05,
        warmup_epochs=2.0,
        temp_end=0.01,
        batch_size=256,
        learning_rate=0.001,
        optimizer="adamw",
        precision="bf16",
        metric="average_precision",
        memory_budget=2 * 1024**3,
        pretrained=False,
    )
    assert run.name.endswith("plan.yaml")
    assert run.unreadable == {}
    assert str(run.where["queue_size"]).endswith("plan.yaml:2:40")
    assert str(run.where["loss"]).endswith("plan.yaml:2:14")
    assert str(run.where["temp_end"]).endswith("plan.yaml:6:13")
    assert set(run.where) == set(run.plan.known())


SAME = {"loss": "SmoothAPLoss", "batch_size": 64, "learning_rate": 0.001, "pretrained": True}


@pytest.mark.parametrize(
    ("text", "suffix"),
    [
        (json.dumps(SAME), ".json"),
        (json.dumps(SAME, indent="\t"), ".json"),
        (json.dumps(SAME), ".yaml"),
        (json.dumps(SAME), ".conf"),
        ("\ufeff" + json.dumps(SAME), ".json"),
        ('loss = "SmoothAPLoss"\nbatch_size = 64\nlearning_rate = 1e-3\npretrained = true\n', ".toml"),
        (
            'batch_size = 64\nlearning_rate = 1e-3\npretrained = true\n[loss]\nname = "SmoothAPLoss"\n',
            ".toml",
        ),
        ("loss: SmoothAPLoss\r\nbatch_size: 64\r\nlearning_rate: 1e-3\r\npretrained: on\r\n", ".yml"),
        ("loss: SmoothAPLoss\nbatch_size: 64\nlearning_rate: '1e-3'\npretrained: 'true'\n", ".YAML"),
    ],
)
def test_every_format_says_the_same(read, text, suffix):
    expected = TrainingPlan(loss="smooth-ap", batch_size=64, learning_rate=0.001, pretrained=True)
    assert read(text, suffix).plan == expected


def test_places_in_json_and_toml(read):
    assert str(read('{"loss": "bce",\n  "batch_size": 3}', ".json").where["batch_size"]).endswith(
        ".json:2:17"
    )
    toml = read('loss = "bce"\nbatch_size = 3\n[warmup]\nwarmup_steps = 3\n', ".toml")
    assert str(toml.where["warmup_steps"]).endswith(".toml:4")


@pytest.mark.parametrize(
    ("word", "loss"),
    [
        *((name, name) for name in LOSSES),
        *((name.replace("-", "_"), name) for name in LOSSES),
        ("SmoothAPLoss", "smooth-ap"),
        ("RecallAtQuantileLoss", "recall-at-quantile"),
        ("PAUCAtBudgetLoss", "pauc-at-budget"),
        ("SigmoidFocalLoss", "sigmoid-focal"),
        ("SoftmaxFocalLoss", "softmax-focal"),
        ("BCEWithLogitsLoss", "bce"),
        ("BCELoss", "bce"),
        ("CrossEntropyLoss", "ce"),
        ("torch.nn.CrossEntropyLoss", "ce"),
        ("cross_entropy", "ce"),
        ("BCE", "bce"),
        ("focal", "sigmoid-focal"),
        ("pauc", "pauc-at-budget"),
    ],
)
def test_loss_words(word, loss):
    assert coerce("loss", word, HERE) == loss


@pytest.mark.parametrize(
    ("field", "word", "meant"),
    [
        *(
            ("metric", w, "average_precision")
            for w in ("ap", "AUCPR", "pr_auc", "PR-AUC", "auprc", "average_precision")
        ),
        *(("metric", w, "roc_auc") for w in ("auc", "AUROC", "roc_auc")),
        *(("metric", w, "calibrated_probability") for w in ("calibrated", "log_loss", "brier")),
        ("metric", "pauc", "partial_auc"),
        ("metric", "recall@q", "recall_at_quantile"),
        ("metric", "F1", "f1"),
        *(("precision", w, "fp32") for w in (32, "32", "32-true", "float32", "torch.float32")),
        *(("precision", w, "fp16") for w in (16, "16-mixed", "half", "float16")),
        *(("precision", w, "bf16") for w in ("bf16-mixed", "torch.bfloat16", "bf16-true")),
        *(("precision", w, "fp64") for w in (64, "double")),
        ("optimizer", "SGD", "sgd"),
        ("optimizer", "Sophia", "other"),
        ("reduction", "mean-positive", "mean_positive"),
        ("reduction", "none", "none"),
        ("implementation", "imbalanced-losses", "imbalanced_losses"),
    ],
)
def test_words(field, word, meant):
    assert coerce(field, word, HERE) == meant


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1", 1),
        ("1024", 1024),
        ("500MB", 500_000_000),
        ("500 mb", 500_000_000),
        ("2GiB", 2**31),
        ("1.5 KiB", 1536),
        ("3TB", 3 * 10**12),
        ("12B", 12),
        (4096, 4096),
    ],
)
def test_sizes(text, size):
    assert coerce("memory_budget", text, HERE) == size


def test_numbers():
    assert coerce("batch_size", "1e3", HERE) == 1000
    assert coerce("batch_size", 64.0, HERE) == 64
    assert isinstance(coerce("batch_size", 64.0, HERE), int)
    assert isinstance(coerce("gamma", 2, HERE), float)
    assert coerce("gamma", None, HERE) is None
    assert coerce("class_weights", "0.2, 1,1", HERE) == (0.2, 1.0, 1.0)
    assert coerce("class_weights", "[0.2 1]", HERE) == (0.2, 1.0)
    assert coerce("queue_size", 2**63 - 1, HERE) == 2**63 - 1
    with pytest.raises(InputError):
        coerce("queue_size", 2**63, HERE)


@pytest.mark.parametrize("name", [n for n, spec in PLAN_FIELDS.items() if spec.metadata["low"] is not None])
def test_both_sides_of_every_low_bound(name):
    meta = PLAN_FIELDS[name].metadata
    _check_bound(name, meta["low"], open_=meta["low_open"], outward=-1)


@pytest.mark.parametrize("name", [n for n, spec in PLAN_FIELDS.items() if spec.metadata["high"] is not None])
def test_both_sides_of_every_high_bound(name):
    meta = PLAN_FIELDS[name].metadata
    _check_bound(name, meta["high"], open_=meta["high_open"], outward=1)


def _check_bound(name, bound, *, open_, outward):
    kind = str(PLAN_FIELDS[name].type)
    wrap = (lambda v: [v]) if kind.startswith("tuple") else (lambda v: v)

    def step(direction):
        if kind.startswith("int"):
            return bound + direction
        return math.nextafter(float(bound), math.inf * direction)

    coerce(name, wrap(step(-outward)), HERE)
    with pytest.raises(InputError, match=f"expected {name} to be"):
        coerce(name, wrap(step(outward)), HERE)
    if open_:
        with pytest.raises(InputError, match=f"expected {name} to be"):
            coerce(name, wrap(bound), HERE)
    else:
        coerce(name, wrap(bound), HERE)


def test_weights_make_the_weighted_loss(read):
    assert read("loss: bce\npos_weight: 30\n").plan.loss == "weighted-bce"
    assert read("loss: bce\npos_weight: 1\n").plan.loss == "bce"
    assert read("loss: ce\nclass_weights: [1, 2]\n").plan.loss == "weighted-ce"
    assert read("loss: focal\npos_weight: 30\n").plan.loss == "sigmoid-focal"


def test_alpha_means_what_the_loss_says(read):
    listed = read("loss: SoftmaxFocalLoss\nalpha: [0.2, 1]\n").plan
    assert (listed.alpha, listed.class_weights) == (None, (0.2, 1.0))
    assert read("loss: focal\nalpha: null\n").plan.alpha == -1
    assert read("loss: focal\nalpha: ~\n").plan.alpha == -1
    assert read('loss = "focal"\nalpha = -1\n', ".toml").plan.alpha == -1
    assert read('{"loss": "focal", "alpha": null}', ".json").plan.alpha == -1
    assert read("loss: softmax-focal\nalpha: null\n").plan.alpha is None
    assert read("loss: pauc\nalpha: 0\nbeta: 0.01\n").plan.alpha == 0
    assert read("loss: focal\ntask: multiclass\n").plan.loss == "softmax-focal"
    assert read("loss: sigmoid-focal\ntask: multiclass\n").plan.loss == "sigmoid-focal"


@pytest.mark.parametrize(
    ("text", "quantile"), [("recall@0.01", 0.01), ("recall@1%", 0.01), ("recall@q=0.2", 0.2)]
)
def test_recall_at_a_number_is_metric_and_quantile(read, text, quantile):
    plan = read(f"metric: {text}\n").plan
    assert (plan.metric, plan.metric_quantile) == ("recall_at_quantile", quantile)
    assert read(f"metric: {text}\nmetric_quantile: 0.3\n").plan.metric_quantile == 0.3


def test_null_is_not_given(read):
    run = read("loss: bce\nqueue_size: null\nbatch_size: ~\ngamma:\nreduction: none\n")
    assert run.plan == TrainingPlan(loss="bce", reduction="none")
    assert set(run.where) == {"loss", "reduction"}


def test_checks_of_a_warm_up(read):
    # Zero epochs beside steps is what the wrapper's own default looks like.
    assert read("warmup_epochs: 0\nwarmup_steps: 9\nblend_steps: 3\n").plan.blend_steps == 3
    assert read("warmup_epochs: 2\nblend_epochs: 3\n").plan.blend_epochs == 3


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ("loss: pauc\nalpha: 0.09\nbeta: 0.1\n", "loss: pauc\nalpha: 0.1\nbeta: 0.1\n"),
        ("loss: pauc\nalpha: 0.0049\n", "loss: pauc\nalpha: 0.005\n"),
        ("loss: pauc\nbeta: 1e-9\n", "loss: pauc\nalpha: 1e-9\nbeta: 1e-9\n"),
        ("loss: focal\nalpha: 0\n", "loss: focal\nalpha: -0.01\n"),
        ("loss: focal\nalpha: -1\n", "loss: focal\nalpha: -0.99\n"),
        ("metric_fpr_low: 0.1\nmetric_fpr_high: 0.2\n", "metric_fpr_low: 0.2\nmetric_fpr_high: 0.2\n"),
        ("num_classes: 2\nclass_weights: [1, 2]\n", "num_classes: 2\nclass_weights: [1, 2, 3]\n"),
        ("num_classes: 2\nbackground_class: 1\n", "num_classes: 2\nbackground_class: 2\n"),
        (
            "loss: softmax-focal\nreduction: mean_positive\n",
            "loss: sigmoid-focal\nreduction: mean_positive\n",
        ),
    ],
)
def test_fields_that_go_together(read, good, bad):
    read(good)
    with pytest.raises(InputError):
        read(bad)


# Options --------------------------------------------------------------------------------------------


def test_options_typed_or_text():
    typed = plan_from_options(
        {"loss": "smooth-ap", "queue_size": 4096, "class_weights": (1.0, 2.0), "gamma": None}
    )
    text = plan_from_options({"loss": "SmoothAPLoss", "queue_size": "4096", "class_weights": "1,2"})
    assert (
        typed.plan == text.plan == TrainingPlan(loss="smooth-ap", queue_size=4096, class_weights=(1.0, 2.0))
    )
    assert str(typed.where["queue_size"]) == "--queue-size"
    assert plan_from_options({}).plan == TrainingPlan()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"queue_size": "many"}, "--queue-size: expected queue_size to be a whole number, but got 'many'"),
        ({"batch_size": 0}, "--batch-size: expected batch_size to be at least 1, but got 0"),
        (
            {"batch_sise": 3},
            "--batch-sise: expected a field of the plan, but got 'batch_sise'; did you mean 'batch_size'?",
        ),
        (
            {"warmup_epochs": 1, "warmup_steps": 2},
            "--warmup-steps: expected warmup_epochs or warmup_steps, but got both",
        ),
    ],
)
def test_bad_options_are_named(values, message):
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        plan_from_options(values)


def test_an_option_wins_over_the_file(read):
    run = overlay(
        read("loss: smooth-ap\nqueue_size: 64\nbatch_size: 8\n"), plan_from_options({"queue_size": 4096})
    )
    assert run.plan == TrainingPlan(loss="smooth-ap", queue_size=4096, batch_size=8)
    assert str(run.where["queue_size"]) == "--queue-size"
    assert str(run.where["batch_size"]).endswith(":3:13")
    assert run.name.endswith("plan.yaml")


def test_an_option_tells_what_a_script_does_not():
    script = PlannedRun(
        plan=TrainingPlan(loss="bce"), name="train.py:3 BCE", unreadable={"batch_size": "x", "epochs": "y"}
    )
    run = overlay(script, plan_from_options({"batch_size": 8, "pos_weight": 20}))
    assert run.unreadable == {"epochs": "y"}
    assert run.plan == TrainingPlan(loss="weighted-bce", batch_size=8, pos_weight=20.0)


def test_a_warm_up_in_steps_replaces_one_in_epochs(read):
    run = overlay(
        read("warmup_epochs: 2\nblend_epochs: 1\n"), plan_from_options({"warmup_steps": 5, "blend_steps": 2})
    )
    assert run.plan == TrainingPlan(warmup_steps=5, blend_steps=2)
    assert set(run.where) == {"warmup_steps", "blend_steps"}


def test_an_option_may_need_what_the_file_gives(read):
    blend = plan_from_options({"blend_steps": 2})
    band = plan_from_options({"loss": "pauc", "alpha": 0.2})
    assert overlay(read("warmup_steps: 5\n"), blend).plan.blend_steps == 2
    assert overlay(read("beta: 0.3\n"), band).plan.alpha == 0.2
    with pytest.raises(InputError, match=r"^--blend-steps: expected warmup_steps"):
        overlay(PlannedRun(plan=TrainingPlan()), blend)
    with pytest.raises(InputError, match=r"^--alpha: expected alpha below beta"):
        overlay(PlannedRun(plan=TrainingPlan()), band)


def test_an_option_that_does_not_fit_the_file_is_refused(read):
    file = read("loss: pauc\nalpha: 0.2\nbeta: 0.3\n")
    with pytest.raises(InputError, match=r"expected alpha below beta, but got alpha 0\.2 and beta 0\.1"):
        overlay(file, plan_from_options({"beta": 0.1}))


# Documentation --------------------------------------------------------------------------------------


def test_schema_tells_every_field_once():
    lines = plan_schema().splitlines()
    for name, spec in PLAN_FIELDS.items():
        assert lines.count(f"  {name}: {spec.metadata['help']}") == 1
        assert spec.metadata["group"] in lines
    assert "      number, in share, above 0 and below 1; as 0.01" in lines


@pytest.mark.parametrize("name", list(PLAN_FIELDS))
def test_the_example_of_every_field_is_valid(read, name):
    steps = "warmup_steps: 9\n" if name == "blend_steps" else ""
    assert name in read(f"{steps}{name}: {PLAN_FIELDS[name].metadata['example']}\n").plan.known()


@pytest.mark.parametrize("loss", LOSSES)
def test_examples_read_back_clean(read, loss):
    text = example_plan(loss)
    run = read(text)
    assert run.plan.loss == loss
    assert len(run.plan.known()) >= 10
    for line in text.splitlines():
        assert not line or line.startswith("#") or "  # " in line


def test_example_of_an_unknown_loss():
    assert example_plan("BCEWithLogitsLoss") == example_plan("bce")
    with pytest.raises(InputError, match="did you mean 'smooth-ap'"):
        example_plan("smooth-app")

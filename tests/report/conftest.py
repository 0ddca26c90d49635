"""Hand-made diagnoses: one of a check with everything in it, one of advice, one without an answer."""

import pytest

from imbalance_doctor.diagnose import Diagnosis, Exit, Suppressed, Unread
from imbalance_doctor.engine.base import Finding, Merit, Unknown
from imbalance_doctor.evidence import Location, TrainingPlan
from imbalance_doctor.facts.base import Facts
from imbalance_doctor.facts.labels import Labels
from imbalance_doctor.facts.pool import Pool
from imbalance_doctor.recommend.base import Alternative, Choice, Question, Recommendation

STARVED = Finding(
    rule="pool-starved-of-positives",
    title="A ranking pool holds too few positives to rank",
    severity="error",
    confidence="high",
    message="A pool of 1,280 rows holds 2.6 positives on average.",
    why="Below 5 positives the AP estimate is noise. Its spread is about its size.\n\nMeasured on four sets.",
    remedy="Raise queue_size to the suggested value.",
    covers=("AP-3", "AP-5"),
    cause="pool-without-positives",
    facts={"pool.expected_positives": 2.5600000000000005, "pool.size": 1280},
    suggest={"queue_size": 2304.0},
    where=Location(path="train.py", line=42, column=11),
)
COLD = Finding(
    rule="temperature-cold-for-the-scores",
    title="The temperature is small against the spread of the scores",
    severity="warning",
    confidence="medium",
    message="A temperature of 0.01 is 0.4 % of a score spread of 2.5.",
    remedy="Start at 0.25.",
)
MINOR = Finding(
    rule="cap-without-need",
    title="The pool cap never acts",
    severity="note",
    confidence="low",
    message="A cap of 8,192 rows is above the pool of 1,280.",
    run="train.py:42 SmoothAPLoss",
)
UNKNOWN = (
    Unknown(
        rule="noise-above-what-ranking-bears",
        severity="error",
        missing=("plan.label_noise",),
        because="plan.label_noise is not given",
    ),
    Unknown(
        rule="memory-over-budget",
        severity="error",
        missing=("plan.memory_budget",),
        because="plan.memory_budget is not given",
    ),
    Unknown(
        rule="drift-within-rotation",
        severity="warning",
        missing=("plan.label_noise", "plan.learning_rate"),
        because="plan.learning_rate is not given",
    ),
    Unknown(rule="spread-undefined", severity="note", missing=(), because="pool.ap_spread is undefined"),
)


@pytest.fixture
def checked() -> Diagnosis:
    """A check with a finding of each severity, unknowns, a suppression and a stale entry."""
    return Diagnosis(
        subject=("y.npy", "train.py"),
        facts=Facts(
            plan=TrainingPlan(loss="smooth-ap", batch_size=256, queue_size=1024, world_size=1),
            labels=Labels(
                rows=99_000,
                ignored=1000,
                task="binary",
                num_classes=2,
                classes_absent=0,
                focus_class="1",
                positives=198,
                prevalence=0.002,
                prevalence_low=0.00174,
                prevalence_high=0.0023,
                class_counts=(98802.0, 198.0),
            ),
            pool=Pool(size=1280, expected_positives=2.5600000000000005),
        ),
        findings=(STARVED, COLD, MINOR),
        unknown=UNKNOWN,
        passed=("gamma-between-zero-and-one", "queue-older-than-the-model"),
        not_applicable={"quantile-below-prevalence": "it speaks of recall-at-quantile"},
        suppressed=(
            Suppressed(
                finding=Finding(
                    rule="batch-without-positives",
                    title="Most batches hold no positive",
                    severity="warning",
                    confidence="high",
                    message="60 % of the batches hold no positive.",
                ),
                reason="the sampler is stratified",
                source="pyproject.toml",
            ),
        ),
        stale=("suppression of old-rule in pyproject.toml matches no finding; remove it",),
        assumptions=("class 1 is the positive one",),
        unread=(
            Unread(
                field="label_noise",
                because="'cfg.noise' is only known when the script runs",
                where=Location(path="train.py", line=7, column=3),
            ),
            Unread(field="learning_rate", because="'sys.argv' is only known when the script runs"),
            Unread(field="memory_budget", because="'sys.argv' is only known when the script runs"),
        ),
        exit=Exit(code=1, why="1 finding at or above error"),
    )


@pytest.fixture
def advised() -> Diagnosis:
    """Advice that can be followed."""
    plan = TrainingPlan(loss="smooth-ap", batch_size=256, queue_size=16384, temperature=0.05)
    merit = Merit(
        rule="ap-gains-at-moderate-rarity",
        loss="smooth-ap",
        value=0.031,
        low=0.012,
        high=0.05,
        unit="average_precision",
        basis="measured",
        message="Average precision decides, and positives are rare enough that ranking pays.",
    )
    return Diagnosis(
        subject=("y.npy",),
        facts=Facts(plan=plan, pool=Pool(size=16640)),
        unknown=UNKNOWN[:1],
        passed=("pool-starved-of-positives",),
        recommendation=Recommendation(
            feasible=True,
            plan=plan,
            choices={
                "loss": Choice(value="smooth-ap", because=(f"{merit.rule}: {merit.message}",)),
                "queue_size": Choice(
                    value=16384,
                    low=9744,
                    high=65536,
                    because=(
                        "the smallest that holds 20 positives",
                        "pool-starved-of-positives: bounds it from below; just beyond: it starves",
                        "queue-older-than-the-model: bounds it from above; just beyond: it ages",
                    ),
                ),
                "max_pool_size": Choice(value=None, because=("no cap: the whole pool fits",)),
                "temperature": Choice(value=0.05, low=0.01, because=("a hundredth of the score range",)),
            },
            alternatives=(
                Alternative(loss="bce", why_not="It gives up 0.03 average precision. Measured.", plan=plan),
                Alternative(
                    loss="recall-at-quantile",
                    why_not="quantile-below-prevalence: 0.1 % lies inside the positives.",
                    bytes=65536.0,
                ),
            ),
            merits=(merit,),
            expected_gain="+0.031 average precision against plain BCE, "
            "95 % interval +0.012 to +0.050 (measured)",
            assumed=("batch_size 256 (not given)",),
            question=Question(
                fields=("baseline_roc_auc", "baseline_metric"),
                text="How good is a tuned baseline?",
                effect="the loss would become bce for baseline_roc_auc 0.9 and baseline_metric 0.2",
            ),
            costs={
                "cost.bytes_planned": 2048.0,
                "cost.queue_bytes": 34816.0,
                "cost.operations_dense": 256.0,
            },
            code={"imbalanced_losses": "loss_fn = SmoothAPLoss(num_classes=1)\n", "other": "other_code()"},
        ),
    )


@pytest.fixture
def stuck() -> Diagnosis:
    """Advice that cannot be met."""
    return Diagnosis(
        subject=("y.npy",),
        passed=("pool-holds-only-positives",),
        recommendation=Recommendation(
            feasible=False,
            plan=TrainingPlan(loss="smooth-ap", queue_size=64),
            blockers=(STARVED,),
            remedies=(
                "queue_size 4096 instead of 64 would do",
                "pool-starved-of-positives: Raise queue_size to the suggested value.",
            ),
        ),
        exit=Exit(code=1, why="no plan meets every rule: pool-starved-of-positives"),
    )

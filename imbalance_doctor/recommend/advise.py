"""From labels and whatever the user has fixed to a recommendation.

A recommendation is `check` run backwards: the losses are ordered by what they are worth on this
problem (selection rules), for each a plan is sought under which no error or warning fires, and the
first loss that has one wins. Every value reports how far it may move and which rule stops it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from imbalance_doctor.engine.base import Finding, Merit
from imbalance_doctor.engine.loader import Rule
from imbalance_doctor.errors import InputError
from imbalance_doctor.evidence import (
    RANKING_LOSSES,
    LabelCounts,
    PlannedRun,
    TrainingPlan,
)
from imbalance_doctor.facts.base import Facts
from imbalance_doctor.recommend.base import Alternative, Choice, Recommendation
from imbalance_doctor.recommend.code import code_for, mines
from imbalance_doctor.recommend.proposal import Proposal, caution, proposals
from imbalance_doctor.recommend.question import most_telling_question
from imbalance_doctor.recommend.search import Bench, badness, below, boundary, cheapest_silent, repair

BASELINES = {"binary": "bce", "multilabel": "bce", "multiclass": "ce"}
REPAIRABLE = (
    "batch_size",
    "queue_size",
    "temperature",
    "quantile",
    "beta",
    "memory_budget",
    "learning_rate",
    "gamma",
)


def recommend(rules: Sequence[Rule], run: PlannedRun, *, labels: LabelCounts | None = None) -> Recommendation:
    """Recommend a plan.

    Parameters
    ----------
    rules
        The rules that judge, selection rules included.
    run
        What the user has fixed; everything else may be chosen.
    labels
        The label counts. Without them ``run.plan.prevalence`` must be given.

    Raises
    ------
    InputError
        Neither labels nor a prevalence.
    """
    fixed = run.plan
    if labels is None and fixed.prevalence is None:
        raise InputError(
            "expected labels to recommend for, but got none",
            hint="give --labels FILE, or --prevalence",
        )
    of_plans = [rule for rule in rules if not rule.inputs & {"log", "scores"}]  # the others judge runs
    bench = Bench(of_plans, labels)
    task = problem(fixed, bench.facts(fixed))
    assumed: list[str] = []
    goal = fixed
    if goal.metric is None:
        goal = goal.replace(metric="f1" if task == "multiclass" else "average_precision")
        assumed.append(f"metric {goal.metric} (not given)")
    members = {n: p for n, p in proposals().items() if task in p.tasks}
    judgement = bench.merits(_start(members[BASELINES[task]], goal, bench))
    merits = _cautious(judgement.merits)
    order = _order(members, merits, BASELINES[task], goal)

    settled: dict[str, TrainingPlan] = {}
    chosen: TrainingPlan | None = None
    for loss in order:
        settled[loss] = _settle(members[loss], goal, bench)
        if bench.silent(settled[loss]):
            chosen = settled[loss]
            break
    if chosen is None:
        return _infeasible(bench, members, order, settled, goal, merits, assumed)

    proposal = members[chosen.loss or ""]
    chosen = _tighten(chosen, fixed, bench)
    facts = bench.facts(chosen)
    return Recommendation(
        feasible=True,
        plan=chosen,
        choices=_choices(proposal, chosen, fixed, bench, merits),
        alternatives=_alternatives(members, merits, chosen, goal, settled, bench),
        merits=judgement.merits,
        gain=merits.get(chosen.loss or ""),
        expected_gain=_gain(merits, chosen.loss or ""),
        assumed=(*assumed, *_assumed_settings(proposal, chosen, fixed)),
        question=most_telling_question(
            lambda answer: _preferred(goal.replace(**answer), members, task, bench),
            fixed,
            chosen.loss or "",
        ),
        costs=_costs(facts),
        code=code_for(chosen, facts),
    )


def problem(plan: TrainingPlan, facts: Facts) -> str:
    """Return the kind of problem: ``binary``, ``multiclass`` or ``multilabel``.

    Raises
    ------
    InputError
        A regression task: no loss here is for one.
    """
    if plan.task == "regression":
        raise InputError(
            "expected a classification task, but got regression",
            where="--task",
            hint="these losses need classes; use a regression loss",
        )
    if plan.task == "detection":
        return "multiclass" if (plan.num_classes or 1) > 1 else "binary"
    return str(plan.task or facts.value("labels.task") or "binary")


def _start(proposal: Proposal, goal: TrainingPlan, bench: Bench) -> TrainingPlan:
    """Fill a proposal's starting values into what the user has not fixed."""
    plan = goal.replace(loss=proposal.loss)
    for field, setting in proposal.settings.items():
        if getattr(goal, field) is None:
            plan = plan.replace(**{field: setting.resolve(field, bench.facts(plan))})
    if proposal.loss in RANKING_LOSSES:
        classes = bench.facts(plan).value("labels.num_classes") or 1
        task = bench.facts(plan).value("labels.task")
        if plan.num_classes is None:
            plan = plan.replace(num_classes=1 if task == "binary" else classes)
        if (plan.world_size or 1) > 1 and plan.gather_distributed is None:
            plan = plan.replace(gather_distributed=True)
        if plan.queue_size is None:
            plan = plan.replace(queue_size=0)
    return plan


def _settle(proposal: Proposal, goal: TrainingPlan, bench: Bench, *, briefly: bool = False) -> TrainingPlan:
    """Find the cheapest silent plan of one loss, or the least bad one; `briefly` moves one field only."""
    start = _start(proposal, goal, bench)
    moves: list[tuple[str, Sequence[Any]]] = []
    for field, values in proposal.moves:
        if getattr(goal, field) is None:
            first = getattr(start, field)
            later = [v for v in values if first not in values or v != first]
            if field == "batch_size":
                later = [v for v in later if v > first]
            moves.append((field, (first, *later)))
    if briefly:
        del moves[1:]
    rows = bench.facts(start).value("labels.rows")
    if rows is not None:
        # A queue longer than the data only repeats them.
        moves = [
            (
                f,
                [*(v for v in values if v < rows), rows]
                if f == "queue_size" and values[-1] > rows
                else values,
            )
            for f, values in moves
        ]
    return cheapest_silent(bench, start, moves)


def _tighten(plan: TrainingPlan, fixed: TrainingPlan, bench: Bench) -> TrainingPlan:
    """Keep the round queue size the search found when notes fall silent with it, else the next one up.

    Errors and warnings bound the queue from below; a note that a queue twice or four times the size
    would spare is worth the few bytes a queue costs.
    """
    if plan.loss not in RANKING_LOSSES or fixed.queue_size is not None or not plan.queue_size:
        return plan
    best, fewest = plan, len(bench.notes(plan))
    for factor in (2, 4):
        larger = plan.replace(queue_size=plan.queue_size * factor)
        if not bench.silent(larger):
            break
        if len(bench.notes(larger)) < fewest:
            best, fewest = larger, len(bench.notes(larger))
    return best


def _cautious(merits: Sequence[Merit]) -> dict[str, Merit]:
    """Keep the most cautious merit per loss: any reason against counts."""
    worst: dict[str, Merit] = {}
    for merit in merits:
        if merit.loss not in worst or merit.value < worst[merit.loss].value:
            worst[merit.loss] = merit
    return worst


def _order(
    members: Mapping[str, Proposal], merits: Mapping[str, Merit], baseline: str, goal: TrainingPlan
) -> list[str]:
    """Order the losses to try: those whose gain is beyond doubt, best first, then the baseline."""
    if goal.loss is not None:
        if goal.loss not in members:
            raise InputError(
                f"expected a loss for this kind of problem ({', '.join(sorted(members))}), "
                f"but got '{goal.loss}'",
                where="--loss",
            )
        return [goal.loss]
    gains = [m for loss, m in merits.items() if m.low > 0 and loss in members]
    gains.sort(key=lambda m: (-m.value, m.loss))
    return [*(m.loss for m in gains), baseline]


def _preferred(goal: TrainingPlan, members: Mapping[str, Proposal], task: str, bench: Bench) -> str:
    """Return the loss that would be recommended under `goal`, its queue searched only briefly."""
    baseline = BASELINES[task]
    merits = _cautious(bench.merits(_start(members[baseline], goal, bench)).merits)
    order = _order(members, merits, baseline, goal)
    for loss in order:
        if bench.silent(_settle(members[loss], goal, bench, briefly=True)):
            return loss
    return order[-1]


def _choices(
    proposal: Proposal,
    plan: TrainingPlan,
    fixed: TrainingPlan,
    bench: Bench,
    merits: Mapping[str, Merit],
) -> dict[str, Choice]:
    choices = {"loss": Choice(value=plan.loss, because=_why_loss(plan, fixed, merits))}
    fields = ["queue_size", "max_pool_size", *proposal.settings]
    start = _start(proposal, fixed.replace(loss=None), bench)
    moved = {
        name: getattr(start, name)
        for name, _ in proposal.moves
        if name != "queue_size" and getattr(fixed, name) is None
    }
    for field in dict.fromkeys(fields):
        value = getattr(plan, field)
        because = ["given by you"] if getattr(fixed, field) is not None else []
        if field in proposal.settings and not because:
            because.append(proposal.settings[field].reason(bench.facts(plan)))
        low = high = None
        if field in proposal.intervals and value is not None:
            lower = (
                below(bench, plan, field)
                if field == "queue_size"
                else boundary(bench, plan, field, upwards=False)
            )
            upper = boundary(bench, plan, field, upwards=True)
            low, high = lower.value, upper.value
            because += [_bound("below", f) for f in lower.findings]
            because += [_bound("above", f) for f in upper.findings]
        if field in moved and value != moved[field]:
            other = "none" if moved[field] is None else moved[field]
            because = [
                f"with {field} {other}: {f.rule}: {f.message}"
                for f in bench.findings(plan.replace(**{field: moved[field]}))
            ]
        if plan.loss not in RANKING_LOSSES and field in ("queue_size", "max_pool_size"):
            value = 0 if field == "queue_size" else None
            looks = "mines each batch" if mines(plan) else "looks at each row"
            because = [f"{plan.loss} {looks} by itself: it has no pool"]
        elif field == "max_pool_size" and value is None:
            because = ["no cap: the whole pool fits, and a cap changes the prevalence the loss sees"]
        if value is not None or field in ("queue_size", "max_pool_size"):
            choices[field] = Choice(value=value, low=low, high=high, because=tuple(because))
    return choices


def _bound(side: str, finding: Finding) -> str:
    return f"{finding.rule}: bounds it from {side}; beyond: {finding.message}"


def _why_loss(plan: TrainingPlan, fixed: TrainingPlan, merits: Mapping[str, Merit]) -> tuple[str, ...]:
    merit = merits.get(plan.loss or "")
    given = ("given by you",) if fixed.loss is not None else ()
    return (*given, *((f"{merit.rule}: {merit.message}",) if merit else ()))


def _gain(merits: Mapping[str, Merit], loss: str) -> str:
    merit = merits.get(loss)
    if merit is None:
        return "what this loss is worth here against plain BCE or CE has not been measured"
    beyond = caution("beyond_the_loss") if merit.value < float(caution("beyond_the_loss_below")) else ""
    if merit.value == merit.low == merit.high == 0:
        return f"none: it is the baseline that other losses are measured against. {beyond}"
    gain = (
        f"{merit.value:+.3f} {merit.unit.replace('_', ' ')} against {merit.against} ({merit.basis}), "
        f"{merit.range} {merit.low:+.3f} to {merit.high:+.3f}"
    )
    if merit.one_low is not None and merit.one_high is not None:
        gain += f"; on a single data set {merit.one_low:+.3f} to {merit.one_high:+.3f} in nine of ten"
    elif merit.basis == "measured" and merit.unit in ("average_precision", "average precision"):
        gain += f". {caution('single_data_set').removesuffix('.')}"
    return f"{gain}. {beyond}".rstrip()


def _alternatives(
    members: Mapping[str, Proposal],
    merits: Mapping[str, Merit],
    chosen: TrainingPlan,
    goal: TrainingPlan,
    settled: Mapping[str, TrainingPlan],
    bench: Bench,
) -> tuple[Alternative, ...]:
    found = []
    free = goal if goal.loss is None else goal.replace(loss=None)
    for loss in sorted(set(members) - {chosen.loss}):
        plan = settled.get(loss) or _settle(members[loss], free, bench, briefly=True)
        merit = merits.get(loss)
        blockers = bench.findings(plan)
        if blockers:
            why = f"{blockers[0].rule}: {blockers[0].message}"
        elif merit is not None:
            why = merit.message
        else:
            why = "nothing in these labels speaks for it"
        found.append(
            Alternative(
                loss=loss,
                why_not=why,
                plan=None if blockers else plan,
                bytes=bench.facts(plan).value("cost.bytes_planned"),
            )
        )
    return tuple(found)


def _assumed_settings(proposal: Proposal, plan: TrainingPlan, fixed: TrainingPlan) -> tuple[str, ...]:
    return tuple(
        f"{field} {getattr(plan, field)} (not given)"
        for field in ("batch_size", "world_size", "precision")
        if field in proposal.settings and getattr(fixed, field) is None
    )


def _costs(facts: Facts) -> dict[str, float]:
    names = ("cost.bytes_planned", "cost.queue_bytes", "cost.operations_dense")
    return {name: value for name in names if (value := facts.value(name)) is not None}


def _infeasible(
    bench: Bench,
    members: Mapping[str, Proposal],
    order: Sequence[str],
    settled: Mapping[str, TrainingPlan],
    goal: TrainingPlan,
    merits: Mapping[str, Merit],
    assumed: Sequence[str],
) -> Recommendation:
    # Equally bad losses: the baseline, which stands last, is the least surprising one to speak of.
    loss = min(reversed(order), key=lambda name: badness(bench, settled[name]))
    plan = settled[loss]
    blockers = bench.findings(plan)

    def settle(changed: TrainingPlan) -> TrainingPlan:
        return _settle(members[loss], changed, bench, briefly=True)

    remedies = []
    tried = {field for field, _ in members[loss].moves if getattr(goal, field) is None}
    for field in REPAIRABLE:
        if getattr(plan, field) is not None and field not in tried:
            value = repair(bench, plan.replace(**dict.fromkeys(tried)), field, settle)
            if value is not None:
                remedies.append(f"{field} {value:g} instead of {getattr(plan, field):g} would do")
    remedies += [f"{f.rule}: {f.remedy}" for f in blockers if f.remedy]
    return Recommendation(
        feasible=False,
        plan=plan,
        merits=tuple(merits.values()),
        assumed=tuple(assumed),
        blockers=blockers,
        remedies=tuple(remedies),
    )

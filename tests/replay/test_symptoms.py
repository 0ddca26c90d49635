"""Every symptom appears, and vanishes without its cause; the command; the rules that name it."""

import functools
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

torch = pytest.importorskip("torch")

from imbalance_doctor import cli  # noqa: E402
from imbalance_doctor.engine import load_rules  # noqa: E402
from imbalance_doctor.errors import InputError  # noqa: E402
from imbalance_doctor.replay.symptoms import (  # noqa: E402
    _parts,
    _workers,
    base,
    find,
    focal_gradient_not_finite,
    focal_training_turns_nan,
    reproduce,
    symptoms,
)

KNOWN = symptoms()
CATALOGUE = yaml.safe_load((Path(__file__).parents[1] / "catalogue_ids.yaml").read_text())
FAULTS = [f"B{n}" for n in range(1, 27)]
MUST = [f"DX-{n}" for n in range(1, 14)] + ["ST-1", "ST-3", "X-1", "X-2", "X-3", *FAULTS]


def _need(name):
    if KNOWN[name].reference:
        pytest.importorskip("imbalanced_losses")


@pytest.mark.parametrize("name", KNOWN)
def test_appears_and_vanishes_without_its_cause(name):
    _need(name)
    with_cause, without = reproduce(name), reproduce(name, with_cause=False)
    assert with_cause.appears is True, with_cause
    assert without.appears is False, without
    assert with_cause.seen != without.seen
    assert with_cause.expected


@pytest.mark.parametrize(
    "name", ["threshold-jumps", "cap-drops-live-positives", "row-offsets-change-the-ranking"]
)
def test_what_is_drawn_does_not_depend_on_what_went_before(name):
    _need(name)
    torch.manual_seed(5)
    state, threads = torch.random.get_rng_state(), torch.get_num_threads()
    first = reproduce(name)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.get_num_threads() == threads
    torch.rand(3)
    assert reproduce(name) == first


SEEDED = [name for name, symptom in KNOWN.items() if isinstance(symptom.rows, functools.partial)]
TRAINED = (
    "focal-training-turns-nan",
    "scores-run-away",
    "smooth-ap-below-cross-entropy",
    "training-rows-rank-worse",
)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("name", SEEDED)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_it_is_no_luck_of_the_seed(name, seed):
    _need(name)
    symptom = KNOWN[name]
    for with_cause in (True, False):
        torch.manual_seed(seed)
        assert symptom.show(symptom.rows(seed=seed), with_cause).appears is with_cause


@pytest.mark.parametrize("name", TRAINED)
def test_training_from_another_start_shows_it_too(name, monkeypatch):
    symptom, start = KNOWN[name], torch.manual_seed
    rows = symptom.rows()
    rows = rows.take(torch.randperm(len(rows), generator=torch.Generator().manual_seed(9)))
    monkeypatch.setattr(torch, "manual_seed", lambda seed: start(seed + 7))
    assert symptom.show(rows, True).appears is True
    assert symptom.show(rows, False).appears is False


def test_all_that_must_be_shown_is_covered():
    covered = {i for symptom in KNOWN.values() for i in symptom.covers}
    assert not set(MUST) - covered
    assert not covered - set(CATALOGUE) - set(FAULTS)


def test_faults_of_the_reference_need_it():
    bundled = {"B21", "B26"}  # properties of every such loss, not of one library
    for name, symptom in KNOWN.items():
        faults = set(symptom.covers) & set(FAULTS)
        assert symptom.reference == bool(faults - bundled), name


def test_claims_are_single_sentences_of_their_own():
    claims = [symptom.claim for symptom in KNOWN.values()]
    assert len(set(claims)) == len(claims)
    for claim in claims:
        assert claim.endswith(".")
        assert not re.search(r"[.!?] [A-Z]", claim), claim
    assert all(re.fullmatch("[a-z]+(-[a-z]+)*", name) for name in KNOWN)  # rules can name it


def test_rules_name_symptoms_that_exist_and_show_what_they_cover():
    named = {rule.id: rule for rule in load_rules() if rule.reproduce}
    assert len(named) > 50
    for rule in named.values():
        assert not rule.covers or set(rule.covers) & set(find(rule.reproduce).covers), rule.id


def test_every_symptom_of_the_documents_is_named_by_a_rule():
    named = {name for rule in load_rules() if (name := rule.reproduce)}
    shown = {i for name in named for i in KNOWN[name].covers}
    assert not set(MUST) - set(FAULTS) - shown


# -- the focal losses, number by number -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dtype", "positive", "negative"),
    [
        (torch.float64, 36.75, 37.45),
        (torch.float32, 16.65, 17.35),
        (torch.float16, 8.35, 8.35),
        (torch.bfloat16, 6.25, 6.25),
    ],
)
@pytest.mark.parametrize("gamma", [0.25, 0.5, 0.75])
def test_st1_first_logit_without_a_finite_gradient(dtype, positive, negative, gamma):
    rows = _parts.grid()
    first = focal_gradient_not_finite._first
    assert first(rows.take(rows.targets == 1), dtype, gamma, "plain") == pytest.approx(positive)
    assert first(rows.take(rows.targets == 0), dtype, gamma, "plain") == pytest.approx(negative)
    assert first(rows, dtype, gamma, "epsilon") == first(rows, dtype, gamma, "bundled") == float("inf")


@pytest.mark.parametrize("gamma", [0.0, 1.0, 2.0, 3.0, 4.0, 5.0])
@pytest.mark.parametrize("dtype", focal_gradient_not_finite._DTYPES.values())
def test_st1_whole_gammas_stay_finite(dtype, gamma):
    assert focal_gradient_not_finite._first(_parts.grid(), dtype, gamma, "plain") == float("inf")


def test_st1_training_without_scikit_learn(monkeypatch):
    monkeypatch.setattr(focal_training_turns_nan, "find_spec", lambda _: None)
    assert reproduce("focal-training-turns-nan").appears is True
    assert reproduce("focal-training-turns-nan", with_cause=False).appears is False


def test_plain_focal_is_the_formula():
    x = torch.tensor([0.3, -1.2], dtype=torch.float64)
    found = _parts.plain_focal(x, torch.tensor([1, 0]), 1.5).tolist()
    p, q = 1 / (1 + np.exp(-0.3)), 1 / (1 + np.exp(-1.2))
    assert found == pytest.approx([-np.log(p) * (1 - p) ** 1.5, -np.log(q) * (1 - q) ** 1.5], rel=1e-12)


def test_average_precision_is_that_of_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    rows = _parts.binary(300)
    expected = metrics.average_precision_score(rows.targets, rows.scores)
    assert _parts.average_precision(rows.scores, rows.targets) == pytest.approx(expected, abs=1e-12)


# -- simulated workers -----------------------------------------------------------------------------------


def test_workers_gather_in_the_order_of_ranks():
    import torch.distributed as dist

    def work(rank):
        parts = [torch.zeros(2) for _ in range(3)]
        dist.all_gather(parts, torch.full((2,), float(rank)))
        return dist.get_rank(), torch.stack(parts)[:, 0].tolist()

    assert _workers.workers(3, work) == [(rank, [0.0, 1.0, 2.0]) for rank in range(3)]
    assert not dist.is_initialized()


def test_a_worker_that_fails_ends_all():
    import torch.distributed as dist

    def work(rank):
        if rank:
            raise ValueError("no")
        dist.all_gather([torch.zeros(1)] * 2, torch.zeros(1))

    with pytest.raises(ValueError, match="no"):
        _workers.workers(2, work)


# -- other scores ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name, symptom in KNOWN.items() if symptom.takes_scores])
def test_scores_of_others_are_taken(name, make_dump, rows):
    _need(name)
    result = reproduce(name, make_dump(*rows(12_000, prevalence=0.04), block=5000))
    assert isinstance(result.appears, bool)
    assert result.source == "run.npz"
    assert result.seen


def test_given_scores_decide(make_dump, rows):
    scores, targets = rows(2000)
    name = "saturated-scores-foretell-nan"
    assert reproduce(name, make_dump(scores, targets)).appears is False
    assert reproduce(name, make_dump(scores * 10, targets)).appears is True
    assert reproduce(name, make_dump(scores * 10, targets), with_cause=False).appears is False


def test_rows_made_for_a_symptom_are_not_replaced(make_dump, rows):
    with pytest.raises(InputError, match="leave --scores out"):
        reproduce("focal-gradient-not-finite", make_dump(*rows(100)))


def test_too_few_negatives_are_told(make_dump, rows):
    with pytest.raises(InputError, match="at least 50 negatives"):
        reproduce("band-of-one-negative", make_dump(*rows(60, prevalence=0.5)))


def test_of_several_classes_the_rarest_is_taken(make_dump):
    scores = np.arange(40.0).reshape(10, 4)
    targets = np.array([0, 0, 0, 0, 2, 2, 1, 1, 1, -100])  # no row of class 3
    found = base.rows_of(make_dump(scores, targets, block=4))
    assert found.scores.tolist() == scores[:9, 2].tolist()
    assert found.targets.tolist() == [0, 0, 0, 0, 1, 1, 0, 0, 0]


def test_probabilities_become_logits(make_dump):
    found = base.rows_of(make_dump(np.array([0.5, 0.9]), np.array([0, 1]), scale="probabilities"))
    assert found.scores.tolist() == pytest.approx([0, np.log(9)])


def test_one_label_of_several_is_taken(make_dump):
    targets = np.array([[1, 0], [1, 1], [0, 0], [-100, 0]], dtype=np.int8)
    found = base.rows_of(make_dump(np.arange(8.0).reshape(4, 2), targets))
    assert found.scores.tolist() == [1, 3, 5]
    assert found.targets.tolist() == [0, 1, 0]


def test_rows_are_bounded(make_dump, monkeypatch):
    monkeypatch.setattr(base, "_MOST_ROWS", 7)
    found = base.rows_of(make_dump(np.arange(20.0), np.arange(20) % 2, block=5))
    assert found.scores.tolist() == list(range(7))


@pytest.mark.parametrize("targets", [np.zeros(5, int), np.ones(5, int), np.full(5, -100)])
def test_one_class_is_refused(make_dump, targets):
    with pytest.raises(InputError, match="but got"):
        base.rows_of(make_dump(np.arange(5.0), targets))


@pytest.mark.parametrize(
    ("scores", "said"),
    [([0, 1, np.nan], "1 that are not"), ([0, np.inf, -np.inf], "2 that are not"), ([2, 2, 2], "all are 2")],
)
def test_scores_that_show_nothing_are_refused(make_dump, scores, said):
    with pytest.raises(InputError, match=said):
        base.rows_of(make_dump(np.array(scores, dtype=float), np.array([0, 1, 1])))


ODD = {
    "two rows": lambda x, y: ([0.0, 1.0], [0, 1]),
    "ten rows": lambda x, y: (x[:10], np.arange(10) % 2),
    "mostly positives": lambda x, y: (x, 1 - y),
    "sorted by label": lambda x, y: (x, np.sort(y)),
    "one positive": lambda x, y: (x, (np.arange(len(x)) == 5).astype(int)),
    "huge": lambda x, y: (x * 1e30, y),
    "tiny": lambda x, y: (x * 1e-30, y),
}


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("with_cause", [True, False])
def test_odd_scores_end_in_an_answer_or_one_line(make_dump, rows, odd, with_cause):
    pytest.importorskip("imbalanced_losses")
    dump = make_dump(*ODD[odd](*rows(1200)))
    for name in (name for name, symptom in KNOWN.items() if symptom.takes_scores):
        try:
            assert isinstance(reproduce(name, dump, with_cause=with_cause).appears, bool), name
        except InputError as error:
            assert "expected" in str(error)  # noqa: PT017  either will do


@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("queue-overwritten-by-broadcast", 400),
        ("gather-decided-too-early", 200),
        ("rows-gathered-twice", 200),
        ("gradient-divided-by-workers", 400),
        ("workers-print-different-losses", 512),
        ("second-pass-enters-the-queue", 500),
        ("padding-fills-the-queue", 400),
        ("gradient-spikes-at-low-temperature", 10_000),
    ],
)
def test_too_few_rows_are_told(make_dump, rows, name, least):
    _need(name)
    scores, targets = rows(least, prevalence=0.02)
    assert reproduce(name, make_dump(scores, targets)).appears
    with pytest.raises(InputError, match=f"at least {least} rows"):
        reproduce(name, make_dump(scores[1:], targets[1:]))


def test_a_loss_without_gradient_is_told(make_dump, rows):
    scores, targets = rows(2000)
    with pytest.raises(InputError, match="a gradient, but it is 0 everywhere"):
        reproduce("gradient-rests-on-one-positive", make_dump(scores * 1e-30, targets))


def test_a_floor_needs_rare_positives(make_dump, rows):
    assert reproduce("recall-loss-at-its-floor", make_dump(*rows(1000, prevalence=0.4))).appears
    with pytest.raises(InputError, match=r"prevalence below 0\.5"):
        reproduce("recall-loss-at-its-floor", make_dump(*rows(1000, prevalence=0.6)))


# -- the command -----------------------------------------------------------------------------------------


@pytest.fixture
def run(capsys, monkeypatch):
    """Return a function that runs one command line; it gives exit code, output and error."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["imbalance-doctor", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        printed = capsys.readouterr()
        return end.value.code or 0, printed.out, printed.err

    return call


def test_list_gives_id_covers_and_claim(run):
    code, out, _ = run("reproduce", "--list", "--format", "json")
    listed = json.loads(out)
    assert code == 0
    assert list(listed) == ["symptoms"]
    assert listed["symptoms"] == [
        {"id": name, "covers": list(s.covers), "claim": s.claim} for name, s in KNOWN.items()
    ]
    for kind in ("text", "markdown"):
        assert "loss-at-chance-level" in run("reproduce", "--list", "--format", kind)[1]


def test_prints_what_was_expected_and_seen(run):
    code, out, err = run("reproduce", "loss-at-chance-level")
    assert (code, err) == (0, "")
    assert "appears" in out
    assert "0.9495" in out.split("expected:")[1].split("seen:")[0]
    assert "0.9495" in out.split("seen:")[1]


@pytest.mark.parametrize("kind", ["text", "json", "markdown"])
def test_ends_with_one_where_it_does_not_appear(run, kind):
    code, out, _ = run("reproduce", "loss-at-chance-level", "--without-cause", "-f", kind)
    assert code == 1
    if kind == "json":
        (only,) = json.loads(out)["symptoms"]
        assert only["appears"] is only["with_cause"] is False
    else:
        assert "does not appear without its cause" in out


def test_a_wrong_id_is_told_with_what_was_meant(run):
    code, out, err = run("reproduce", "loss-at-chanse-level")
    assert (code, out) == (2, "")
    assert "did you mean 'loss-at-chance-level'?" in err


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("loss-at-chance-level", "--all"),
        ("--list", "--all"),
        ("--all", "--scores", "run.npz"),
        ("loss-at-chance-level", "--scores-are", "logits"),
        ("loss-at-chance-level", "--scores", "missing.npz"),
        ("loss-at-chance-level", "--format", "junit"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(run, arguments):
    code, out, err = run("reproduce", *arguments)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1


def test_scores_of_a_file(run, tmp_path, rows):
    scores, targets = rows(2000)
    file = tmp_path / "run.npz"
    np.savez(file, scores=scores * 10, targets=targets)
    arguments = ("reproduce", "gamma-one-half-as-a-cure", "--scores", file, "--scores-are", "logits")
    code, out, _ = run(*arguments)
    assert code == 0
    assert str(file)[:20] in out
    np.savez(file, scores=scores, targets=targets)
    assert run(*arguments)[0] == 1


def test_without_the_reference_it_is_skipped(run, monkeypatch):
    monkeypatch.setattr(base, "find_spec", lambda _: None)
    code, out, _ = run("reproduce", "padding-poisons-focal", "-f", "json")
    (only,) = json.loads(out)["symptoms"]
    assert code == 3
    assert only["skipped"] == "needs imbalanced-losses"
    assert only["appears"] is None
    assert "skipped: needs imbalanced-losses" in run("reproduce", "padding-poisons-focal")[1]


def test_all_ends_as_the_worst_of_them(run, monkeypatch):
    few = {name: KNOWN[name] for name in ("loss-at-chance-level", "padding-poisons-focal")}
    monkeypatch.setattr(base, "symptoms", lambda: few)
    monkeypatch.setattr(base, "find_spec", lambda _: None)
    code, out, _ = run("reproduce", "--all")
    assert code == 3
    assert "2 symptoms: 1 appear, 0 do not, 1 skipped." in out
    assert run("reproduce", "--all", "--without-cause")[0] == 1


def test_a_rule_shows_the_command(run):
    code, out, _ = run("rules", "explain", "unstable-gamma")
    assert code == 0
    assert "imbalance-doctor reproduce focal-gradient-not-finite" in " ".join(out.split())

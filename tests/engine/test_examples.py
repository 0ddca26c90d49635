"""Rules test themselves: examples are run, missing kinds are named, and mutants must not survive."""

import runpy
from pathlib import Path

import pytest

from imbalance_doctor.engine import check_rule, gaps, mutants, run_examples, test_directory
from imbalance_doctor.engine.loader import read_rule
from imbalance_doctor.errors import RuleError

BAD = runpy.run_path(str(Path(__file__).with_name("malformed.py")))
GOOD, SELECTION, FILE_NAME = BAD["GOOD"], BAD["SELECTION"], BAD["FILE_NAME"]


@pytest.fixture
def rule(tmp_path):
    def rule(*swaps, base=GOOD):
        for old, new in swaps:
            assert base.count(old) == 1, old
            base = base.replace(old, new)
        path = tmp_path / FILE_NAME
        path.write_text(base)
        return read_rule(path)

    return rule


def failed(rule):
    return {r.example: (r.got, r.expected) for r in run_examples(rule) if not r.passed}


def test_a_sound_rule_passes(rule):
    assert not failed(rule())
    assert mutants(rule()) == []
    assert gaps(rule()) == ()
    assert check_rule(rule()).passed
    assert check_rule(rule(base=SELECTION)).passed


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("positives: 4.96,", "positives: 5,", {"just too few": ("passes", "fires")}),
        ("positives: 5,", "positives: 4,", {"just enough": ("fires", "passes")}),
        ("facts: {},", "facts: {plan.sampler: weighted},", {"nothing known": ("passes", "unknown")}),
        (
            "batch.expected_positives: 5, plan",
            "batch.gap: 5, plan",
            {
                "just enough": (
                    "unknown (batch.expected_positives needs labels and plan.batch_size)",
                    "passes",
                )
            },
        ),
        ("facts: {},", "facts: {plan.loss: ce},", {"nothing known": ("not-applicable", "unknown")}),
        (
            "message: 5 pos",
            "message: 4 pos",
            {"just too few": ("'5 positives; use 500.'", "'4 positives; use 500.'")},
        ),
        (
            "suggest: {batch_size: 500}",
            "suggest: {batch_size: 501}",
            {"just too few": ("suggest {'batch_size': 500}", "suggest {'batch_size': 501}")},
        ),
        (
            "suggest: {batch_size: 500}",
            "suggest: {queue_size: 500}",
            {"just too few": ("suggest {'batch_size': 500}", "suggest {'queue_size': 500}")},
        ),
    ],
)
def test_failures_say_what_came_instead(old, new, expected, rule):
    assert failed(rule((old, new))) == expected
    test = check_rule(rule((old, new)))
    assert not test.passed
    assert test.survivors == ()


def test_the_first_of_applies_to_stands_in_for_the_loss(rule):
    swap = ("applies_to: [smooth-ap, bce]", "applies_to: [bce]")
    shows = ('message: "{batch', 'message: "{plan.loss}: {batch')
    said = ("message: 5 pos", "message: 'bce: 5 pos")
    assert not failed(rule(swap, shows, said, ("use 500.\n", "use 500.'\n")))


@pytest.mark.parametrize(
    ("swaps", "survivor"),
    [
        ([("positives: 5,", "positives: 5.01,")], "when: (batch.expected_positives <= least) and "),
        ([("positives: 4.96,", "positives: 4.9,")], "least: 4.95"),
        ([("positives: 5,", "positives: 6,")], "least: 5.05"),
        ([("sampler: shuffle}", "sampler: weighted}"), ("positives: 1,", "positives: 5,")], ") or ("),
    ],
)
def test_examples_away_from_the_threshold_let_mutants_live(swaps, survivor, rule):
    message = ("    message: 5 positives; use 500.\n    suggest: {batch_size: 500}\n", "")
    loose = rule(*swaps, message)
    assert not failed(loose)
    assert any(survivor in mutant for mutant in mutants(loose)), mutants(loose)
    assert check_rule(loose).survivors


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ("labels.rows < 3", {"labels.rows <= 3", "labels.rows > 3"}),
        ("labels.rows <= 3", {"labels.rows < 3", "labels.rows >= 3"}),
        ("labels.rows > 3", {"labels.rows >= 3", "labels.rows < 3"}),
        ("labels.rows >= 3", {"labels.rows > 3", "labels.rows <= 3"}),
        ("labels.rows == 3", {"labels.rows != 3"}),
        ("labels.rows != 3", {"labels.rows == 3"}),
        ("not plan.pretrained", {"plan.pretrained"}),
        ("plan.loss in ('ce',)", {"plan.loss not in ('ce',)"}),
        ("plan.loss not in ('ce', 'bce')", {"plan.loss in ('ce', 'bce')"}),
        ("plan.pretrained and plan.stabilised", {"plan.pretrained or plan.stabilised"}),
        ("plan.pretrained or plan.stabilised", {"plan.pretrained and plan.stabilised"}),
        (
            "not (labels.rows > 3 or plan.pretrained)",
            {
                "(labels.rows > 3) or plan.pretrained",
                "not ((labels.rows > 3) and plan.pretrained)",
                "not ((labels.rows >= 3) or plan.pretrained)",
                "not ((labels.rows < 3) or plan.pretrained)",
            },
        ),
    ],
)
def test_every_mutation_is_made(when, expected, rule):
    # The only example expects nothing that a mutant could break, so all of them live and are told.
    head = GOOD[: GOOD.index("params:")] + GOOD[GOOD.index("when:") : GOOD.index("examples:")]
    for line in head.splitlines():
        if line.startswith(("when:", "message:", "suggest:")):
            head = head.replace(line + "\n", "")
    never = "examples: [{name: a, facts: {plan.loss: ce}, expect: not-applicable}]\n"
    text = head.replace("[smooth-ap, bce]", "[bce]") + f'when: "{when}"\nmessage: x\n' + never
    assert {m.removeprefix("when: ") for m in mutants(rule(base=text))} == expected


def test_params_move_both_ways_in_when_and_in_suggest(rule):
    one = GOOD[GOOD.index("  - {name: nothing known") :]
    text = GOOD[: GOOD.index("  - name: just")] + one
    told = [m for m in mutants(rule(base=text)) if not m.startswith("when")]
    assert told == ["least: 5.05", "least: 4.95"]
    only_suggested = text.replace(
        "when: batch.expected_positives < least", "when: batch.expected_positives < 5"
    )
    assert [m for m in mutants(rule(base=only_suggested)) if not m.startswith("when")] == told


@pytest.mark.parametrize(
    ("expects", "message", "found"),
    [
        (("fires", "passes", "unknown"), True, ()),
        (("fires", "passes", "unknown"), False, ("no example that fires tells the message",)),
        (("passes", "unknown"), False, ("no example fires",)),
        (("fires", "unknown"), True, ("no example passes",)),
        (("fires", "passes"), True, ("no example is unknown",)),
    ],
)
def test_missing_kinds_of_examples(expects, message, found, rule):
    told = "examples:\n" + "".join(
        f"  - {{name: {e}, facts: {{}}, expect: {e}{', message: x' if message and e == 'fires' else ''}}}\n"
        for e in expects
    )
    assert gaps(rule(base=GOOD[: GOOD.index("examples:")] + told)) == found


def test_a_definite_condition_needs_no_unknown_example(rule):
    lines = {
        "params:\n  least: {value: 5, unit: rows, why: fewer is noise}\n": "",
        "when: batch.expected_positives < least and plan.sampler == 'shuffle'": "when: not given(plan.gamma)",
        "suggest: {batch_size: ceil(least / batch.prevalence)}\n": "",
        'message: "{batch.expected_positives:.2g} positives; use {suggest.batch_size}."': "message: x",
        GOOD[GOOD.index("  - name: just") :]: "  - {name: a, facts: {}, expect: fires, message: x}\n"
        "  - {name: b, facts: {plan.gamma: 1}, expect: passes}\n",
    }
    assert check_rule(rule(*lines.items())).passed


# Directories


def test_a_directory_is_tested_file_by_file(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / FILE_NAME).write_text(GOOD)
    (tmp_path / "broken.yaml").write_text("id: broken\n")
    (tmp_path / "wrong.yaml").write_text(
        GOOD.replace("id: few-positives", "id: wrong").replace("5 pos", "6 pos")
    )
    broken, sound, wrong = test_directory(tmp_path)
    assert sound.rule == "few-positives"
    assert sound.passed
    assert len(sound.results) == 4
    assert not broken.passed
    assert broken.error.startswith(f"{tmp_path / 'broken.yaml'}:1:1: a rule expected the key 'title'")
    assert not wrong.passed
    assert not wrong.error
    assert [r.passed for r in wrong.results] == [False, True, True, True]
    assert wrong.results[0].line == 20


def test_a_directory_without_rules(tmp_path):
    with pytest.raises(RuleError, match="found none"):
        test_directory(tmp_path)

"""Facts and rules, written down."""

import json
import re

import pytest

from imbalance_doctor.diagnose import Diagnosis
from imbalance_doctor.engine.examples import ExampleResult, RuleTest
from imbalance_doctor.engine.loader import read_rule
from imbalance_doctor.engine.rulebook import load_rules
from imbalance_doctor.errors import InputError
from imbalance_doctor.facts.base import Facts, fact_specs
from imbalance_doctor.facts.labels import Labels
from imbalance_doctor.report import facts_table, rule_page
from imbalance_doctor.report.base import formats, renderer

RULE = """\
id: pool-too-dry
title: A ranking pool holds too few positives to rank
severity: error
confidence: high
applies_to: [smooth-ap]
covers: [AP-3]
params:
  least: {value: 5, unit: positives, why: "below this the estimate is noise"}
when: pool.expected_positives < least
message: "A pool of {pool.size:,} rows holds {pool.expected_positives:.2g} positives."
why: |
  First paragraph
  over two lines.

  Second paragraph.
verdict: sharpened
cause: dry-pool
remedy: Raise queue_size.
suggest: {queue_size: "ceil(least / labels.prevalence)"}
false_alarms: [Stratified batches.]
references: ["Assumptions: Smooth-AP"]
examples:
  - {name: dry, facts: {pool.expected_positives: 4.9, pool.size: 128, labels.prevalence: 0.02}, expect: fires}
  - {name: enough, facts: {pool.expected_positives: 5}, expect: passes}
  - {name: nothing known, facts: {}, expect: unknown}
"""

EXPLAINED = """\
pool-too-dry  {path}

id:            pool-too-dry
title:         A ranking pool holds too few positives to rank
severity:      error
confidence:    high
applies_to:    smooth-ap
covers:        AP-3
params:        least = 5 positives: below this the estimate is noise
when:          pool.expected_positives < least
message:       A pool of {{pool.size:,}} rows holds {{pool.expected_positives:.2g}} positives.
why:           First paragraph over two lines.
               Second paragraph.
verdict:       sharpened
cause:         dry-pool
remedy:        Raise queue_size.
suggest:       queue_size = ceil(least / labels.prevalence)
false_alarms:  Stratified batches.
references:    Assumptions: Smooth-AP

measured:      not measured

examples:
"""


@pytest.fixture
def rule(tmp_path):
    folder = tmp_path / "pool"
    folder.mkdir()
    path = folder / "pool-too-dry.yaml"
    path.write_text(RULE)
    return read_rule(path)


def test_explain_tells_everything(rule):
    text = rule_page.render_rule(rule)
    assert text.startswith(EXPLAINED.format(path=rule.path))
    rest = text[len(EXPLAINED.format(path=rule.path)) :]
    assert "pool.expected_positives" in rest
    assert "--queue-size" in rest
    assert "nothing known" in rest


@pytest.mark.parametrize("format_", ["text", "markdown"])
def test_every_statement_of_a_rule_is_on_its_page(rule, format_):
    page = " ".join(rule_page.render_rule(rule, format=format_).replace("\\", "").split())
    for words in ("A ranking pool holds too few positives to rank", "pool.expected_positives < least",
                  "5 positives", "below this the estimate is noise", "Second paragraph.", "sharpened",
                  "dry-pool", "Raise queue_size.",
                  "least / labels.prevalence", "Stratified batches.", "Assumptions: Smooth-AP", "AP-3",
                  "nothing known"):  # fmt: skip
        assert words in page, words


SELECTION = """\
id: ap-pays
title: Ranking pays
confidence: low
loss: smooth-ap
merit: {value: 0.03, low: -0.01, high: 0.05, unit: average_precision, basis: measured, MORE}
when: labels.prevalence < 0.01
message: "At a prevalence of {labels.prevalence:.2%} ranking pays."
why: Measured.
examples:
  - {name: rare, facts: {labels.prevalence: 0.001}, expect: fires}
  - {name: common, facts: {labels.prevalence: 0.1}, expect: passes}
  - {name: nothing known, facts: {}, expect: unknown}
"""


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("", "against plain BCE or CE, 95 % interval -0.01 to +0.05 (measured)"),
        (
            "against: focal loss, range: five seeds",
            "against focal loss, five seeds -0.01 to +0.05 (measured)",
        ),
    ],
)
def test_a_selection_rule_says_against_what_its_merit_was_measured(tmp_path, more, said):
    path = tmp_path / "ap-pays.yaml"
    path.write_text(SELECTION.replace(", MORE", f", {more}" if more else ""))
    selection = read_rule(path)
    text = rule_page.render_rule(selection, width=120)
    assert f"\nloss:          smooth-ap\nmerit:         +0.03 average_precision {said}\n" in text
    assert "severity" not in text
    document = json.loads(rule_page.render_rule(selection, format="json"))
    assert f"against {document['rule']['merit']['against']}, {document['rule']['merit']['range']} " in said


def test_every_key_of_a_rule_file_is_a_label(rule):
    text = rule_page.render_rule(rule)
    markdown = rule_page.render_rule(rule, format="markdown")
    for key in re.findall(r"^([a-z_]+):", RULE, re.MULTILINE):
        assert f"\n{key}:" in text
        assert f"**{key}**:" in markdown


def test_explain_as_json(rule):
    document = json.loads(rule_page.render_rule(rule, format="json"))
    assert document["version"] == 1
    assert document["rule"]["params"] == {
        "least": {"value": 5, "unit": "positives", "why": "below this the estimate is noise"}
    }
    assert document["rule"]["when"] == "pool.expected_positives < least"
    assert document["rule"]["suggest"] == {"queue_size": "ceil(least / labels.prevalence)"}
    assert document["rule"]["merit"] is None
    assert [e["expect"] for e in document["rule"]["examples"]] == ["fires", "passes", "unknown"]


def test_list(rule):
    text = rule_page.render_list([rule, rule.replace(id="a-rule", family="batch", severity="note")])
    assert (
        text.index("batch  1 rule")
        < text.index("a-rule")
        < text.index("pool  1 rule")
        < text.index("pool-too-dry")
    )
    assert "2 rules;" in text
    assert "AP-3" not in text
    assert "AP-3" in rule_page.render_list([rule], verbose=True)
    markdown = rule_page.render_list([rule], format="markdown").splitlines()
    assert markdown[2] == "| `pool-too-dry` | error | high | A ranking pool holds too few positives to rank |"
    assert [r["id"] for r in json.loads(rule_page.render_list([rule], format="json"))["rules"]] == [
        "pool-too-dry"
    ]


def test_every_shipped_rule_can_be_explained():
    for rule in load_rules():
        for format_ in ("text", "markdown", "json"):
            assert rule.id in rule_page.render_rule(rule, format=format_)


def test_outcome_of_rule_tests():
    good = RuleTest(
        rule="good",
        path="good.yaml",
        results=(ExampleResult(example="a", passed=True, got="x", expected="x"),),
    )
    bad = RuleTest(
        rule="bad", path="bad.yaml", gaps=("no example is unknown",), survivors=("least: 4.95",),
        results=(ExampleResult(example="b", passed=False, got="passes", expected="fires", line=7),),
    )  # fmt: skip
    broken = RuleTest(rule="broken", path="broken.yaml", error="broken.yaml:3: expected a rule")
    assert rule_page.render_tests([good]) == "all passed: 1 rule, 1 example\n"
    assert rule_page.render_tests([good, bad, broken]) == (
        "FAILED bad  bad.yaml\n"
        "  line 7, b:\n"
        "    expected fires\n"
        "    but got  passes\n"
        "  no example is unknown\n"
        "  no example notices this change: least: 4.95\n"
        "\n"
        "FAILED broken  broken.yaml\n"
        "  broken.yaml:3: expected a rule\n"
        "\n"
        "2 failed: 3 rules, 2 examples\n"
    )


def test_facts_as_json_are_all_there(checked):
    document = json.loads(facts_table.render(checked, format="json"))
    names = list(document["facts"])
    assert names[: len(fact_specs())] == list(fact_specs())
    assert names[len(fact_specs()) :] == ["labels.counts[0]", "labels.counts[1]"]
    assert (
        document["facts"]["labels.counts[1]"]["value"] == document["facts"]["labels.class_counts"]["value"][1]
    )
    assert document["facts"]["labels.prevalence"]["value"] == 0.002
    assert document["facts"]["labels.prevalence"]["missing"] == []
    quantile = document["facts"]["pool.quantile_rows"]
    assert (quantile["value"], quantile["missing"]) == (None, ["plan.quantile"])
    # Labels, batch and queue are given: it is undefined, and no input would change that.
    assert document["facts"]["pool.ap_spread"]["missing"] == []
    assert json.loads(facts_table.render(Diagnosis(), format="json"))["facts"]["labels.rows"]["missing"] == [
        "labels"
    ]


def test_facts_as_text(checked):
    lines = facts_table.render(checked, width=200).splitlines()
    row = {line.split()[0]: line for line in lines if line and " " in line}
    assert "99,000 rows" in row["labels.rows"]
    assert "0.2 %" in row["labels.prevalence"]
    assert "needs --quantile" in row["pool.quantile_rows"]
    assert "undefined here" in row["pool.ap_spread"]
    assert "plan.gamma" not in row
    assert "plan.batch_size" in row
    assert lines[-1].endswith("plan fields not given; --verbose names them.")
    verbose = facts_table.render(checked, width=200, verbose=True)
    assert "plan.gamma" in verbose
    for name in fact_specs():
        assert name in verbose


def test_long_vectors_are_cut_short_unless_asked():
    diagnosis = Diagnosis(facts=Facts(labels=Labels(class_counts=tuple(float(n) for n in range(100, 200)))))
    short = " ".join(facts_table.render(diagnosis, width=200).split())
    assert "106, 107 rows, and 92 more" in short
    assert "199" not in short
    assert "198, 199 rows" in " ".join(facts_table.render(diagnosis, format="markdown", verbose=True).split())


@pytest.mark.parametrize(
    ("render", "more"),
    [
        (lambda f: facts_table.render(Diagnosis(), format=f), ", prometheus"),
        (lambda f: rule_page.render_list([], format=f), ""),
    ],
)
def test_formats_that_do_not_exist_here(render, more):
    known = f"text, json, markdown{more}"
    with pytest.raises(InputError, match=f"--format: expected one of {known} here, but got 'sarif'"):
        render("sarif")


def test_formats_are_discovered():
    assert set(formats()) == {"text", "json", "markdown", "html", "github", "sarif", "junit"}
    with pytest.raises(InputError, match="did you mean 'markdown'"):
        renderer("markdwon")
    for name, render in formats().items():
        assert renderer(name) is render
    for name in ("base", "_page", "facts_table", "", "os", "../json"):
        with pytest.raises(
            InputError, match="expected one of github, html, json, junit, markdown, sarif, text"
        ):
            renderer(name)

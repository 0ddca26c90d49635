"""Rule files: good ones load as meant, malformed ones are one line that says where."""

import os
import runpy
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from imbalance_doctor.engine import loader, rulebook
from imbalance_doctor.engine.examples import check_rule
from imbalance_doctor.engine.loader import read_rule
from imbalance_doctor.engine.prepared import prepare
from imbalance_doctor.engine.rulebook import load_rules
from imbalance_doctor.errors import RuleError

BAD = runpy.run_path(str(Path(__file__).with_name("malformed.py")))
GOOD, SELECTION, FILE_NAME = BAD["GOOD"], BAD["SELECTION"], BAD["FILE_NAME"]
CASES = list(BAD["cases"]())


@pytest.fixture
def write(tmp_path):
    def write(content, name=FILE_NAME, folder="batch"):
        path = tmp_path / folder / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_malformed_rules_are_one_line_that_says_where(case, write):
    path = write(case.content)
    with pytest.raises(RuleError) as caught:
        read_rule(path)
    text = str(caught.value)
    assert case.says in text
    assert text.startswith(f"{path}:")
    assert "\n" not in text
    assert text.isprintable()
    assert len(text) < len(str(path)) + 500
    assert caught.value.line == case.line
    assert caught.value.exit_code == 2


def test_there_are_enough_of_them():
    assert len(CASES) >= 60
    assert len({case.name for case in CASES}) == len(CASES)


def test_a_good_rule_holds_everything(write):
    path = write(GOOD)
    rule = read_rule(path)
    assert rule.id == "few-positives"
    assert rule.family == "batch"
    assert rule.path == str(path)
    assert (rule.severity, rule.confidence) == ("warning", "high")
    assert rule.applies_to == ("smooth-ap", "bce")
    assert rule.params["least"].value == 5
    assert rule.params["least"].unit == "rows"
    assert rule.params["least"].why == "fewer is noise"
    assert rule.when.source == "batch.expected_positives < least and plan.sampler == 'shuffle'"
    assert str(rule.when_at) == f"{path}:9:7"
    assert rule.facts == ("batch.expected_positives", "plan.sampler", "batch.prevalence")
    assert [e.expect for e in rule.examples] == ["fires", "passes", "passes", "unknown"]
    assert [e.line for e in rule.examples] == [20, 25, 26, 27]
    assert rule.examples[0].facts["batch.expected_positives"] == 4.96
    assert rule.examples[0].suggest == {"batch_size": 500}
    assert check_rule(rule).passed


def test_a_rule_may_speak_for_further_causes(write):
    assert read_rule(write(GOOD)).also == {}
    cause = "cause: starved-batches"
    text = GOOD.replace(cause, cause + "\nalso: {stale-queue: 0.5, odd-rows: 0.25}")
    assert read_rule(write(text)).also == {"stale-queue": 0.5, "odd-rows": 0.25}


def test_a_good_selection_rule(write):
    rule = read_rule(write(SELECTION, folder="selection"))
    assert rule.loss == "smooth-ap"
    assert (rule.merit.value, rule.merit.low, rule.merit.high) == (0.02, 0.01, 0.03)
    assert rule.merit.basis == "measured"
    assert (rule.merit.against, rule.merit.range) == ("plain BCE or CE", "95 % interval")
    assert rule.severity == "note"
    assert check_rule(rule).passed


def test_a_merit_may_say_against_what_and_what_its_range_is(write):
    merit = "basis: measured, against: weighted BCE, range: 'spread of\n  three seeds'"
    text = SELECTION.replace("basis: measured", merit)
    rule = read_rule(write(text, folder="selection"))
    assert rule.merit.against == "weighted BCE"
    assert rule.merit.range == "spread of three seeds"
    assert (rule.merit.one_low, rule.merit.one_high) == (None, None)


def test_a_merit_may_say_what_a_single_data_set_shows(write):
    text = SELECTION.replace("basis: measured", "basis: measured, one_low: -0.03, one_high: 0.02")
    rule = read_rule(write(text, folder="selection"))
    assert (rule.merit.one_low, rule.merit.one_high) == (-0.03, 0.02)


@pytest.mark.parametrize(
    ("old", "new", "read"),
    [
        ("title: A batch holds too few positives", "title: on", lambda r: r.title == "on"),
        ("title: A batch holds too few positives", "title: yes", lambda r: r.title == "yes"),
        ("title: A batch holds too few positives", "title: 1:30", lambda r: r.title == "1:30"),
        ("title: A batch holds too few positives", "title: 2024-01-01", lambda r: r.title == "2024-01-01"),
        ("value: 5,", "value: 5e-3,", lambda r: r.params["least"].value == 0.005),
        ("value: 5,", "value: 5.0e+0,", lambda r: r.params["least"].value == 5.0),
        ("value: 5,", "value: -.5,", lambda r: r.params["least"].value == -0.5),
        ("unit: rows", "unit: no", lambda r: r.params["least"].unit == "no"),
    ],
)
def test_yaml_means_what_it_says(old, new, read, write):
    assert GOOD.count(old) == 1
    assert read(read_rule(write(GOOD.replace(old, new))))


@pytest.mark.parametrize("newline", ["\r\n", "\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_windows_files_are_read_too(newline, mark, write):
    content = (mark + GOOD.replace("\n", newline)).encode()
    rule = read_rule(write(content))
    assert check_rule(rule).passed
    with pytest.raises(RuleError, match=":9:7: unknown fact"):
        read_rule(write(content.replace(b"when: batch.", b"when: bach.")))


def test_a_multi_line_condition_is_one_expression(write):
    block = "when: |\n  batch.expected_positives < least\n  and plan.sampler == 'shuffle'\n"
    line = GOOD.splitlines()[8] + "\n"
    assert read_rule(write(GOOD.replace(line, block))).when == read_rule(write(GOOD)).when
    assert read_rule(write(GOOD.replace(line, block.replace("|", ">")))).when == read_rule(write(GOOD)).when


# Directories


def test_extra_rules_join_the_built_in_ones(write):
    builtin = load_rules()
    book = load_rules(extra=[write(GOOD).parents[1]])
    assert set(book.rules) == set(builtin.rules) | {"few-positives"}
    assert not book.get("few-positives").builtin
    assert len(book) == len(builtin) + 1


def test_a_single_file_may_be_given(write):
    assert "few-positives" in load_rules(extra=[write(GOOD)]).rules


@pytest.fixture
def builtin(monkeypatch, tmp_path):
    """A package whose only built-in rule is GOOD."""
    root = tmp_path / "built-in"
    (root / "batch").mkdir(parents=True)
    (root / "batch" / FILE_NAME).write_text(GOOD)
    monkeypatch.setattr(rulebook, "builtin_root", lambda: root)
    monkeypatch.setattr(rulebook, "_builtin", rulebook._builtin.__wrapped__)


@pytest.mark.usefixtures("builtin")
def test_overriding_must_be_asked_for(write):
    path = write(GOOD.replace("value: 5", "value: 6"))
    with pytest.raises(RuleError, match="taken by a built-in rule; name it as an override") as caught:
        load_rules(extra=[path])
    assert str(caught.value).startswith(f"{path}:1: ")
    assert load_rules().get("few-positives").params["least"].value == 5
    book = load_rules(extra=[path], override=["few-positives"])
    assert book.get("few-positives").params["least"].value == 6
    assert len(book) == 1


@pytest.mark.usefixtures("builtin")
def test_an_override_that_replaces_nothing_is_an_error(write):
    with pytest.raises(RuleError, match="no such built-in rule; did you mean 'few-positives'"):
        load_rules(override=["few-positive"])
    with pytest.raises(RuleError, match="no rule given replaces it"):
        load_rules(override=["few-positives"])
    other = write(GOOD.replace("id: few-positives", "id: other"), name="other.yaml")
    with pytest.raises(RuleError, match="no rule given replaces it"):
        load_rules(extra=[other], override=["few-positives"])


def test_two_extra_rules_of_one_id(write):
    one, two = write(GOOD, folder="one"), write(GOOD, folder="two")
    with pytest.raises(RuleError, match=r"taken by another rule; first in .*one") as caught:
        load_rules(extra=[one.parents[1]])
    assert str(caught.value).startswith(f"{two}:1: ")
    with pytest.raises(RuleError, match="taken by another rule"):
        load_rules(extra=[one, one])


def test_an_unknown_rule(write):
    book = load_rules(extra=[write(GOOD)])
    with pytest.raises(RuleError, match=r"unknown rule 'few-positive'; did you mean 'few-positives'"):
        book.get("few-positive")


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda root: root / "absent", "expected a directory of rules, but there is none"),
        (lambda root: root, r"expected rule files \(\*.yaml\), but found none"),
        (lambda root: (root / "a.yml").write_text(GOOD) and root, "rename the file"),
        (lambda root: (root / "a.txt").write_text(GOOD) and root, "found none"),
        (lambda root: (root / ".hidden.yaml").write_text(GOOD) and root, "found none"),
        (lambda root: (root / "a").mkdir() or (root / "a" / "b").symlink_to(root) or root, "twice"),
        (lambda root: (root / "a.yaml").symlink_to(root / "a.yaml") or root, "a.yaml: expected a file"),
        (lambda root: (root / "a.yaml").symlink_to(root / "absent") or root, "a.yaml: expected a file"),
        (lambda root: (root / "a.yaml").mkdir() or root, "found none"),
        (lambda root: os.mkfifo(root / "a.yaml") or root, "a.yaml: expected a file"),
        (lambda _: Path("/dev/null"), "expected a directory of rules"),
    ],
)
def test_directories_that_hold_no_rules(make, says, tmp_path):
    with pytest.raises(RuleError, match=says):
        load_rules(extra=[make(tmp_path)])


def test_a_web_of_links_ends(tmp_path):
    for level in range(30):
        (tmp_path / f"{level}").mkdir()
    for level in range(29):
        for name in "ab":
            (tmp_path / f"{level}" / name).symlink_to(tmp_path / f"{level + 1}")
    with pytest.raises(RuleError, match="twice"):
        load_rules(extra=[tmp_path / "0"])


# The built-in rules take their time over examples


def _same(rule):
    return rule.replace(builtin=False, path="", family=""), rule.examples


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        GOOD + "\n# the end\n",
        GOOD.replace("\n", "\r\n"),
        GOOD[: GOOD.index("references")] + GOOD[GOOD.index("examples") :] + "references: [A paper]\n",
        GOOD.replace("examples:\n", "examples: # run as tests\n\n"),
        GOOD[: GOOD.index("  - name")] + textwrap.dedent(GOOD[GOOD.index("  - name") :]),
    ],
    ids=["last", "comment", "windows", "not last", "commented", "unindented"],
)
def test_examples_read_late_are_the_same(text, write):
    path = write(text)
    late = loader._rule(path.read_bytes(), str(path), "batch", builtin=True)
    assert "examples" not in vars(late)
    assert _same(late) == _same(read_rule(path))
    assert [e.line for e in late.examples] == [e.line for e in read_rule(path).examples]


def test_late_examples_say_where_they_are_wrong(write):
    path = write(GOOD.replace("expect: unknown", "expect: unkown"))
    rule = loader._rule(path.read_bytes(), str(path), "batch", builtin=True)
    with pytest.raises(RuleError, match=f"{path}:27:.*did you mean 'unknown'"):
        _ = rule.examples


def test_the_engine_starts_light():
    code = "import sys, imbalance_doctor.engine as e; print(*sorted(sys.modules)); e.mutants"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(done.stdout.split())
    assert "imbalance_doctor.engine.judge" in loaded
    assert not loaded & {"numpy", "yaml", "rich", "typer", "imbalance_doctor.engine.examples"}


# The prepared form


@pytest.fixture
def prepared(tmp_path, monkeypatch):
    """GOOD as the only built-in rule, prepared; a function that loads it and says whether by YAML."""
    root = tmp_path / "built-in"
    (root / "batch").mkdir(parents=True)
    file = root / "batch" / FILE_NAME
    file.write_text(GOOD)
    (root / "prepared.jsonl").write_text(prepare({f"batch/{FILE_NAME}": GOOD.encode()}))
    monkeypatch.setattr(rulebook, "builtin_root", lambda: root)

    def load():
        read = []
        slow = loader.builtin_rule
        monkeypatch.setattr(rulebook, "builtin_rule", lambda *given: read.append(given) or slow(*given))
        (rule,) = rulebook._builtin.__wrapped__()
        monkeypatch.setattr(rulebook, "builtin_rule", slow)
        return rule, bool(read)

    return root, load


def test_a_prepared_rule_is_the_rule(prepared):
    _, load = prepared
    rule, by_yaml = load()
    assert not by_yaml
    assert rule == loader.builtin_rule(f"batch/{FILE_NAME}", GOOD.encode())
    assert check_rule(rule).passed


@pytest.mark.parametrize(
    "change", [lambda text: text.replace("value: 5", "value: 6"), lambda text: text + "#"]
)
def test_a_changed_rule_is_read_from_its_own_file(change, prepared):
    root, load = prepared
    (root / "batch" / FILE_NAME).write_text(change(GOOD))
    rule, by_yaml = load()
    assert by_yaml
    assert rule.params["least"].value == (5 if change(GOOD).endswith("#") else 6)


@pytest.mark.parametrize("content", [None, b"", b"{", b"\xff", b"not json\n"])
def test_without_a_prepared_form_rules_are_read_all_the_same(content, prepared):
    root, load = prepared
    (root / "prepared.jsonl").unlink()
    if content is not None:
        (root / "prepared.jsonl").write_bytes(content)
    rule, by_yaml = load()
    assert by_yaml
    assert rule.id == "few-positives"

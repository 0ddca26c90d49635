"""The stored results: each part replaced alone, refused where it contradicts itself, shown by its target."""

import copy
import json
import re
from dataclasses import replace

import pytest
from markdown_it import MarkdownIt

from imbalance_doctor.engine.figures import Figures, Measured
from imbalance_doctor.engine.rulebook import load_rules
from imbalance_doctor.errors import InputError
from imbalance_doctor.facts._numbers import wilson
from imbalance_doctor.lab.page import readme_table, render, worse_than_claimed
from imbalance_doctor.lab.results import TARGETS, About, Results, store, store_figures

ABOUT = About(
    date="2026-11-21", seed=7, versions={"imbalance-doctor": "0.1", "torch": "2.13.0"}, seconds=93.5
)


def share(name, hits, total):
    low, high = wilson(hits, total)
    return {name: hits / total, f"{name}_low": low, f"{name}_high": high, f"{name}_of": [hits, total]}


DIAGNOSIS = {
    **share("detection", 97, 100),
    **share("top1", 84, 100),
    **share("top3", 96, 100),
    **share("false_alarms", 3, 200),
    "faulty_runs": 100,
    "clean_runs": 200,
    "healthy_runs": 150,
    "by_cause": {
        "stale-queue": {"runs": 60, "detected": 57, "top1": 50, "top3": 56, "named_instead": {"none": 3}},
        "missing-gather": {"runs": 40, "detected": 40, "top1": 34, "top3": 40},
    },
    "loss_only": {
        **share("detection", 74, 100),
        **share("top1", 50, 100),
        **share("top3", 70, 100),
        **share("false_alarms", 6, 200),
        **share("cannot_tell", 20, 300),
    },
    "severe": {**share("detection", 60, 60), **share("top1", 58, 60), **share("top3", 60, 60)},
    "remedies": {**share("recovered", 50, 70), "not_a_plan_value": 30},
}
ADVICE = {
    "mean_regret": 0.006,
    "mean_regret_low": 0.004,
    "mean_regret_high": 0.009,
    "worst_regret": 0.051,
    **share("interval_coverage", 26, 28),
    "by_dataset": {
        "htru2": {"metric": "average_precision", "chosen": "bce", "regret": 0.002, "low": -0.001,
                  "high": 0.005, "best": "focal", "stated": "-0.01 to 0.02", "came": 0.004},
        "contested_1": {"metric": "average_precision", "chosen": "smooth-ap", "regret": 0.03},
        "contested_2": {"metric": "average_precision", "chosen": "smooth-ap", "regret": 0.01},
    },
    "wins": 20,
}  # fmt: skip
CLAIMS = [
    {"id": "C1", "document": "It pays.", "measured": "+0.01", "verdict": "confirmed", "covers": ["AP-1"]},
    {"id": "C2", "document": "It is *fast*.", "measured": "2x | 3x", "verdict": "contradicted"},
    {"id": "C3", "document": "So it is.", "measured": "", "verdict": None},
]
PARTS = {"diagnosis": DIAGNOSIS, "advice": ADVICE, "claims": CLAIMS}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "results.json"


@pytest.fixture
def results(path):
    for name, figures in PARTS.items():
        found = store(name, figures, ABOUT, path)
    return found


def test_nothing_is_measured_at_first(path):
    found = Results.load(path)
    assert found.parts == {}
    assert found.as_json() == {"diagnosis": None, "advice": None, "claims": None}


def test_what_is_stored_is_read(results, path):
    assert Results.load(path) == results
    assert list(results.parts) == ["diagnosis", "advice", "claims"]
    assert results.diagnosis.figures["healthy_runs"] == 150
    assert [p.name for p in path.parent.iterdir()] == ["results.json"]


def test_each_part_is_replaced_alone(results, path):
    later = replace(ABOUT, date="2027-01-01", seed=8)
    changed = store("advice", {**ADVICE, "mean_regret": 0.5}, later, path)
    assert changed == Results.load(path)
    assert changed.advice.figures["mean_regret"] == 0.5
    assert changed.advice.about == later
    assert (changed.diagnosis, changed.claims) == (results.diagnosis, results.claims)


def test_what_is_printed_has_exactly_these_keys(results):
    def with_ends(*names):
        return [f"{name}{end}" for name in names for end in ("", "_low", "_high")]

    found = json.loads(render(results, format="json"))
    assert list(found) == ["diagnosis", "advice", "claims"]
    shares = with_ends("detection", "top1", "top3", "false_alarms")
    assert list(found["diagnosis"]) == [
        *shares, "faulty_runs", "clean_runs", "by_cause", "loss_only", "severe", "remedies"
    ]  # fmt: skip
    assert list(found["diagnosis"]["loss_only"]) == [*shares, *with_ends("cannot_tell")]
    assert found["diagnosis"]["by_cause"]["stale-queue"] == {
        "runs": 60, "detected": 57, "top1": 50, "top3": 56
    }  # fmt: skip
    assert list(found["advice"]) == [
        *with_ends("mean_regret"), "worst_regret", *with_ends("interval_coverage"), "by_dataset"
    ]  # fmt: skip
    assert found["advice"]["by_dataset"]["htru2"]["stated"] == "-0.01 to 0.02"
    assert [list(claim) for claim in found["claims"]] == [["id", "document", "measured", "verdict"]] * 3
    assert found["diagnosis"]["detection"] == 0.97
    assert (found["diagnosis"]["detection_low"], found["diagnosis"]["detection_high"]) == wilson(97, 100)


def test_about_now_names_what_measured():
    about = About.now(seed=3, seconds=1.5)
    assert About.of(json.loads(json.dumps(vars(about)))) == about
    assert str(about).startswith(f"{about.date}, seed 3, ")
    several = About.now(seed=3, seeds=2, seconds=1.5)
    assert About.of(json.loads(json.dumps(vars(several)))) == several
    assert str(several).startswith(f"{about.date}, seeds 3 to 4, ")
    with pytest.raises(ValueError, match=r"about\.seeds: expected a whole number from 1, but got 0"):
        About.of(vars(about) | {"seeds": 0})
    assert {"imbalance-doctor", "python", "numpy"} <= set(about.versions)


def spoilt(part, *keys, value=None, gone=False):
    """The stored document with one value changed, or taken out."""
    about = {"date": "2026-11-21", "seed": 7, "versions": {"torch": "2"}, "seconds": 1.0}
    document = {name: copy.deepcopy({"about": about, "figures": f}) for name, f in PARTS.items()}
    *way, last = (part, *keys)
    place = document
    for key in way:
        place = place[key]
    if gone:
        del place[last]
    else:
        place[last] = value
    return document


def figure(part, *keys, **change):
    return spoilt(part, "figures", *keys, **change)


def about(part, *keys, **change):
    return spoilt(part, "about", *keys, **change)


BAD = {
    "a list": ([], "results: expected a table, but got []"),
    "unknown part": (spoilt("advise", value={}), "unknown part 'advise'; did you mean 'advice'?"),
    "no about": (spoilt("advice", "about", gone=True), "advice.part: expected the key 'about'"),
    "no date": (about("advice", "date", value=""), "advice.about.date: expected a date"),
    "half a seed": (about("claims", "seed", value=0.5), "claims.about.seed: expected a whole"),
    "version": (about("claims", "versions", "torch", value=2), "claims.about.versions.torch: expected"),
    "seconds": (about("claims", "seconds", value="1"), "claims.about.seconds: expected a number"),
    "no share": (figure("diagnosis", "top1", gone=True), "figures: expected the key 'top1'"),
    "no end": (figure("diagnosis", "top1_low", gone=True), "expected the key 'top1_low'"),
    "above 1": (figure("diagnosis", "top1", value=84), "diagnosis.figures.top1: expected a share"),
    "outside": (figure("diagnosis", "top1", value=0.5), "inside its interval"),
    "half known": (figure("diagnosis", "top1", value=None), "figures.top1: expected a share"),
    "runs": (figure("diagnosis", "clean_runs", value=-1), "clean_runs: expected a count"),
    "truth": (figure("diagnosis", "clean_runs", value=True), "clean_runs: expected a count"),
    "cause": (figure("diagnosis", "by_cause", "stale-queue", "top3", value=61),
              "figures.by_cause.stale-queue.top3: expected a count up to 60, but got 61"),
    "loss only": (figure("diagnosis", "loss_only", "cannot_tell", gone=True),
                  "figures.loss_only: expected the key 'cannot_tell'"),
    "regret": (figure("advice", "mean_regret", value=None), "mean_regret: expected a number"),
    "coverage": (figure("advice", "interval_coverage", value=90), "interval_coverage: expected"),
    "data set": (figure("advice", "by_dataset", "htru2", value=3), "by_dataset.htru2: expected a table"),
    "its regret": (figure("advice", "by_dataset", "htru2", "regret", value="x"), "htru2.regret: expected"),
    "claims": (figure("claims", value={}), "claims.figures: expected a list of claims, but got {}"),
    "claim": (figure("claims", 1, "measured", value=3), "claims.figures[1].measured: expected text"),
    "verdict": (figure("claims", 1, "verdict", gone=True), "figures[1]: expected the key 'verdict'"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_results_are_one_line_that_says_where(case, path):
    document, says = BAD[case]
    path.write_text(json.dumps(document))
    with pytest.raises(InputError) as caught:
        Results.load(path)
    assert says in str(caught.value)
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"{", ":1:2: expected JSON"),
        (b"\xff\xfe\xfa", "expected UTF-8 text"),
        (b'{"advice": NaN}', "expected finite numbers, but got NaN"),
        (b"[" * 100_000, "nested too deeply"),
        (b" " * (2**24 + 1), "at most 16 MiB"),
    ],
)
def test_what_is_no_document_is_one_line(content, says, path):
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"results.json:") as caught:
        Results.load(path)
    assert says in str(caught.value)


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(InputError, match="cannot read the results"):
        Results.load(tmp_path)


def test_nothing_bad_is_stored(results, path):
    before = path.read_bytes()
    for figures in ({**ADVICE, "mean_regret": float("nan")}, {**ADVICE, "interval_coverage": 9}):
        with pytest.raises(ValueError, match=r"JSON|interval_coverage"):
            store("advice", figures, ABOUT, path)
    assert path.read_bytes() == before


def test_figures_of_rules_are_written_beside_them(tmp_path):
    counts = {"right": 45, "fires_right": 41, "clean": 312, "fires_clean": 0, "fires": 44}
    path = tmp_path / "measured.json"
    written = store_figures({"b": counts, "a": {**counts, "fires": 50}}, ABOUT, runs=600, path=path)
    assert Measured.beside(tmp_path) == written
    assert written.rules["b"] == Figures(**counts)
    assert (written.about["runs"], written.about["seed"]) == (600, 7)
    assert [line.split('"')[1] for line in path.read_text().splitlines()[2:4]] == ["a", "b"]
    with pytest.raises(ValueError, match="'fires' expected at least 41"):
        store_figures({"b": {**counts, "fires": 40}}, ABOUT, runs=600, path=path)
    assert Measured.beside(tmp_path) == written
    store_figures({}, ABOUT, runs=0, path=path)
    assert Measured.beside(tmp_path).rules == {}


def test_a_share_of_nothing_is_unknown(path):
    empty = dict.fromkeys(share("top1", 1, 1))
    found = store("diagnosis", {**DIAGNOSIS, **empty}, ABOUT, path)
    assert found.as_json()["diagnosis"]["top1"] is None
    assert "right cause named first" in render(found, rules=())


# -- targets -------------------------------------------------------------------

REACHED = {
    "diagnosis.detection": True,
    "diagnosis.top1": False,
    "diagnosis.top3": True,
    "diagnosis.false_alarms": True,
    "diagnosis.loss_only.detection": False,
    "diagnosis.loss_only.false_alarms": True,
    "diagnosis.remedies.recovered": True,
    "advice.mean_regret": True,
    "advice.worst_regret": False,
    "advice.contested_regret": False,
    "advice.interval_coverage": True,
}


def test_targets_are_met_or_missed(results):
    assert {t.figure: met for t in TARGETS if (met := t.met(results)) is not None} == REACHED
    assert {t.met(Results()) for t in TARGETS} == {None}
    assert {t.figure for t in TARGETS if t.met(results) is None} == {
        "diagnosis.severe.detection",
        "diagnosis.severe.top1",
        "diagnosis.loss_only.top1",
        "diagnosis.loss_only.cannot_tell",
    }


@pytest.mark.parametrize("target", [t for t in TARGETS if t.figure in REACHED], ids=lambda t: t.figure)
def test_the_bound_itself_is_met(target, results):
    bound = target.most if target.least is None else target.least
    worse = -1e-9 if target.least is not None else 1e-9

    def met(value):
        changed = copy.deepcopy({"diagnosis": DIAGNOSIS, "advice": ADVICE})
        part, *way, last = target.figure.split(".")
        place = changed[part]
        for key in way:
            place = place[key]
        if last == "contested_regret":
            place["by_dataset"]["contested_1"]["regret"] = value
        else:
            place[last] = value
        parts = {name: replace(getattr(results, name), figures=f) for name, f in changed.items()}
        return target.met(replace(results, **parts))

    assert met(bound) is True
    assert met(bound + worse) is False


def test_without_contested_worlds_nothing_is_known_of_them(path):
    only = {**ADVICE, "by_dataset": {"htru2": ADVICE["by_dataset"]["htru2"]}}
    found = store("advice", only, ABOUT, path)
    assert {t.figure: t.met(found) for t in TARGETS}["advice.contested_regret"] is None


# -- pages ---------------------------------------------------------------------


def words(text):
    return " ".join(text.replace("\\", "").split())


@pytest.mark.parametrize("format_", ["text", "markdown"])
def test_pages_show_figures_beside_targets(results, format_):
    page = words(render(results, format=format_, width=200, rules=()))
    for said in (
        "97 % (92-99 %)", "at least 95 %", "84 % (76-90 %)", "at most 2 %",
        "0.006 (0.004 to 0.009)", "at most 0.008",
        "2026-11-21, seed 7, imbalance-doctor 0.1, torch 2.13.0", "100 harmed runs, 200 healthy or unharmed",
        "57 of 60 (86-98 %)", "htru2", "0.002 (-0.001 to 0.005)", "-0.01 to 0.02",
        "1 confirmed, 1 contradicted, 1 not measured",
    ):  # fmt: skip
        assert said in page, said
    assert page.split().count("met") == 7
    assert page.split().count("missed") == 4
    assert "It pays" not in page


@pytest.mark.parametrize("format_", ["text", "markdown"])
def test_every_claim_is_told_when_asked_for(results, format_):
    page = words(render(results, format=format_, verbose=True, width=200, rules=()))
    assert "2x | 3x" in page
    assert "So it is." in page
    assert page.count("not measured") == 2


def test_claims_alone_have_no_targets(results):
    page = render(Results(claims=results.claims), verbose=True, rules=())
    assert page.startswith("Measured claims: 2026-11-21, seed 7")
    assert "Targets" not in page
    assert "contradicted" in page


def test_what_was_not_measured_is_said_and_nothing_else():
    page = render(Results(), rules=())
    assert page.count("not measured") == len(TARGETS)
    assert "met" not in page.replace("not measured", "").split()
    assert "by cause" not in page


@pytest.mark.parametrize("part", ["diagnosis", "advice"])
def test_only_targets_of_what_was_measured_are_shown(results, part):
    other = {"diagnosis": "advice", "advice": "diagnosis"}[part]
    page = words(render(replace(results, **{other: None}), rules=(), width=200))
    for target in TARGETS:
        assert (target.what in page) is (target.part == part)
    assert "not measured" not in page.replace("1 not measured", "")


def test_what_else_was_counted_is_shown(path):
    more = {**share("evidence_on_time", 70, 84), "remedies": share("recovered", 9, 16)}
    page = words(render(store("diagnosis", {**DIAGNOSIS, **more}, ABOUT, path), rules=(), width=200))
    assert "steps named for the right cause hold its onset 70 of 84 (74-90 %)" in page
    assert "named remedies that gave back half of the harm 9 of 16 (33-77 %)" in page
    assert "on healthy runs" not in page


def test_the_advice_is_compared_with_fixed_choices(results, path):
    always = {
        "bce": {"mean_regret": 0.0213, "worst_regret": 0.21},
        "focal": {"mean_regret": 1, "worst_regret": 2},
    }
    more = {"always": always, "against": {"bce": {"wins": 7, "ties": 19, "losses": 2}}}
    page = words(render(store("advice", {**ADVICE, **more}, ABOUT, path), rules=(), width=200))
    assert "always bce 0.0213 0.21 7, 19, 2" in page
    assert "always focal 1 2 -" in page
    assert "below the advice's" not in page
    assert "always" not in render(results, rules=())


@pytest.mark.parametrize(("regret", "told"), [(0.0059, True), (0.006, False), (0.0061, False)])
def test_a_fixed_choice_that_beats_the_advice_is_named(regret, told, path):
    always = {
        "mined": {"mean_regret": regret, "worst_regret": 0.1},
        "bce": {"mean_regret": 1, "worst_regret": 1},
    }
    page = words(render(store("advice", {**ADVICE, "always": always}, ABOUT, path), rules=(), width=200))
    line = "Against fixed choices always mined: mean regret 0.0059, below the advice's 0.006."
    assert (line in page) is told
    assert "always bce: " not in page


def test_regret_is_said_to_be_cross_fitted_and_what_is_unknown_is_a_dash(results):
    page = words(render(results, rules=(), width=200))
    assert "best on the other seeds" in page
    assert "it may be negative" in page
    assert "3 data sets, average_precision; regret" in page
    assert "contested_1 smooth-ap 0.03 - " in page
    assert "contested_1 - - " in page


def test_metrics_that_differ_have_a_column(path):
    rows = copy.deepcopy(ADVICE["by_dataset"])
    rows["htru2"]["metric"] = "roc_auc"
    page = words(render(store("advice", {**ADVICE, "by_dataset": rows}, ABOUT, path), rules=(), width=200))
    assert "data metric chosen regret best htru2 roc_auc bce 0.002" in page
    assert "contested_1 average_precision smooth-ap 0.03 - " in page


@pytest.mark.parametrize("width", [80, 100])
def test_the_stored_results_fit_the_page_and_break_no_word(width):
    stored = Results.load()
    text = render(stored, width=width)
    assert max(map(len, text.split("\n"))) <= width
    for name in (*stored.diagnosis.figures["by_cause"], *stored.advice.figures["by_dataset"]):
        assert re.search(rf"^{re.escape(name)}\s", text, re.MULTILINE), name


def test_formats_are_checked(results):
    with pytest.raises(InputError, match="--format"):
        render(results, format="html")


def test_rules_that_measure_worse_are_listed(results):
    rule = next(r for r in load_rules() if r.merit is None and r.severity == "warning")
    good = rule.replace(
        confidence="high", figures=Figures(right=45, fires_right=41, clean=312, fires_clean=0, fires=44)
    )
    bad = good.replace(id="bad-one", figures=replace(good.figures, fires_clean=40, fires=81))
    unmeasured = good.replace(id="unmeasured", figures=None)
    (told,) = worse_than_claimed([good, bad, unmeasured])
    assert told[0] == "bad-one"
    assert "right in 41 of 81 firings (40-61 %): medium" in told[1]
    assert "fires on 40 of 312 clean runs (9.6-17 %)" in told[1]
    page = words(render(Results(), rules=[good, bad, unmeasured], width=200))
    assert "1 rule of the 2 measured ones" in page
    assert "bad-one" in page
    assert good.id not in page
    assert "bad-one" not in render(Results(claims=results.claims), rules=[bad])


def test_the_readme_gets_one_table(results):
    text = readme_table(results)
    kinds = [token.type for token in MarkdownIt("commonmark").enable("table").parse(text)]
    assert kinds.count("table_open") == 1
    assert kinds.count("tr_open") == 1 + len(TARGETS)
    said = words(text)
    assert "| harmed runs noticed | at least 95 % | 97 % (92-99 %) | met |" in said
    assert "seed 7" in said
    assert "torch 2.13.0" in said
    assert "1 confirmed, 1 contradicted" in said
    assert "Nothing was measured yet." in readme_table(Results())

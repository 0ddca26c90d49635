"""The text report: golden pages, no escape sequences in a pipe, the same words in a terminal."""

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from imbalance_doctor.diagnose import Diagnosis, Exit
from imbalance_doctor.report.base import renderer

ROOT = Path(__file__).parents[2]

CHECKED = """\
99,000 rows and 1,000 ignored, 198 positives (0.2 %, 95 % interval 0.174 to 0.23 %), positive class
1, binary
y.npy and train.py: 1 error, 1 warning, 1 note; 2 rules passed; 4 not checked; 1 suppressed
Not read: label_noise (train.py:7, 'cfg.noise' is only known when the script runs), learning_rate
and memory_budget ('sys.argv' is only known when the script runs): give --label-noise
--learning-rate --memory-budget

1 error

  pool-starved-of-positives  train.py:42:11  error, high confidence
    A pool of 1,280 rows holds 2.6 positives on average.
    why:     Below 5 positives the AP estimate is noise.
    remedy:  Raise queue_size to the suggested value.
    try:     queue_size 2304

1 warning

  temperature-cold-for-the-scores  warning, medium confidence
    A temperature of 0.01 is 0.4 % of a score spread of 2.5.
    remedy:  Start at 0.25.

1 note

  cap-without-need  train.py:42 SmoothAPLoss  note, low confidence
    A cap of 8,192 rows is above the pool of 1,280.

Not checked, 4 rules: 2 rules need --label-noise; 1 rule needs --learning-rate; 1 rule needs
--memory-budget; 1 rule cannot be computed from what was given.

Suppressed, 1 finding

Stale
  - suppression of old-rule in pyproject.toml matches no finding; remove it

Assumed: class 1 is the positive one.

exit 1: 1 finding at or above error
"""

ADVISED = """\
Use smooth-ap for y.npy: Average precision decides, and positives are rare enough that ranking pays.
Expected gain: +0.031 average precision against plain BCE, 95 % interval +0.012 to +0.050
(measured).

choice          value   may move between   why
queue_size      16384   9744 to 65536      pool-starved-of-positives, queue-older-than-the-model;
                                           the smallest that holds 20 positives
max_pool_size   none                       no cap: the whole pool fits
temperature     0.05    0.01 or more       a hundredth of the score range

Cost:          Memory 2 KiB and 256 operations per step, queue 34 KiB
Assumed:       batch_size 256 (not given)
Question:      How good is a tuned baseline? Give --baseline-roc-auc and --baseline-metric: the loss
               would become bce for baseline_roc_auc 0.9 and baseline_metric 0.2.

Not chosen
loss                 memory   why not
bce                           It gives up 0.03 average precision.
recall-at-quantile   64 KiB   0.1 % lies inside the positives. [quantile-below-prevalence]

Code for imbalanced_losses
    loss_fn = SmoothAPLoss(num_classes=1)

The same for other: add --verbose.

Not checked, 1 rule: 1 rule needs --label-noise.

exit 0: no findings
"""

STUCK = """\
No plan with smooth-ap meets every rule for y.npy.

In the way

  pool-starved-of-positives  train.py:42:11  error, high confidence
    A pool of 1,280 rows holds 2.6 positives on average.
    why:     Below 5 positives the AP estimate is noise.
    remedy:  Raise queue_size to the suggested value.
    try:     queue_size 2304

What would meet it:
  - queue_size 4096 instead of 64 would do

exit 1: no plan meets every rule: pool-starved-of-positives
"""


@pytest.mark.parametrize(("name", "golden"), [("checked", CHECKED), ("advised", ADVISED), ("stuck", STUCK)])
def test_golden(name, golden, request):
    assert renderer("text")(request.getfixturevalue(name), width=100) == golden


@pytest.mark.parametrize("verbose", [False, True])
@pytest.mark.parametrize("name", ["checked", "advised", "stuck"])
def test_colour_changes_no_word(name, verbose, request):
    diagnosis = request.getfixturevalue(name)
    plain = renderer("text")(diagnosis, verbose=verbose)
    coloured = renderer("text")(diagnosis, color=True, verbose=verbose)
    assert "\x1b" not in plain
    assert "\x1b[" in coloured
    bare = re.sub(r"\x1b\[[0-9;]*m", "", coloured)
    assert [line.rstrip() for line in bare.split("\n")] == plain.split("\n")


def test_environment_does_not_decide_again(checked, monkeypatch):
    for name, value in (("FORCE_COLOR", "1"), ("COLUMNS", "20"), ("TERM", "xterm-256color"), ("LINES", "5")):
        monkeypatch.setenv(name, value)
    assert renderer("text")(checked, width=100) == CHECKED


def test_a_pipe_gets_no_escape_sequence(tmp_path):
    labels = tmp_path / "counts.json"
    labels.write_text('{"0": 99000, "1": 1000}')
    done = subprocess.run(
        [sys.executable, "-m", "imbalance_doctor", "check", "--labels", str(labels), "--loss", "smooth-ap"],
        cwd=ROOT, env={**os.environ, "FORCE_COLOR": "1"}, capture_output=True, check=False,
    )  # fmt: skip
    assert done.stderr == b""
    assert b"exit " in done.stdout
    assert b"\x1b" not in done.stdout


def test_verbose_says_more(checked, advised):
    told = renderer("text")(checked, verbose=True)
    for words in ("covers:  AP-3, AP-5", "Measured on four sets.", "pool.ap_spread is undefined",
                  "the sampler is stratified (pyproject.toml)", "pool.expected_positives 2.56"):  # fmt: skip
        assert words in told
        assert words not in CHECKED
    told = renderer("text")(advised, verbose=True)
    for words in (
        "other_code()",
        "bounds it from below; just beyond: it starves",
        "+0.031 (+0.012 to +0.05)",
        "34 KiB: memory of the queue itself",
    ):
        assert words in told
        assert words not in ADVISED


@pytest.mark.parametrize("width", [1, 40, 63, 80, 200])
def test_no_line_is_wider_than_asked_except_headlines_and_code(checked, width):
    for line in renderer("text")(checked, width=width).split("\n"):
        assert len(line) <= max(width, 40) or "confidence" in line or line.startswith("exit"), line


def test_nothing_evaluated_says_what_to_give():
    diagnosis = Diagnosis(exit=Exit(code=3, why="nothing could be evaluated; give --labels"))
    text = renderer("text")(diagnosis)
    assert "Give --labels FILE" in text
    assert text.endswith("exit 3: nothing could be evaluated; give --labels\n")


def test_options_alone_are_called_so():
    assert renderer("text")(Diagnosis(passed=("a-rule",))).startswith("Options: no findings; 1 rule passed")
    assert "Options: no findings; 1 rule passed" in renderer("markdown")(Diagnosis(passed=("a-rule",)))


@pytest.mark.parametrize("form", ["text", "markdown"])
def test_what_stands_in_the_way_is_told_once_and_before_what_would_meet_it(form, stuck, checked):
    text = renderer(form)(replace(stuck, findings=checked.findings))
    assert text.count("holds 2.6 positives") == 1
    assert text.index("holds 2.6 positives") < text.index("What would meet it:") < text.index("1 warning")
    assert "1 error" not in text
    assert "nothing that was tried" not in text
    hopeless = replace(stuck, recommendation=replace(stuck.recommendation, remedies=()))
    text = renderer(form)(hopeless)
    assert text.index("What would meet it:") < text.index("nothing that was tried")


def test_many_missing_inputs_are_summed_up(checked):
    first = checked.unknown[0]
    names = [f"plan.field_{letter}" for letter in "abcdefgh"]
    many = replace(checked, unknown=tuple(replace(first, rule=n, missing=(n,)) for n in names))
    assert "others need 2 further inputs" in " ".join(renderer("text")(many).split())
    assert "--field-h" not in renderer("text")(many)
    assert "--field-h" in renderer("text")(many, verbose=True)


def test_other_formats_do_not_load_rich():
    code = (
        "import sys\n"
        "from imbalance_doctor.report.base import formats\n"
        "from imbalance_doctor.diagnose import Diagnosis\n"
        "for name in ('json', 'markdown', 'github', 'sarif', 'junit'):\n"
        "    formats()[name](Diagnosis())\n"
        "heavy = {'rich', 'torch', 'scipy', 'pandas', 'pydantic', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)

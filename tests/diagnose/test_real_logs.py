"""Verdicts on public training logs, against what an expert saw in them.

Logs are named by a part of their path. Those that hold no training at all are judged by the readers' tests.
"""

import sys
from pathlib import Path

import pytest

from imbalance_doctor.diagnose import diagnose
from imbalance_doctor.engine import load_rules
from imbalance_doctor.sources.logs import read_logs

ROOT = Path(__file__).parents[3] / "shared" / "logs"
pytestmark = pytest.mark.skipif(not ROOT.exists(), reason="the public logs are not beside this checkout")

OVERFIT = {"minority-overfit"}
STUCK = {"not-separable", "learning-rate-too-low", "majority-collapse", "no-valid-class"}
COLLAPSED = {"majority-collapse"}
UNSTABLE = {"learning-rate-too-high"}
FAILED = {"learning-rate-too-high", "unstable-gamma"}

HEALTHY = (
    "catboost/1644heihei",
    "fairseq_text/jiaohuix",
    "detectron2_metrics_json/Aaryan004",
    "training_log_resatt",
    "training_log_v_net",
    "hf_console/evanhuang117",
    "hf_trainer_state/Ayaa220",
    "hf_trainer_state/DrAliya",
    "keras_csv/AVINASHGK16",
    "keras_history_pkl/Kexiii",
    "keras_history_pkl/SarthakDandotiya",
    "labelled_autotrainer/DeepDiagnosis__ICSE2022__blob_54f7_log",
    "llamafactory_jsonl/rameyjm7",
    "mlflow_filestore/2023aa05223",
    "nnunet_text/zzl120",
    "olmo_text/AntonioLopardo",
    "plain_text/AmmarRashed",
    "plain_text/ISChenawei",
    "plain_text/Wuty-zju",
    "plain_text/howdrox",
    "plain_text/wujianP",
    "tfevents/Aaryan004",
    "tfevents/Dzzz83",
    "utf16_powershell/192210154",
    "yolo_results_csv/AQM19",
    "yolo_results_csv/Absolute",
    "yolox_text/Duke",
    "mmcv_log_json/quynhanh12345",
)
"""Healthy, or too short to tell: no error and no warning in any of their runs."""

PLATEAU = (
    "gbdt_console/Laurae2__Bosch__xgb_mcc",
    "plain_text/And1210",
    "yolo_console/peshmerge",
    "yolo_results_csv/peshmerge",
)
"""They stopped improving, which is no fault."""

FAULTY = {
    "gbdt_console/Laurae2__Bosch__lgbm": OVERFIT,
    "gbdt_console/Laurae2__Bosch__xgb_first": OVERFIT,
    "plain_text/huestisk": OVERFIT,
    "generic_csv/Adityajaiswal9050": {*COLLAPSED, *OVERFIT},
    "plain_text/Kozmosa": {*COLLAPSED, *OVERFIT},
    "generic_jsonl/Ardbiu": STUCK,
    "hf_trainer_state/yuanhuanghuang": STUCK,
    "keras_csv/ADITHYADEV2005": STUCK,
    "labelled_autotrainer/ArabelaTso__DeepFD__31556268_log": STUCK,
    "labelled_autotrainer/ArabelaTso__DeepFD__59282996_log": STUCK,
    "lightning_csv/Kiran261101": STUCK,
    "keras_csv/BananaLee": COLLAPSED,
    "keras_history_pkl/JeffT13": COLLAPSED,
    "keras_csv/AbijithT": UNSTABLE,
    "lightning_csv/10sajan10": UNSTABLE,
    "issue_excerpts/AnswerDotAI": FAILED,
    "issue_excerpts/lbin": FAILED,
}
"""The causes of which one must come first in some run."""

MISSED = {
    "generic_csv/vaibhavchau37": "overfit, in four epochs",
    "training_local0": "overfit, three epochs a run",
    "plain_text/Andrei-C": "mild overfit under much noise",
    "plain_text/Adityajaiswal9050": "a loss of two modes, told by its distribution and not by its course",
    "plain_text/Aman2125": "stuck near 0.5, with one value of the metric",
    "issue_excerpts/VITA-Group": "rare classes near 0, in one evaluation",
    "issue_excerpts/emadeldeen24": "collapsed, in three lines",
    "issue_excerpts/facebookresearch": "about to diverge, in seven lines",
    "yolo_results_csv/2024uce0062": "one spike, then slow",
    "tfevents/Ferretelic": "overfit-ish, training loss alone",
}
"""What an expert sees and this tool does not, so that the list is kept honest."""

DISPUTED = {"unet_history": UNSTABLE}
"""Called healthy, though the validation Dice falls from 0.52 to 0.18 while training reaches 0.75."""


@pytest.fixture(scope="module")
def judged():
    rules = load_rules()
    known = {}

    def judge(name):
        if name not in known:
            (path,) = (p for p in ROOT.glob("*/*") if name in str(p.relative_to(ROOT)))
            logs = [log for reading in read_logs([str(path)]) for log in reading.runs]
            known[name] = [diagnose(rules, logs=[log]).trained[0] for log in logs]
        return known[name]

    return judge


@pytest.mark.parametrize("name", HEALTHY + PLATEAU)
def test_healthy_runs_stay_silent(judged, name):
    runs = judged(name)
    assert runs
    assert {run.verdict for run in runs} <= {"healthy", "cannot tell"}


@pytest.mark.parametrize("name", FAULTY)
def test_faults_are_found_and_named(judged, name):
    faulty = [run for run in judged(name) if run.verdict == "faulty"]
    assert faulty
    assert FAULTY[name] & {run.causes[0].id for run in faulty if run.causes}


@pytest.mark.parametrize("name", MISSED)
def test_what_is_missed_is_not_called_something_else(judged, name):
    for run in judged(name):
        assert run.verdict != "faulty"


def test_the_agreement_is_told(judged, capsys):
    groups = {
        "healthy": HEALTHY,
        "plateau": PLATEAU,
        "faulty": (*FAULTY, *MISSED),
        "disputed": tuple(DISPUTED),
    }
    with capsys.disabled():
        for group, names in groups.items():
            verdicts = [{run.verdict for run in judged(name)} for name in names]
            faulty = sum("faulty" in found for found in verdicts)
            unsure = sum(found == {"cannot tell"} for found in verdicts)
            line = f"\nexpert: {group}, {len(names)} logs; tool: {faulty} faulty, {unsure} cannot tell"
            sys.stdout.write(line)
        sys.stdout.write("\n")
    assert all("faulty" in {run.verdict for run in judged(name)} for name in FAULTY)

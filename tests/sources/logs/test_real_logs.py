"""The shared real logs: what a careful reader finds in each, against what the tool reads."""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import pytest

from imbalance_doctor.sources.logs import LogReading, read_logs

LOGS = Path(__file__).parents[4] / "shared" / "logs"
pytestmark = pytest.mark.skipif(not LOGS.is_dir(), reason="needs ../shared/logs")


class Seen(NamedTuple):
    """What was found by hand.

    Attributes
    ----------
    runs
        With at least three values of a metric; 0 for what is no log of a training.
    loss
        Of the first run's training: number of points, first and last value; one term where only terms are
        logged (``box``); None where none is logged.
    val
        Canonical names validated in the first run, also by class or term.
    """

    file: str
    runs: int
    loss: tuple[int, float, float] | None = None
    val: str = ""
    term: str = ""


YOLO = "precision recall average_precision loss_component"
SEEN = (
    Seen("catboost/1644heihei", 1, None, "roc_auc loss"),
    Seen("darknet_text/Aayush", 0),
    Seen("detectron2_metrics_json/Aaryan", 1, (90, 86.4728, 1.1744)),
    Seen("detectron2_metrics_json/Get-My", 2, (125, 4.34211, 0.716884)),
    Seen("fairseq_text/", 1, (79, 12.622, 4.27), "loss loss_component"),
    Seen("gbdt_console/Laurae2__Bosch__lgbm", 1, None, "roc_auc"),
    Seen("gbdt_console/Laurae2__Bosch__logs_ex", 0),
    Seen("gbdt_console/Laurae2__Bosch__xgb_first", 4, None, "roc_auc"),
    Seen("gbdt_console/Laurae2__Bosch__xgb_mcc", 4, None, "mcc"),
    Seen("generic_csv/Adityajaiswal", 1, (100, 0.651819, 0.199448), "dice"),
    Seen("generic_csv/Apurbo6461*resatt", 1, (20, 0.771661, 0.0689123), "dice"),
    Seen("generic_csv/Apurbo6461*v_net", 1, (20, 0.960412, 0.245358), "dice"),
    Seen("generic_csv/vaibhav", 1, (4, 0.0172341, 0.00160867), "loss accuracy roc_auc"),
    Seen("generic_jsonl/Ardbiu", 2, (9, 0, 0), "accuracy"),
    Seen("generic_jsonl/epistoteles", 0),
    Seen("hf_console/evanhuang", 1, (13, 0.0979, 0.0215), "loss accuracy precision recall f1"),
    Seen("hf_trainer_state/Ayaa", 1, (4, 0.5806, 0.3279), "loss"),
    Seen("hf_trainer_state/DrAliya", 1, (3, 3.7427, 0.6974), "loss accuracy"),
    Seen("hf_trainer_state/yuan", 1, (62, 1.387, 1.3872), "loss accuracy"),
    Seen("issue_excerpts/Answer", 1, (3, 0.2051, 0.0)),
    Seen("issue_excerpts/THU", 0),
    Seen("issue_excerpts/VITA", 1, (4, 0.04503, 2e-05), "f1 precision recall"),
    Seen("issue_excerpts/bigscience", 0),
    Seen("issue_excerpts/csuhan", 0),
    Seen("issue_excerpts/emadeldeen", 1, (3, 1.467374, 1.493753), "loss accuracy f1"),
    Seen("issue_excerpts/facebook", 1, (7, 1.707, 1.733)),
    Seen("issue_excerpts/lbin", 1, (4, 20.71, 11.63)),
    Seen("issue_excerpts/lmzh", 0),
    Seen("keras_csv/ADITHYA", 1, (8, 2.01697, 1.76181), "loss accuracy"),
    Seen("keras_csv/AVINASH", 1, (15, 0.757702, 0.445475), "loss loss_component accuracy"),
    Seen("keras_csv/AbijithT", 1, (10, 0.595483, 0.165289), "loss accuracy"),
    Seen("keras_csv/BananaLee", 1, (9, 0.60194, 0.526491), "loss accuracy roc_auc f1 precision recall"),
    Seen("keras_history_pkl/Cristiano", 0),
    Seen("keras_history_pkl/JeffT13", 1, (20, 0.584244, 0.309368), "loss accuracy"),
    Seen("keras_history_pkl/Kexiii", 1, (40, 0.656172, 0.167519), "loss accuracy"),
    Seen("keras_history_pkl/Sarthak", 1, (25, 0.764491, 0.189731), "loss accuracy"),
    Seen("labelled_autotrainer/Arabela*__31556268_log", 1, (4, 0.343241, 0.343234), "loss accuracy"),
    Seen("labelled_autotrainer/ArabelaTso__DeepFD__31556268_mon", 0),
    Seen("labelled_autotrainer/Arabela*__59282996_log", 1, (10, 0.828994, 0.832406), "loss accuracy"),
    Seen("labelled_autotrainer/ArabelaTso__DeepFD__59282996_mon", 0),
    Seen("labelled_autotrainer/Deep*__31880720_vanish_log", 0),
    Seen("labelled_autotrainer/DeepDiagnosis__ICSE2022__31880720_vanish_mon", 0),
    Seen("labelled_autotrainer/Deep*__blob_*7_log", 1, (370, 1.2247, 0.545115), "loss accuracy"),
    Seen("labelled_autotrainer/DeepDiagnosis__ICSE2022__blob_54f7_mon", 0),
    Seen("lightning_csv/10sajan", 1, (17, 0.474343, 0.0161549), "loss"),
    Seen("lightning_csv/Kiran", 1, (2, 0.859655, 0.815645), "loss accuracy"),
    Seen("llamafactory_jsonl/", 1, (1179, 0.8548, 0.3717)),
    Seen("mlflow_filestore/", 1, None, "accuracy"),
    Seen("mmcv_log_json/", 1, (4000, 1.50095, 0.01715), "accuracy balanced_accuracy iou recall"),
    Seen("nnunet_text/", 1, (50, -0.2464, -0.8787), "loss dice"),
    Seen("not_a_training_log/Andrew", 0),
    Seen("not_a_training_log/gtseligas", 0),
    Seen("not_a_training_log/howdrox", 0),
    Seen("olmo_text/", 1, (37, 9.064, 4.83)),
    Seen("plain_text/Adityajaiswal", 1, (1650, 0.6222, 0.5093), "dice"),
    Seen("plain_text/Aman2125", 1, (200, 0.6924, 0.5025), "accuracy precision recall f1 iou"),
    Seen("plain_text/AmmarRashed", 1, (500, 0.0717, 0.001), "loss"),
    Seen("plain_text/And1210", 1, (306, 1.640443, 1.355443), "accuracy"),
    Seen("plain_text/Andrei", 1, (25, 0.3574, 0.0814), "loss"),
    Seen("plain_text/Dzzz83", 0),
    Seen("plain_text/ISChenawei", 1, (960, 23.873, 1.605), "recall average_precision"),
    Seen("plain_text/JBNU", 0),
    Seen("plain_text/Kozmosa", 1, (300, 5.753381, 1.386363), "dice"),
    Seen("plain_text/Wuty", 18, (100, 0.1287, 0.0625), "loss roc_auc"),
    Seen("plain_text/aaryangrg", 0),
    Seen("plain_text/howdrox", 1, (104, 0.838, 0.171), "loss accuracy dice"),
    Seen("plain_text/huestisk", 1, (20, 0.526236, 0.0197138), "loss accuracy"),
    Seen("plain_text/nedelj*local0", 10, (3, 0.987118, 0.283159), "loss dice iou"),
    Seen("plain_text/nedelj*unet", 1, (30, 1.03324, 0.186614), "loss dice iou"),
    Seen("plain_text/wujianP", 1, None, "loss accuracy balanced_accuracy"),
    Seen("tfevents/Aaryan", 1, (90, 86.4728, 1.1744)),
    Seen("tfevents/Dzzz83", 1, (200, 1.60465, 0.160882), "loss accuracy recall"),
    Seen("tfevents/Ferretelic", 1, (200, 5.23904, 1.33417)),
    Seen("utf16_powershell/", 2, (8, 0.8803, 0.1598), "loss accuracy"),
    Seen("wandb_offline/", 0),
    Seen("yolo_console/", 1, (64, 0.06353, 0.01668), YOLO.removesuffix(" loss_component"), "box"),
    Seen("yolo_results_csv/2024uce", 1, (18, 2.11853, 1.74499), YOLO, "box"),
    Seen("yolo_results_csv/AQM19", 1, (100, 2.7504, 0.96767), YOLO, "box"),
    Seen("yolo_results_csv/Absolute", 1, (100, 1.27606, 0.4866), YOLO, "box"),
    Seen("yolo_results_csv/peshmerge", 1, (64, 0.063533, 0.01668), YOLO, "box"),
    Seen("yolox_text/", 2, (40, 10.7, 6.7)),
)  # fmt: skip

CRASHES = {
    "not_a_training_log/gtseligas": "CUDA out of memory",
    "plain_text/aaryangrg": "Signal 6",
    "wandb_offline/": "AttributeError: Can't get attribute",
    "issue_excerpts/csuhan": "Loss became infinite or NaN",
}
KINDS = {
    "keras_history_pkl/Cristiano": "a Git LFS pointer",
    "not_a_training_log/howdrox": "a LaTeX log",
    "plain_text/JBNU": "one value for each of 200 groups",
    "darknet_text/": "network's layers",
    "issue_excerpts/lmzh": "a classification report",
    "gbdt_console/Laurae2__Bosch__logs_ex": "a search over settings",
}


def path_of(name: str) -> Path:
    folder, _, start = name.partition("/")
    (found,) = (LOGS / folder).glob(f"{start}*")
    return found


def read(name: str) -> LogReading:
    (reading,) = read_logs([str(path_of(name))])
    return reading


def differences(seen: Seen) -> list[str]:
    """Say where the reading departs from what was found by hand."""
    reading = read(seen.file)
    if len(reading.runs) != seen.runs:
        return [f"runs: {len(reading.runs)} instead of {seen.runs}"]
    if not seen.runs:
        return [] if reading.instead else ["nothing says what it is instead"]
    told = []
    run = reading.runs[0]
    if seen.term:
        loss = next((s for s in run.all("loss_component", "train") if s.part == seen.term), None)
    else:
        loss = run.get("loss", "train")
    if (loss is None) != (seen.loss is None):
        told.append(f"training loss: {loss and loss.key}")
    elif loss is not None:
        count, first, last = seen.loss
        if len(loss) != count:
            told.append(f"training loss: {len(loss)} points instead of {count}")
        told += [
            f"training loss: {got} instead of {want}"
            for got, want in ((loss.values[0], first), (loss.values[-1], last))
            if not math.isclose(got, want, rel_tol=1e-5)
        ]
    val = {s.name for s in run.series if s.phase == "val"}
    if val != set(seen.val.split()):
        told.append(f"validation: {' '.join(sorted(val))} instead of {seen.val}")
    return told


def test_every_log_is_listed_once():
    listed = [path_of(seen.file) for seen in SEEN]
    every = {p for folder in LOGS.iterdir() if folder.is_dir() for p in folder.iterdir()}
    assert len(listed) == len(set(listed)) == 81
    assert set(listed) == every


@pytest.mark.parametrize("seen", SEEN, ids=lambda seen: seen.file)
def test_a_real_log_is_read_as_a_careful_reader_does(seen):
    assert differences(seen) == []


@pytest.mark.parametrize(("name", "words"), CRASHES.items(), ids=str)
def test_a_crash_without_series_is_named(name, words):
    assert words in read(name).instead


@pytest.mark.parametrize(("name", "words"), KINDS.items(), ids=str)
def test_what_is_no_log_is_named(name, words):
    assert words in read(name).instead


def test_appended_runs_in_two_dialects_have_the_same_meaning():
    runs = read("plain_text/Wuty").runs
    assert all(run.get("loss", "train") is not None for run in runs)
    assert all(0.3 < run.get("roc_auc", "val").values.max() <= 1 for run in runs)  # percent and shares


def test_each_class_has_its_curve():
    recalls = [s for s in read("tfevents/Dzzz83").runs[0].all("recall", "val") if s.part]
    assert sorted(s.part for s in recalls) == [str(i) for i in range(10)]
    assert next(s for s in recalls if s.part == "9").values[:12].max() == 0


def test_the_folder_of_all_logs_is_searched():
    found = read_logs([str(LOGS)])
    looked_for = {path_of(seen.file) for seen in SEEN if seen.runs}
    sources = [Path(reading.source) for reading in found if reading.runs]
    missed = {p.name for p in looked_for if not any(p in (s, *s.parents) or s in p.parents for s in sources)}
    # Markdown and Python files are not looked at in a folder
    assert {Path(name).suffix for name in missed} <= {".md", ".py"}

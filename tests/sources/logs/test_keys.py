"""What log keys mean: the dialects met in real logs, and the traps among them."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imbalance_doctor.errors import InputError
from imbalance_doctor.evidence import SERIES
from imbalance_doctor.sources.logs._keys import STAND_IN, canonical, override, phase_of_file

UNDERSTOOD = {
    # losses
    "loss": "loss",
    "total_loss": "loss",
    "losses": "loss",
    "auc_precision_recall": "average_precision",
    "val/precision_recall_auc": "val average_precision",
    "val_Recall@1%": "val recall_at_quantile",
    "recall_at_0.01": "recall_at_quantile",
    "Recall@5": "recall [@5]",
    "val_loss": "val loss",
    "Train Loss": "train loss",
    "TrainLoss": "train loss",
    "trainloss": "train loss",
    "loss_train": "train loss",
    "Loss/val": "val loss",
    "eval_loss": "val loss",
    "loss/test_Testing": "test loss",
    "Smoothed Validation Loss": "val loss",
    "Validation set: Average loss": "val loss",
    "train/CrossEntropyLoss": "train loss",
    "train_mean_nll": "train loss",
    "binary_logloss": "loss",
    "验证损失": "val loss",
    "训练集损失值": "train loss",
    # terms of a loss
    "loss_cls": "loss_component [cls]",
    "loss_rpn_loc": "loss_component [rpn_loc]",
    "train/box_loss": "train loss_component [box]",
    "decode.loss_ce": "loss_component [decode_ce]",
    "aux_loss": "loss_component [aux]",
    # metrics
    "metrics/mAP50(B)": "average_precision",
    "metrics/mAP_0.5:0.95": "average_precision",
    "mAP@.5": "average_precision",
    "bbox/AP": "average_precision",
    "bbox/AP-dog": "average_precision [dog]",
    "bbox/APs": "average_precision [small]",
    "segm/AP": "average_precision [segm]",
    "val_AUPRC": "val average_precision",
    "aucpr": "average_precision",
    "valid_1's auc": "val roc_auc",
    "training's auc": "train roc_auc",
    "D:/data/lgbm_train.csv's auc": "train roc_auc",
    "validation_0-auc": "val roc_auc",
    "ROC AUC Score": "roc_auc",
    "macro_auc_roc": "roc_auc",
    "sensitivity": "recall",
    "wheeze_sensitivity": "recall [wheeze]",
    "recall_1": "recall [1]",
    "test_cls_recall/3": "test recall [3]",
    "acc/test_cls_recall/3": "test recall [3]",
    "Acc.background": "recall [background]",
    "metrics/precision(B)": "precision",
    "P": "precision",
    "R": "recall",
    "val_f1_metric": "val f1",
    "Val F1 Mac": "val f1",
    "F1[BG]": "f1 [BG]",
    "val_matthews_corrcoef": "val mcc",
    "Acc@1": "accuracy",
    "Prec@1": "accuracy",
    "Acc@5": "accuracy [@5]",
    "metrics/accuracy_top1": "accuracy",
    "val_sparse_categorical_accuracy": "val accuracy",
    "audio_accuracy": "accuracy [audio]",
    "val Accuracy (%)": "val accuracy",
    "fast_rcnn/cls_accuracy": "accuracy",
    "fast_rcnn/fg_cls_accuracy": "foreground_accuracy",
    "mAcc": "balanced_accuracy",
    "val_balanced_accuracy": "val balanced_accuracy",
    "top5": "accuracy [@5]",
    "eval_top5": "val accuracy [@5]",
    "coco/bbox_mAP_s": "average_precision [small]",
    "val_accs": "val accuracy",
    "ENTS_F": "f1",
    "lr(PiecewiseDecay)": "learning_rate",
    "Pseudo dice[1]": "dice [1]",
    "val_dice_RV": "val dice [RV]",
    "mIoU": "iou",
    "IoU.error": "iou [error]",
    # the optimiser
    "lr": "learning_rate",
    "Current learning rate": "learning_rate",
    "x/lr0": "learning_rate",
    "lr/pg1": "learning_rate [1]",
    "lr-Adam": "learning_rate",
    "lr-AdamW/pg2": "learning_rate [2]",
    "gnorm": "gradient_norm",
    "optim/total_grad_norm": "gradient_norm",
    "grad_2.0_norm_total": "gradient_norm",
    "train/grad_norm": "train gradient_norm",
    "loss scale": "loss_scale",
    # what this project's own losses and runs log
    "loss_mean10": "loss_mean",
    "loss_zero_frac10": "loss_zero_share",
    "grad_max10": "gradient_norm_max",
    "batch_nopos_frac": "batch_without_positives_share",
    "pos_in_batch": "positives_in_batch",
    "val_recall_q": "val recall_at_quantile",
    "val_pos_rate": "val prevalence",
    "pred_pos_frac": "predicted_positive_share",
    "phase": "stage",
    "queue_score_std": "queue_score_std",
    "band_neg_count": "band_neg_count",
    "rank_loss_max": "rank_loss_max",
    "zero_loss_frac": "loss_zero_share",
    "num_pos_in_batch": "positives_in_batch",
    "no_pos_batch_frac": "batch_without_positives_share",
    "val_frac_pred_pos": "val predicted_positive_share",
    "max_abs_logit": "score_absmax",
    "main_loss_weight": "main_weight",
    "num_pos_pool": "pool_positives",
    "positives_in_queue": "queue_positives",
    "queue_logit_std": "queue_score_std",
    "total_norm": "gradient_norm",
}
ERRORS = {"test-error": "test accuracy", "top1_err": "accuracy", "class_error": "accuracy", "fnr": "recall"}
REFUSED = (
    "time", "eta", "elapsed time per iteration (ms)", "eval_samples_per_second", "train_runtime", "data_time",
    "best_val_acc", "best_eval_f1", "min_lr", "max_memory", "number of nan iterations", "loss_weight",
    "val_loss_variance", "early_stopping_patience", "gpu_temp", "perplexity", "roi_head/num_fg_samples",
    "consumed samples", "wps", "step", "reward", "weight_decay", "Assertion error in worker", "", "123",
    "focal_loss_gamma", "score", "lr per img", "accuracy_threshold",
)  # fmt: skip


@pytest.mark.parametrize(("key", "meaning"), UNDERSTOOD.items())
def test_a_key_is_understood(key, meaning):
    found = canonical(key)
    assert str(found) == meaning
    assert not found.complement


@pytest.mark.parametrize(("key", "meaning"), ERRORS.items())
def test_an_error_is_the_complement_of_a_rate(key, meaning):
    found = canonical(key)
    assert (str(found), found.complement) == (meaning, True)


@pytest.mark.parametrize("key", REFUSED)
def test_what_is_no_measurement_is_refused(key):
    assert canonical(key) is None


ORDERED = ("total_loss", "loss", "avg_loss", "smoothed loss", "dice_loss")


def test_the_total_goes_before_the_plain_the_plain_before_the_mean_and_that_before_a_kind():
    orders = [
        canonical(key).order for key in ("total_loss", "loss", "avg_loss", "smoothed loss", "dice_loss")
    ]
    assert orders == sorted(set(orders))
    assert orders[-1] < STAND_IN <= canonical("logloss").order < canonical("rmse").order


def test_macro_goes_before_weighted_and_micro():
    orders = [canonical(key).order for key in ("f1", "macro_f1", "weighted_f1", "micro_f1", "ema_f1")]
    assert orders == sorted(set(orders))


def test_evaluation_sets_are_numbered():
    assert [canonical(f"validation_{i}-auc").dataset for i in (0, 1)] == [0, 1]
    assert canonical("val_recall_1").dataset == -1
    assert canonical("val_recall_1").part == "1"


@pytest.mark.parametrize("name", SERIES)
def test_a_canonical_name_means_itself(name):
    found = canonical(name)
    if name != "loss_component":
        assert found is not None
    assert found is None or found.name in {name, "loss"}


@given(st.text(max_size=300))
def test_any_text_is_a_known_series_or_nothing(key):
    found = canonical(key)
    assert found is None or found.name in SERIES


WORDS = st.sampled_from(
    ("loss", "acc", "train", "val", "test", "recall", "1", "f1", "best", "auc", "error", "lr", "[", "]", "'s")
)


@given(st.lists(WORDS, max_size=15), st.sampled_from(["_", " ", "/", "", "."]))
def test_any_words_are_a_known_series_or_nothing(words, separator):
    found = canonical(separator.join(words))
    assert found is None or (found.name in SERIES and found.phase in {"train", "val", "test", ""})


@given(st.sampled_from(sorted(UNDERSTOOD)), st.sampled_from(["best ", "elapsed time of "]))
def test_a_running_extreme_or_a_clock_is_never_a_series(key, prefix):
    if (
        all(c in string.printable for c in key)
        and key not in {"P", "R"}
        and "." not in key
        and "'" not in key
    ):
        found = canonical(prefix + key)
        assert found is None


@pytest.mark.parametrize(
    ("name", "phase"),
    [
        ("test_error.tsv", "test"),
        ("testLog_run1.txt", "test"),
        ("val.log", "val"),
        ("validation_metrics.csv", "val"),
        ("test.log", ""),
        ("testing_ideas.txt", ""),
        ("train_val.log", ""),
        ("train.log", ""),
        ("latest_error.log", ""),
        ("run.log", ""),
    ],
)
def test_a_files_name_may_say_the_phase(name, phase):
    assert phase_of_file(name) == phase


def test_the_users_word_is_final():
    given_names = override({"a": "val_loss", "b": "train/roc_auc", "c": "temperature", "d": "loss_std"})
    assert {k: str(n) for k, n in given_names.items()} == {
        "a": "val loss", "b": "train roc_auc", "c": "temperature", "d": "loss_std",
    }  # fmt: skip
    assert all(n.given for n in given_names.values())


@pytest.mark.parametrize(
    ("said", "hint"), [("val_lss", "val_loss"), ("average_precison", "average_precision"), ("qqqq", "")]
)
def test_an_unknown_name_is_an_error_with_a_suggestion(said, hint):
    with pytest.raises(InputError) as caught:
        override({"my_key": said})
    assert f"got '{said}' for the key 'my_key'" in str(caught.value)
    assert (f"did you mean '{hint}'?" in str(caught.value)) == bool(hint)

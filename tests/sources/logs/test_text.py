# ruff: noqa: E501, ISC004, RUF001 - log lines stand as logs write them
"""Plain text logs: single lines, consoles, long files, malformed input."""

from __future__ import annotations

import io
import itertools
import math
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from imbalance_doctor.errors import InputError
from imbalance_doctor.sources.logs import text as text_module
from imbalance_doctor.sources.logs.base import LogFile, Options, Record
from imbalance_doctor.sources.logs.text import Text, TextFollower

NAN = math.nan
INF = math.inf


def follow(log: str | bytes, *patterns: str) -> tuple[list[Record], TextFollower]:
    follower = TextFollower(Options(patterns=patterns))
    data = log.encode() if isinstance(log, str) else log
    return follower.feed(data) + follower.close(), follower


def read(log: str | bytes, *patterns: str) -> list[Record]:
    return follow(log, *patterns)[0]


def only(line: str) -> Record:
    records = read(line + "\n")
    assert len(records) == 1, records
    return records[0]


def same(first: float, second: float) -> bool:
    return first == second or (math.isnan(first) and math.isnan(second))


def agree(values: dict[str, float], expected: dict[str, float]) -> bool:
    """Tell whether all expected values are there; further keys (times, counters) may be."""
    return all(key in values and same(values[key], value) for key, value in expected.items())


# line, values, epoch, step, phase
LINES = [
    # a NaN that the trainer itself hides behind a loss of 0.0
    (
        "{'loss': 0.0, 'grad_norm': nan, 'learning_rate': 3.1e-06, 'epoch': 0.71}",
        {"loss": 0.0, "grad_norm": NAN, "learning_rate": 3.1e-06},
        0.71,
        None,
        "",
    ),
    # the same since the trainer prints strings
    ("{'loss': '0.0979', 'grad_norm': 'nan', 'epoch': '2.27'}", {"loss": 0.0979, "grad_norm": NAN}, 2.27, None, ""),
    # value (running mean): the value counts
    (
        "Epoch: [12]  [ 840/1251]  eta: 0:03:11  lr: 0.0021  loss: 5.1 (5.3)  grad_norm: 0.41 (nan)  time: 0.46",
        {"lr": 0.0021, "loss": 5.1, "grad_norm": 0.41},
        12,
        840,
        "",
    ),
    (
        "20240105_101112|lib.engine.logger@88: eta: 3:06:27 iter: 50/900[5.6%] lr: 1.0e-04 total_grad_norm: N/A "
        "total_loss: 2.5e+01 (3.5e+01)",
        {"total_grad_norm": NAN, "total_loss": 25.0, "lr": 1e-4},
        None,
        50,
        "",
    ),
    # no separators but blanks
    (
        "| epoch   3 |   400/ 1200 batches | lr 5.00 | ms/batch 9.21 | loss   nan | ppl      nan",
        {"lr": 5.0, "loss": NAN, "ppl": NAN},
        3,
        400,
        "",
    ),
    # "loss" only within "loss scale", "nan" as a word
    (
        " iteration      120/   5000 | elapsed time per iteration (ms): 812.4 | learning rate: 1.000E-04 |"
        " loss scale: 4096.0 | grad norm: nan | number of nan iterations:   2 |",
        {"loss scale": 4096.0, "grad norm": NAN, "learning rate": 1e-4, "number of nan iterations": 2.0},
        None,
        120,
        "",
    ),
    # a comma within the remaining time
    (
        "2024-01-01 10:00:00,123 - mmdet - INFO - Epoch [2][50/700]\tlr: 2.0e-03, eta: 4 days, 1:02:03, "
        "memory: 4010, loss_cls: 0.41, loss: 1.91, grad_norm: inf",
        {"lr": 2e-3, "loss_cls": 0.41, "loss": 1.91, "grad_norm": INF},
        2,
        50,
        "",
    ),
    ("2024/01/01 10:00:00 - mmengine - INFO - Epoch(val) [4][20/20]    accuracy/top1: 61.25", {"accuracy/top1": 61.25}, 4, 20, "val"),
    # Keras bars whose escape byte was lost
    (
        "\x1b[1m20/20[0m [32m━━━━━━━━━[0m[37m[0m [1m42s[0m 81ms/step - accuracy: 0.72 - loss: 0.88 - val_loss: 0.43",
        {"accuracy": 0.72, "loss": 0.88, "val_loss": 0.43},
        None,
        None,
        "",
    ),
    (
        "[1m20/20[0m [32m━━━━━━━━━[0m[37m[0m [1m42s[0m 81ms/step - accuracy: 0.72 - loss: 0.88",
        {"accuracy": 0.72, "loss": 0.88},
        None,
        None,
        "",
    ),
    # one value per class; the class that is absent is NaN
    ("Pseudo dice [nan, 0.85]", {"Pseudo dice[0]": NAN, "Pseudo dice[1]": 0.85}, None, None, ""),
    ("Pseudo dice [np.float64(0.25), np.float64(0.5)]", {"Pseudo dice[0]": 0.25, "Pseudo dice[1]": 0.5}, None, None, ""),
    ('json_stats: {"_type": "val_epoch", "epoch": "3/90", "lr": "0.0001", "top1_err": 71.5}', {"lr": 1e-4, "top1_err": 71.5}, 3, None, "val"),
    ("Epoch: 020, Train Loss: 0.13, Train AUC: 51.5, Valid AUC: 50.5", {"Train AUC": 51.5, "Valid AUC": 50.5}, 20, None, ""),
    ("Epoch: 020, Loss: 0.13, Train AUC: 78.5%", {"Train AUC": 0.785}, 20, None, ""),
    # data sets called like files
    ("[LightGBM] [Info] Iteration:7, C:/data/run_3/holdout_1.csv's auc: 0.83", {"holdout_1.csv's auc": 0.83}, None, 7, ""),
    ("[100]\ttraining's auc: 0.99\tvalid_1's auc: 0.85", {"training's auc": 0.99, "valid_1's auc": 0.85}, None, 100, ""),
    ("[3]\ttrain-auc:0.63+0.027\ttest-auc:0.61+0.03", {"train-auc": 0.63, "test-auc": 0.61}, None, 3, ""),
    ("7:\tlearn: 0.68\ttest: 0.69\tbest: 0.69 (0)\ttotal: 60ms\tremaining: 1m", {"learn": 0.68, "test": 0.69}, None, 7, ""),
    # a fold is no epoch, "+" belongs to a key
    ("[VAL] LOOCV Fold 2/50 | GDS: 0.25, score(GDS + mIoU): 0.5", {"GDS": 0.25, "score(GDS + mIoU)": 0.5}, None, None, "val"),
    # values in brackets, the class within the row
    (
        "2024-01-01 10:00:00,1 ID:[1  ], CLASS:[sliding door   ], Pred: [004.0], F1:[25.00%], Recall:[18.75%]",
        {"F1[sliding door]": 0.25, "Recall[sliding door]": 0.1875},
        None,
        None,
        "",
    ),
    ("Epoch [4/500], Train Loss: 841574351902872.125, Train L1 Loss: 12.5", {"Train Loss": 841574351902872.125, "Train L1 Loss": 12.5}, 4, None, ""),
    # a comma for a separator
    ("epoch 2, phase train, step 30, loss_train, 0.75", {"loss_train": 0.75}, 2, 30, "train"),
    ("[epoch: 6/20, iter: 25/80] total: 1.136", {"total": 1.136}, 6, 25, ""),
    ("iteration 150, epoch 3 : loss : 2.75, lr: 0.0008", {"loss": 2.75, "lr": 0.0008}, 3, 150, ""),
    ("Train Epoch: 5 [128/316 (41%)]\tLoss: 1.446", {"Loss": 1.446}, 5, 128, "train"),
    ("Test set: Average loss: 0.05, Accuracy: 9816/10000 (98%)", {"test_Average loss": 0.05, "test_Accuracy": 0.9816}, None, None, ""),
    ("[1,  2000] loss: 2.173", {"loss": 2.173}, 1, 2000, ""),
    ("[0/5][300/391] Loss_D: 0.53 Loss_G: 3.2", {"Loss_D": 0.53, "Loss_G": 3.2}, 0, 300, ""),
    ("Train: 3 [  50/1251 (  4%)]  Loss: 6.94 (6.95)  LR: 1.0e-04", {"Loss": 6.94, "LR": 1e-4}, 3, 50, "train"),
    ("INFO Train: [2/300][10/1251]\teta 1:00:00 lr 0.0001\tloss 6.9 (6.8)\tloss_scale 65536.0 (65536.0)", {"lr": 1e-4, "loss": 6.9, "loss_scale": 65536.0}, 2, 10, "train"),
    ("2024-01-01 10:00:00 | INFO | train_inner | epoch 001:    101 / 1102 loss=12.6, num_updates=100, gnorm=3.6", {"loss": 12.6, "gnorm": 3.6}, 1, 100, "train"),
    ("2024-01-01 10:00:00 | INFO | valid | epoch 005 | valid on 'valid' subset | loss 4.6 | ppl 9.02", {"loss": 4.6, "ppl": 9.02}, 5, None, "val"),
    ("2024-01-01 10:00:00.1 | INFO     | yolox.core.trainer:after_iter:246 - epoch: 1/300, iter: 10/47, mem: 1491Mb, total_loss: 10.7, lr: 7e-06, ETA: 1:54:27", {"total_loss": 10.7, "lr": 7e-6}, 1, 10, ""),
    # several phases in one line
    ("Epoch 1/20 | Train: loss=0.5 acc=0.8 | Val: loss=0.6 acc=0.7 | lr=0.01", {"train_loss": 0.5, "train_acc": 0.8, "val_loss": 0.6, "val_acc": 0.7, "lr": 0.01}, 1, None, ""),
    ("Epoch 3: train loss 0.5 acc 0.8 val loss 0.6 acc 0.7", {"train loss": 0.5, "train_acc": 0.8, "val loss": 0.6, "val_acc": 0.7}, 3, None, ""),
    ("Epoch 3 train/val loss: 0.5/0.6", {"train loss": 0.5, "val loss": 0.6}, 3, None, ""),
    ("训练 Epoch 3 损失: 0.35 准确率: 0.91", {"损失": 0.35, "准确率": 0.91}, 3, None, ""),
    ("第 0010 轮，损失值：0.25，验证集 AUC：69.5%", {"损失值": 0.25, "验证集 AUC": 0.695}, 10, None, ""),
    ("📉 Loss: 0.35 ✅ Val Acc: 91.0%", {"Loss": 0.35, "Val Acc": 0.91}, None, None, ""),
    ("Step 1,000: loss = tensor(0.25, device='cuda:0'), recall@0.01 = 0.4", {"loss": 0.25, "recall@0.01": 0.4}, None, 1000, ""),
    ("Average Precision  (AP) @[ IoU=0.50:0.95 | area=   all | maxDets=100 ] = 0.321", {"AP": 0.321}, None, None, "val"),
    ("Average Precision  (AP) @[ IoU=0.50      | area=   all | maxDets=100 ] = 0.5", {"AP50": 0.5}, None, None, "val"),
    (" 500: 2.341, 2.210 avg loss, 0.001000 rate, 3.2 seconds, 32000 images", {"loss": 2.341, "avg loss": 2.21}, None, 500, ""),
    ("Accuracy of the network on the 10000 test images: 53 %", {"test_Accuracy": 0.53}, None, None, ""),
    ("|    train/loss      | 0.0123      |", {"train/loss": 0.0123}, None, None, ""),
    ('{"epoch": 3, "train": {"loss": 0.3}, "val": {"loss": 0.4, "auc": NaN}}', {"train/loss": 0.3, "val/loss": 0.4, "val/auc": NAN}, 3, None, ""),
    ("Class 3: precision 0.5, recall: 0.25, f1=0.33", {"precision[3]": 0.5, "recall[3]": 0.25, "f1[3]": 0.33}, None, None, ""),
    ("Epoch 7 mAP@.5:.95: 0.31 mAP_0.5: 0.5 Acc@1 71.2", {"mAP@.5:.95": 0.31, "mAP_0.5": 0.5, "Acc@1": 71.2}, 7, None, ""),
    ("step 7 train_loss:0.5;train_acc:0.9;val_loss:0.6", {"train_loss": 0.5, "train_acc": 0.9, "val_loss": 0.6}, None, 7, ""),
    ("train_loss:0.5;train_acc:0.9;val_loss:0.6", {"train_loss": 0.5, "train_acc": 0.9, "val_loss": 0.6}, None, None, ""),
    ("Epoch(val) [10][204]\tAP: 0.7, AP .5: 0.9, AP .75: 0.8", {"AP": 0.7, "AP .5": 0.9, "AP .75": 0.8}, 10, None, "val"),
    ("I0501 10:00:00.123456 140 train.py:77] eval epoch: 3, loss: 0.6", {"loss": 0.6}, 3, None, "val"),
    ("    train/Perplexity=8,641", {"train/Perplexity": 8641.0}, None, None, ""),
    ("epoch: 3, train_loss: 0.4 (±0.02), val_ap: 0.3 +/- 0.01", {"train_loss": 0.4, "val_ap": 0.3}, 3, None, ""),
]  # fmt: skip


@pytest.mark.parametrize(
    ("line", "values", "epoch", "step", "phase"), LINES, ids=[line[0][:50] for line in LINES]
)
def test_a_line(line, values, epoch, step, phase):
    record = only(line)
    assert agree(dict(record.values), values), record
    assert (record.epoch, record.step, record.phase) == (epoch, step, phase)
    assert not {"epoch", "step", "iter", "eta", "memory"} & record.values.keys() - {"memory"}


@pytest.mark.parametrize(
    ("line", "values", "epoch", "step", "phase"), LINES, ids=[line[0][:50] for line in LINES]
)
def test_a_line_reads_the_same_when_its_shape_is_known(line, values, epoch, step, phase):
    first, *others = read(f"{line}\nsome words\n{line}\nsome words\n{line}\n")
    assert len(others) in {2, 0}  # a bar that does not move is one bar
    for other in others:
        assert list(other.values) == list(first.values)
        assert all(same(a, b) for a, b in zip(other.values.values(), first.values.values(), strict=True))
        assert (other.epoch, other.phase) == (first.epoch, first.phase)


@pytest.mark.parametrize(
    "line",
    [
        "NOTE: gradient overflow detected, ignoring gradient, setting loss scale to: 64.0",
        "Gradient overflow.  Skipping step, loss scaler 0 reducing loss scale to 32768.0",
        "Epoch 00012: val_loss improved from 0.43 to 0.41, saving model to best.h5",
        "Adjusting learning rate of group 0 to 3.0000e-02.",
        "  (bn1): BatchNorm2d(32, eps=1e-05, momentum=0.1, affine=True)",
        "Namespace(lr=0.1, loss_weight=0.5, epochs=3)",
        "2024-01-01 10:00:00,123 INFO starting",
        "Saved /home/me/run_3/loss_0.31.pt",
    ],
)
def test_a_line_that_measures_nothing(line):
    assert read(line + "\n") == []


def test_an_echo_of_the_best_value_is_told_from_the_value():
    (record,) = read("  -> New best model saved (Dice: 0.0378)\n")
    assert dict(record.values) == {"best Dice": 0.0378}


def test_header_lines_place_the_lines_below():
    records, follower = follow("Epoch 3/100\n- loss: 0.5\n- val_auc: 0.7\n\n## Epoch no. = 4\n* loss: 0.4\n")
    assert [(r.epoch, dict(r.values)) for r in records] == [
        (3, {"loss": 0.5}),
        (3, {"val_auc": 0.7}),
        (4, {"loss": 0.4}),
    ]
    assert follower.hints == {"planned_epochs": 100}


def test_a_block_under_a_step():
    log = "".join(
        f"2024-01-01 10:00:0{i}.985\tsome-node-of-a-cluster-03:0\tlib.train:990\tINFO\t[step={i * 10}/500,epoch=0]\n    optim/total_grad_norm={i}.5\n    train/Loss={i},000\n"
        for i in range(1, 4)
    )
    records = [r for r in read(log) if "train/Loss" in r.values or "optim/total_grad_norm" in r.values]
    assert [(r.step, *r.values.values()) for r in records] == [
        (10, 1.5),
        (10, 1000),
        (20, 2.5),
        (20, 2000),
        (30, 3.5),
        (30, 3000),
    ]


def test_a_stamp_alone_on_its_line():
    log = "2024-03-03 02:13:09,433 | \nepoch=1 step=200 train_loss=0.35 val_loss=0.3\n2024-03-03 02:28:21,334 | \nepoch_end=1 train_loss=0.2 val_loss=0.1\n"
    assert [(r.epoch, r.step, *r.values.values()) for r in read(log)] == [
        (1, 200, 0.35, 0.3),
        (1, 200, 0.2, 0.1),
    ]


def test_a_section_sets_the_phase_of_lines_that_do_not_place_themselves():
    records = read("Epoch 1\nTraining\nloss: 0.5\nValidation:\nloss: 0.6\n{'loss': 0.4, 'epoch': 1.5}\n")
    assert [(r.phase, r.values["loss"]) for r in records] == [("train", 0.5), ("val", 0.6), ("", 0.4)]


def test_folds_and_ranks():
    records = read(
        "📂 Fold 1/5\nepoch 1 loss 0.5\nFold 2/5\nepoch 1 loss 0.4\n[rank1]: epoch 2 loss 0.3\n(Worker pid=7, ip=10.0.0.1) epoch 2 loss 0.2\n"
    )
    assert [(r.group, r.rank, r.epoch) for r in records] == [
        ("fold 1", "", 1),
        ("fold 2", "", 1),
        ("fold 2", "1", 2),
        ("fold 2", "7", 2),
    ]


def test_steps_that_begin_anew_each_epoch_go_on_rising():
    known = "".join(f"epoch {e} [{i}/30] loss {e}.{i}\n" for e in (5, 6, 7) for i in (10, 20, 30))
    assert [r.step for r in read(known)] == [10, 20, 30, 40, 50, 60, 70, 80, 90]
    unknown = "".join(f"epoch={e} step={i} loss={e}.{i}\n" for e in range(3) for i in (0, 10, 20))
    assert [r.step for r in read(unknown)] == [0, 10, 20, 30, 40, 50, 60, 70, 80]
    overall = "".join(f"epoch={e} step={e * 30 + i} loss={e}.{i}\n" for e in range(3) for i in (0, 10, 20))
    assert [r.step for r in read(overall)] == [0, 10, 20, 30, 40, 50, 60, 70, 80]
    total = "epoch 1, phase train, total step 0\nepoch 1, step 50, loss, 0.5\nepoch 1, phase valid, total step 100\nepoch 2, phase train, total step 100\nepoch 2, step 150, loss, 0.4\n"
    assert [r.step for r in read(total)] == [50, 150]


def test_a_validation_pass_does_not_count_as_training_steps():
    log = (
        "".join(f"Epoch: [{e}][{i}/100] loss 1.{i}\n" for e in (0,) for i in (50, 100))
        + "Test: [10/20] loss 2.0\nEpoch: [1][50/100] loss 1.5\n"
    )
    assert [r.step for r in read(log)] == [50, 100, 50, 150]
    assert "test_loss" in read(log)[2].values


def test_redraws_of_a_bar_count_once():
    bar = "\rEpoch {e}: {p:3d}%|##  | {i}/4 [00:0{i}<00:01, 3.1it/s, loss={v}, acc={i}.5%]"
    log = "".join(bar.format(e=e, p=25 * i, i=i, v=e + i / 10) for e in range(1, 6) for i in range(5))
    assert [(r.epoch, r.values["loss"]) for r in read(log)] == [(e, e + 0.4) for e in range(1, 6)]
    lines = log.replace("\r", "\n")
    assert [(r.epoch, r.values["loss"]) for r in read(lines)] == [(e, e + 0.4) for e in range(1, 6)]


def test_bars_without_name_or_newline():
    log = "".join(f"100%|##| 10/10 [00:01<00:00, loss={e}.5]\n" for e in range(5))
    assert [r.values["loss"] for r in read(log)] == [0.5, 1.5, 2.5, 3.5, 4.5]
    keras = "".join(
        f"Epoch {e}/3\n 1/10 [>....] - ETA: 3s - loss: 9.0\b\b\b\b\r10/10 [=====] - 3s 10ms/step - loss: {e}.0 - val_loss: {e}.5\n"
        for e in (1, 2, 3)
    )
    assert [(r.epoch, r.step, r.values["loss"], r.values["val_loss"]) for r in read(keras)] == [
        (e, None, e, e + 0.5) for e in (1, 2, 3)
    ]


def test_the_redraws_are_the_series_where_there_is_but_one_bar():
    log = "".join(f"\rTraining: {i:3d}%|##| {i}/100 [00:00<00:01, loss={i}.5]" for i in range(1, 101)) + "\n"
    records, follower = follow(log)
    assert [(r.step, r.values["loss"]) for r in records] == [(i, i + 0.5) for i in range(1, 101)]
    assert [t.keys for t in follower.templates()] == [("loss",)]


def test_a_dictionary_behind_a_bar_is_no_redraw():
    log = "".join(
        f"\r {i:2d}%|#   | {i}/100 [00:02<12:16]{{'loss': {i}.5, 'epoch': {i / 10}}}\n"
        for i in (10, 20, 30, 40)
    )
    assert [(r.epoch, r.values["loss"]) for r in read(log)] == [(1, 10.5), (2, 20.5), (3, 30.5), (4, 40.5)]


TABLES = {
    "fastai": (
        "epoch     train_loss  valid_loss  accuracy  time    \n"
        "0         0.51        0.43        0.8       00:12\n"
        "Better model found at epoch 0 with valid_loss value: 0.43.\n"
        "1         0.41        nan         0.9       00:12\n",
        [(0, None, {"train_loss": 0.51, "valid_loss": 0.43, "accuracy": 0.8}), (1, None, {"train_loss": 0.41, "valid_loss": NAN, "accuracy": 0.9})],
    ),
    "notebook": (
        "| Step | Training Loss | Validation Loss |\n|:---:|:---:|:---:|\n| 500  | No log | 0.4 |\n| 1,000 | 0.3 | 0.35 |\n",
        [(None, 500, {"Validation Loss": 0.4}), (None, 1000, {"Training Loss": 0.3, "Validation Loss": 0.35})],
    ),
    "two lines of names": (
        "|  Epoch  |  Iteration  |  Time Elapsed  |  Mini-batch  |  Validation  |\n"
        "|         |             |   (hh:mm:ss)   |     Loss     |   Accuracy   |\n"
        "|=====================================================================|\n"
        "|       1 |           1 |       00:00:04 |       2.8541 |        9.50% |\n"
        "|       1 |          50 |       00:00:23 |       1.4800 |              |\n",
        [(1, 1, {"Mini-batch Loss": 2.8541, "Validation Accuracy": 0.095}), (1, 50, {"Mini-batch Loss": 1.48})],
    ),
    "csv inside text": (
        "Model: x\n,loss,acc,val_loss\n0,0.5,0.8,0.6\n1,0.4,0.9,0.7\n\nResults:\n",
        [(0, None, {"loss": 0.5, "acc": 0.8, "val_loss": 0.6}), (1, None, {"loss": 0.4, "acc": 0.9, "val_loss": 0.7})],
    ),
    "boosting": (
        "      Iter       Train Loss   Remaining Time \n         1           1.2613            5.21s\n         2           1.1715            5.10s\n",
        [(None, 1, {"Train Loss": 1.2613}), (None, 2, {"Train Loss": 1.1715})],
    ),
    "detection": (
        "     Epoch   gpu_mem       box       obj       cls    labels  img_size\n"
        "      0/63     4.89G     0.064     0.033         0        12      1280:  50%|#####     | 1/2 [00:01<00:01,  1.8s/it]\r"
        "      0/63     4.89G     0.063     0.032         0        12      1280: 100%|##########| 2/2 [00:02<00:00,  1.8s/it]\n"
        "               Class     Images     Labels          P          R     mAP@.5 mAP@.5:.95: 100%|##########| 17/17 [00:23<00:00,  1.4s/it]\n"
        "                 all        677       2449      0.25      0.5      0.125      0.0625\n",
        [(0, None, {"box_loss": 0.063, "obj_loss": 0.032, "cls_loss": 0.0}), (0, None, {"precision": 0.25, "recall": 0.5, "mAP@.5": 0.125, "mAP@.5:.95": 0.0625})],
    ),
    "report": (
        "Epoch 4\n              precision    recall  f1-score   support\n\n         cat       0.74      1.00      0.85        50\n"
        "    accuracy                           0.74        68\n   macro avg       0.37      0.50      0.42        68\n",
        [
            (4, None, {"precision[cat]": 0.74, "recall[cat]": 1.0, "f1-score[cat]": 0.85}),
            (4, None, {"accuracy": 0.74}),
            (4, None, {"macro_precision": 0.37, "macro_recall": 0.5, "macro_f1-score": 0.42}),
        ],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TABLES)
def test_a_table(name):
    log, expected = TABLES[name]
    records = [r for r in read(log) if not any(key.startswith("best") for key in r.values)]
    assert [(r.epoch, r.step) for r in records] == [(epoch, step) for epoch, step, _ in expected]
    for record, (_, _, values) in zip(records, expected, strict=True):
        assert agree(dict(record.values), values), record


def test_the_phases_of_a_detection_table():
    assert [r.phase for r in read(TABLES["detection"][0])] == ["train", "val"]


def test_a_history_printed_at_the_end():
    log = "Epoch 2/2\ndone\n{'loss': [0.5, 0.4, 0.3], 'val_loss': [0.6, nan, 0.7]}\n"
    records = read(log)
    assert [(r.epoch, r.values["loss"]) for r in records] == [(0, 0.5), (1, 0.4), (2, 0.3)]
    assert math.isnan(records[1].values["val_loss"])
    assert (
        read("epoch 1 loss 0.5\nepoch 2 loss 0.4\nepoch 3 loss 0.3\n{'loss': [0.5, 0.4, 0.3]}\n")[-1].line
        == 3
    )


def test_a_list_that_comes_again_holds_one_value_per_class():
    records = read("recall: [0.1, 0.2, 0.3]\nrecall: [0.2, 0.3, 0.4]\n")
    assert [dict(r.values) for r in records] == [
        {"recall[0]": 0.1, "recall[1]": 0.2, "recall[2]": 0.3},
        {"recall[0]": 0.2, "recall[1]": 0.3, "recall[2]": 0.4},
    ]


@pytest.mark.parametrize(
    ("line", "hints"),
    [
        ("[LightGBM] [Info] Number of positive: 5504, number of negative: 941495", {"positives": 5504, "negatives": 941495}),
        ("Loaded 1,542,752 records, base rate 3.89%", {"prevalence": 0.0389, "positives": 60013, "negatives": 1482739}),
        ("120 positives, 4,880 negatives", {"positives": 120, "negatives": 4880}),
        ("Found 1120 files belonging to 5 classes.", {"num_classes": 5}),
        ("max_epochs=40 batch_size: 64", {"planned_epochs": 40, "batch_size": 64}),
        ("Class [00] OK: 900 images\nClass [01] BAD: 9 images", {"num_classes": 2, "negatives": 900, "positives": 9}),
        ("Total optimization steps = 5,000", {"planned_steps": 5000}),
    ],
)  # fmt: skip
def test_hints(line, hints):
    _, follower = follow(line + "\n")
    assert follower.hints == pytest.approx(hints)


@pytest.mark.parametrize(
    ("end", "crash"),
    [
        ('Traceback (most recent call last):\n  File "x.py", line 3, in f\nValueError: Input contains NaN\n', "ValueError: Input contains NaN"),
        ("[rank0]: torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB\n", "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB"),
        ("FloatingPointError: Loss became infinite or NaN at iteration=167!\n", "FloatingPointError: Loss became infinite or NaN at iteration=167!"),
        ("Loss is nan, stopping training\n", "Loss is nan, stopping training"),
        ("Killed\n", "Killed"),
        ("slurmstepd: error: *** JOB 7 ON n1 CANCELLED AT 2024-01-01T10:00:00 DUE TO TIME LIMIT ***\n", "slurmstepd: error: *** JOB 7 ON n1 CANCELLED AT 2024-01-01T10:00:00 DUE TO TIME LIMIT ***"),
        ("gradient overflow detected\nUserWarning: lr_scheduler\n", ""),
    ],
)  # fmt: skip
def test_how_it_ended(end, crash):
    _, follower = follow("epoch 1 loss 0.5\n" + end)
    assert follower.crash == crash
    _, follower = follow(end + "epoch 1 loss 0.5\nepoch 2 loss 0.4\nepoch 3 loss 0.3\n")
    assert follower.crash == ""


def test_templates_tell_what_was_understood():
    log = "Figure 3.5 of something\nTrain epoch 1 loss 0.5\nVal epoch 1 loss 0.6\nTrain epoch 2 loss 0.4\nresult 0.25 of the thing\n"
    _, follower = follow(log)
    assert [(t.count, t.keys, t.sample) for t in follower.templates()] == [
        (2, ("loss",), "Train epoch 1 loss 0.5"),
        (1, ("loss",), "Val epoch 1 loss 0.6"),
    ]
    assert follower.unread == 2


def test_encodings():
    line = "Epoch 1: Val Loss: 0.5\r\nEpoch 2: Val Loss: 0.25\r\n"
    for data in (
        line.encode("utf-16"),
        line.encode("utf-16-le"),
        line.encode("utf-16-be"),
        line.encode("utf-8-sig"),
    ):
        assert [r.values["Val Loss"] for r in read(data)] == [0.5, 0.25]
    assert [r.values["验证损失"] for r in read("轮次: 3 验证损失: 0.5\n".encode("gb18030"))] == [0.5]
    for encoding in ("cp932", "euc_jp"):
        japanese = "エポック 3 検証損失: 0.5\n".encode(encoding)
        for data in (japanese, b"starting\n" * 40_000 + japanese):
            assert [r.values["検証損失"] for r in read(data)] == [0.5]
    assert [
        r.values["loss"] for r in read(b"\xff\xfe\xfa bad bytes\nepoch 1 loss \xff 0.5\nepoch 2 loss 0.25\n")
    ][-1:] == []
    assert [r.values["loss"] for r in read(b"bad \xff\xfe bytes\nepoch 2 loss 0.25\n")] == [0.25]


CUT_LOG = "epoch 1 loss 0.512 lr 1.5e-05 val_ap 0.345\nepoch 2 loss 0.498 lr 1.4e-05 val_ap 0.361\n"
CUT_LAST = "epoch 3 loss 0.471 lr 1.3e-05 val_ap 0.372"


@pytest.mark.parametrize("end", range(len("epoch 3"), len(CUT_LAST)))
def test_a_number_that_the_end_of_the_log_cuts_is_no_value(end):
    records, follower = follow(CUT_LOG + CUT_LAST[:end])
    whole = {"loss": 0.471, "lr": 1.3e-05}
    last = [dict(r.values) for r in records if r.epoch == 3]
    assert all(values.items() <= whole.items() for values in last)
    if end > CUT_LAST.index(" lr"):
        assert last[-1]["loss"] == 0.471
    if CUT_LAST[end - 1] == ".":
        assert follower.cut


@pytest.mark.parametrize("last", [CUT_LAST, CUT_LAST + "\n", CUT_LAST.replace("0.372", "0.3\n")])
def test_a_last_number_that_is_whole_is_a_value(last):
    records, follower = follow(CUT_LOG + last)
    assert records[-1].values["val_ap"] in {0.372, 0.3}
    assert not follower.cut


def test_a_number_whose_unit_is_cut_off_is_no_value():
    records, follower = follow("epoch 1 acc 91.5%\nepoch 2 acc 92.5")
    assert [dict(r.values) for r in records if r.values] == [{"acc": 0.915}]
    assert follower.cut


def test_patterns_come_first():
    pattern = r"^E(?P<epoch>\d+)\.(?P<step>\d+) (?P<phase>\w+) q=(?P<loss>\S+) hit (?P<recall>\S+)"
    records = read("E3.40 val q=0.5 hit 12.5%\nepoch 4 loss 0.25\nE5.50 train q=nan hit oops\n", pattern)
    assert [(r.epoch, r.step, r.phase) for r in records] == [(3, 40, "val"), (4, None, ""), (5, 50, "train")]
    assert dict(records[0].values) == {"loss": 0.5, "recall": 0.125}
    assert math.isnan(records[2].values["loss"])
    assert "recall" not in records[2].values


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("(?P<loss>[", "expected a regular expression"),
        (r"loss (\d+)", "expected named groups"),
        (r"(?P<loss>(\d+)+)x", "expected no repeat inside a repeat"),
        (r"(?P<loss>(a*)*)", "expected no repeat inside a repeat"),
    ],
)
def test_a_bad_pattern(pattern, said):
    with pytest.raises(InputError, match=said):
        TextFollower(Options(patterns=(pattern,)))


def test_a_slow_pattern(monkeypatch):
    clock = iter(range(1000))
    monkeypatch.setattr(text_module.time, "perf_counter", lambda: 2 * next(clock))
    with pytest.raises(InputError, match="quick to match"):
        read("epoch 1 loss 0.5\n", r"(?P<loss>\d+)")


# ---- long logs


def long_log(lines: int, odd: dict[int, str]) -> str:
    return "".join(
        odd.get(i, f"step {i} loss={1 / (i + 1):.6f} acc1={i / lines:.5f} lr=1.0e-03\n") for i in range(lines)
    )


def test_thinning_keeps_first_last_nan_and_validation(monkeypatch):
    monkeypatch.setattr(text_module, "FULL", 50)
    monkeypatch.setattr(text_module, "_FULL_PER_TURN", 10)
    lines = 5000
    odd = {i: f"step {i} val_loss=0.5 val_auc=0.75\n" for i in range(99, lines, 100)}
    odd |= {
        777: "step 777 loss=nan acc1=0.5 lr=1.0e-03\n",
        3001: "step 3001 loss=inf acc1=0.5 lr=1.0e-03\n",
        4002: "step 4002 loss=0.5 acc5=0.5 lr=1.0e-03\n",
    }
    del odd[lines - 1]
    records, follower = follow(long_log(lines, odd))
    steps = [r.step for r in records]
    train = [r for r in records if "acc1" in r.values]
    assert len(train) < 1200
    assert {0, lines - 1, 777, 3001, 4002} <= set(steps)
    assert steps == sorted(steps)
    assert len(steps) == len(set(steps))
    assert [r.step for r in records if "val_loss" in r.values] == list(range(99, lines - 1, 100))
    assert math.isnan(next(r for r in records if r.step == 777).values["loss"])
    assert next(r for r in records if r.step == 4002).values["acc5"] == 0.5
    gaps = [b - a for a, b in itertools.pairwise(steps)]
    assert max(gaps) <= 128
    counts = {t.keys: t.count for t in follower.templates()}
    assert sum(counts.values()) == lines


def test_thinning_keeps_every_class(monkeypatch):
    monkeypatch.setattr(text_module, "FULL", 50)
    monkeypatch.setattr(text_module, "_FULL_PER_TURN", 5)
    log = "".join(f"epoch {e} class {c}: recall {e / 500:.4f}\n" for e in range(500) for c in range(5))
    log += "epoch 500 class 7: recall 0.5\n"
    records = read(log)
    assert len(records) < 1500
    by_class = {}
    for record in records:
        ((key, _),) = record.values.items()
        by_class.setdefault(key, []).append(record.epoch)
    assert set(by_class) == {f"recall[{c}]" for c in (0, 1, 2, 3, 4, 7)}
    assert all(epochs[0] == 0 and epochs[-1] == 499 for key, epochs in by_class.items() if key != "recall[7]")


def test_a_value_below_thinned_lines_knows_where_it_stands(monkeypatch):
    monkeypatch.setattr(text_module, "FULL", 20)
    log = "".join(
        f"epoch {i // 100} step {i} loss={i}.5\n" + ("Val auc: 0.5\n" if i % 100 == 99 else "")
        for i in range(2000)
    )
    assert [(r.epoch, r.step) for r in read(log) if "Val auc" in r.values] == [
        (i // 100, i) for i in range(99, 2000, 100)
    ]


def test_reading_a_file_is_lazy_and_completes_the_rest(tmp_path):
    path = tmp_path / "train.log"
    path.write_text("epoch 1/9 loss 0.5\nepoch 2/9 loss 0.4\nValueError: bad\n")
    head = path.read_bytes()
    file = LogFile(path=path, name="train.log", head=head, text=head.decode())
    assert Text.recognises(file)
    parsed = Text.read(file, Options())
    assert [r.line for r in parsed.records] == [1, 2]
    assert (parsed.hints, parsed.crash, parsed.unread) == ({"planned_epochs": 9}, "ValueError: bad", 0)
    assert [t.count for t in parsed.templates] == [2]
    assert not Text.recognises(LogFile(path=path, name="x", text="only words, no figures"))
    assert not Text.recognises(LogFile(path=tmp_path, name="folder", text=""))


def test_a_file_that_goes_away(tmp_path):
    file = LogFile(path=Path(tmp_path / "gone.log"), name="gone.log", text="1")
    with pytest.raises(InputError, match=r"gone\.log: expected a readable log"):
        list(Text.read(file, Options()).records)


def test_a_line_without_end_stays_bounded():
    follower = TextFollower(Options())
    for _ in range(80):
        follower.feed(b"loss 0.5 " * 8_000)
        assert len(follower._tail) <= text_module._LONGEST_LINE
    follower.close()


# ---- properties


WORDS = st.text(alphabet=st.characters(codec="utf-8"), max_size=40)
PIECES = st.sampled_from(
    ["loss", "epoch", "step", ":", "=", " ", "\t", "|", "[", "]", "(", ")", "{", "}", "nan", "inf", "1", "2.5", "1e-3", "%", "/", ",",
     "\r", "\n", "\x1b[0m", "[1m", "100%|##| 3/3 [", "val", "Train", "'", '"', "class", "fold", "Epoch 1/3", "copypaste: ", "N/A", "1,000",
     "tensor(", "\x08", "-", "+", ".", "precision recall f1-score support", "Class Images P R mAP", "━", "损失：", "\x00", "1" * 400]
)  # fmt: skip
SOUP = st.lists(st.one_of(PIECES, WORDS), max_size=60).map("".join)


@settings(max_examples=300, deadline=None)
@example(b"_:+N/A")
@given(
    st.one_of(
        st.binary(max_size=400),
        SOUP.map(lambda s: s.encode("utf-8", "surrogatepass")),
        SOUP.map(lambda s: s.encode("utf-16", "surrogatepass")),
    )
)
def test_no_bytes_raise(data):
    records, follower = follow(data)
    for record in records:
        assert all(isinstance(value, float) for value in record.values.values())
    follower.templates()


@settings(max_examples=150, deadline=None)
@given(
    SOUP.map(lambda s: s.encode("utf-8", "surrogatepass")),
    st.lists(st.integers(1, 40), min_size=1, max_size=20),
)
def test_where_the_bytes_are_cut_does_not_matter(data, cuts):
    whole = read(data)
    follower = TextFollower(Options())
    stream, parts = io.BytesIO(data), []
    while chunk := stream.read(cuts[len(parts) % len(cuts)]):
        parts.append(follower.feed(chunk))
    pieces = [record for part in parts for record in part] + follower.close()
    assert repr(pieces) == repr(whole)


FINITE = st.floats(min_value=-1e6, max_value=1e6, allow_nan=False).map(lambda v: float(f"{v:.6g}"))
LOSSES = st.one_of(FINITE, st.just(NAN), st.just(INF))
ROWS = st.lists(
    st.tuples(LOSSES, st.integers(0, 10_000).map(lambda i: i / 10_000), FINITE), min_size=3, max_size=30
)


def as_key_value(epoch, row):
    return f"2024-01-01 10:00:0{epoch % 10},123 INFO trainer: epoch {epoch} loss={row[0]!r} val_auc={row[1]!r} score={row[2]!r}"


def as_dictionary(epoch, row):
    return f"{{'loss': {row[0]!r}, 'val_auc': {row[1]!r}, 'score': {row[2]!r}, 'epoch': {epoch}.0}}"


def as_json(epoch, row):
    spelled = [repr(v).replace("nan", "NaN").replace("inf", "Infinity") for v in row]
    return (
        f'[rank0]: {{"epoch": {epoch}, "loss": {spelled[0]}, "val_auc": {spelled[1]}, "score": {spelled[2]}}}'
    )


def as_keras(epoch, row):
    return f"Epoch {epoch}/99\n10/10 [==============================] - 3s 10ms/step - loss: {row[0]!r} - val_auc: {row[1]!r} - score: {row[2]!r}"


def as_pipes(epoch, row):
    return f"| epoch {epoch:3d} | loss {row[0]!r:>10} | val_auc {row[1]!r:>8} | score {row[2]!r}"


def as_average_meter(epoch, row):
    return (
        f"Epoch: [{epoch}] loss: {row[0]!r} ({row[0]!r})  val_auc: {row[1]!r} (0.5)  score: {row[2]!r} (nan)"
    )


def as_bar(epoch, row):
    return f"\rEpoch {epoch}:  50%|#####     | 1/2 [00:01<00:01, loss=9]\rEpoch {epoch}: 100%|##########| 2/2 [00:02<00:00,  1.1s/it, loss={row[0]!r}, val_auc={row[1]!r}, score={row[2]!r}]"


def as_lines(epoch, row):
    return f"Epoch {epoch}\n  loss: {row[0]!r}\n  val_auc: {row[1]!r}\n  score: {row[2]!r}"


def as_percent(epoch, row):
    return f"Epoch {epoch} - loss: {row[0]!r}, val_auc: {row[1] * 100:.2f}%, score: {row[2]!r}"


@pytest.mark.parametrize(
    "dialect",
    [
        as_key_value,
        as_dictionary,
        as_json,
        as_keras,
        as_pipes,
        as_average_meter,
        as_bar,
        as_lines,
        as_percent,
    ],
)
@settings(max_examples=40, deadline=None)
@given(rows=ROWS)
def test_what_is_written_is_read(dialect, rows):
    log = "".join(dialect(epoch, row) + "\n" for epoch, row in enumerate(rows, start=1))
    found = {}
    for record in read(log):
        found.setdefault(record.epoch, {}).update(record.values)
    assert list(found) == list(range(1, len(rows) + 1))
    for epoch, row in enumerate(rows, start=1):
        for key, value in zip(("loss", "val_auc", "score"), row, strict=True):
            assert found[epoch][key] == pytest.approx(value, rel=1e-12, nan_ok=True), (epoch, key)


def test_settings_after_a_time_are_no_measurement():
    log = "2026-01-05 09:00:00,000 - INFO - config: {'learning_rate': 0.003, 'loss': 'bce'}\n"
    log += "".join(f"2026-01-05 09:00:0{i},000 - INFO - step {i} | learning_rate: 0.1\n" for i in range(1, 5))
    records, _ = follow(log)
    assert [r.values for r in records] == [{"learning_rate": 0.1}] * 4

import csv
import importlib.util
import io
import math
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imbalance_doctor.sources.logs._decode import FULL
from imbalance_doctor.sources.logs.base import Options
from imbalance_doctor.sources.logs.delimited import Delimited

_SPEC = importlib.util.spec_from_file_location("tables", Path(__file__).with_name("tables.py"))
t = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(t)

KERAS = (
    "epoch,accuracy,loss,val_accuracy,val_loss\r\n"
    "0,0.5,0.7,0.4,0.8\r\n1,0.6,0.6,0.5,0.7\r\n2,0.7,0.5,0.5,0.9\r\n"
)


def test_keras_csv_logger(tmp_path):
    parsed = t.parse(Delimited, tmp_path, KERAS)
    assert parsed.format == "Keras CSVLogger"
    assert t.rows(parsed, "accuracy", "loss", "val_accuracy", "val_loss") == [
        (None, 0, 0.5, 0.7, 0.4, 0.8),
        (None, 1, 0.6, 0.6, 0.5, 0.7),
        (None, 2, 0.7, 0.5, 0.5, 0.9),
    ]
    assert [r.line for r in parsed.records] == [2, 3, 4]
    (template,) = parsed.templates
    assert (template.count, template.keys) == (3, ("accuracy", "loss", "val_accuracy", "val_loss"))
    assert template.sample == "0,0.5,0.7,0.4,0.8"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "gb18030", "cp932"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r\r\n", "\r"])
def test_encodings_and_line_ends(tmp_path, encoding, end):
    text = KERAS.replace("\r\n", end)
    if encoding in {"gb18030", "cp932"}:
        text = text.replace("accuracy", "精度_acc")
    parsed = t.parse(Delimited, tmp_path, text.encode(encoding))
    assert t.rows(parsed, "loss") == [(None, 0, 0.7), (None, 1, 0.6), (None, 2, 0.5)]


def test_a_number_that_the_end_of_the_table_cuts_is_no_value(tmp_path):
    for last, value in (("0.9", 0.9), ("0.", None), ("0", None), ("1.7\n", 1.7), ("2\n", 2)):
        parsed = t.parse(Delimited, tmp_path, KERAS + "3,0.8,0.4,0.6," + last)
        assert [r.values.get("val_loss") for r in parsed.records][3:] == [value]
        assert len(parsed.notes) == (value is None)


def test_lightning_rows_are_sparse(tmp_path):
    text = "epoch,step,train_loss,val_loss\n0,49,,0.8\n0,49,0.7,\n1,99,,0.7\n1,99,0.6,\n"
    parsed = t.parse(Delimited, tmp_path, text)
    assert parsed.format == "Lightning metrics.csv"
    assert [dict(r.values) for r in parsed.records] == [
        {"val_loss": 0.8}, {"train_loss": 0.7}, {"val_loss": 0.7}, {"train_loss": 0.6},
    ]  # fmt: skip
    assert [(r.step, r.epoch) for r in parsed.records] == [(49, 0), (49, 0), (99, 1), (99, 1)]


def test_padded_columns(tmp_path):
    text = (
        "     epoch,   train/box_loss,  metrics/mAP_0.5:0.95,  x/lr0\n"
        "         0,   0.0635, 2.4e-07,  0.002\n         1,   0.0478,   0.1,  0.004\n"
    )
    parsed = t.parse(Delimited, tmp_path, text)
    assert parsed.format == "Ultralytics results.csv"
    assert t.rows(parsed, "train/box_loss", "metrics/mAP_0.5:0.95", "x/lr0") == [
        (None, 0, 0.0635, 2.4e-07, 0.002),
        (None, 1, 0.0478, 0.1, 0.004),
    ]


def test_rows_without_validation_move_up(tmp_path):
    text = (
        "epoch,train_loss,eval_loss,eval_top1,eval_top5,lr\n"
        "0,6.9,6.8,0.1,0.5,0.001\n1,6.5,0.002\n2,6.0,6.1,1.1,3.5,0.003\n3,5.9,6.0,1.2,3.6,0.004\n"
    )
    parsed = t.parse(Delimited, tmp_path, text)
    assert parsed.format == "timm summary.csv"
    assert t.rows(parsed, "train_loss", "eval_loss", "lr")[1] == (None, 1, 6.5, None, 0.002)


def test_rows_longer_than_the_header_give_only_what_is_certain(tmp_path):
    text = "epoch,train_loss,lr\n0,6.9,0.001\n1,6.5,6.4,0.3,0.001\n2,6.0,0.001\n3,5.0,0.001\n"
    parsed = t.parse(Delimited, tmp_path, text)
    assert t.rows(parsed, "train_loss", "lr")[1] == (None, 1, 6.5, None)


def test_skipped_metrics_and_clocks_are_no_numbers(tmp_path):
    text = "epoch,train_loss,valid_loss,accuracy,time\n0,0.5,0.6,0.7,00:12\n1,0.4,#na#,#na#,00:13\n"
    parsed = t.parse(Delimited, tmp_path, text)
    assert parsed.format == "fastai history.csv"
    assert [dict(r.values) for r in parsed.records] == [
        {"train_loss": 0.5, "valid_loss": 0.6, "accuracy": 0.7}, {"train_loss": 0.4},
    ]  # fmt: skip


def test_catboost_error_file(tmp_path):
    parsed = t.parse(Delimited, tmp_path, "iter\tAUC\tLogloss\n0\t0.88\t0.63\n1\t0.89\t0.58\n")
    assert parsed.format == "CatBoost error file"
    assert t.rows(parsed, "AUC", "Logloss") == [(0, None, 0.88, 0.63), (1, None, 0.89, 0.58)]


def test_decimal_comma_and_percent(tmp_path):
    text = "Epoch;Train Loss;Val Acc\n1/20;0,693;55,5%\n2/20;0,6;60%\n"
    parsed = t.parse(Delimited, tmp_path, text)
    assert t.rows(parsed, "Train Loss", "Val Acc") == [(None, 1, 0.693, 0.555), (None, 2, 0.6, 0.6)]
    assert parsed.hints == {"planned_epochs": 20}


def test_nan_and_infinity_are_kept_and_blanks_are_not(tmp_path):
    parsed = t.parse(
        Delimited, tmp_path, "epoch,loss,val_loss\n0,1.5,None\n1,nan,\n2,-inf,N/A\n3,Infinity,-\n"
    )
    values = [dict(r.values) for r in parsed.records]
    assert math.isnan(values[1]["loss"])
    assert [v["loss"] for v in (values[2], values[3])] == [-t.INF, t.INF]
    assert all(v.keys() == {"loss"} for v in values)


def test_tensors_printed_into_cells(tmp_path):
    text = (
        "epoch,loss\n1,\"tensor(0.5, device='cuda:0', grad_fn=<NllLossBackward0>)\"\n"
        "2,tensor(nan)\n3,np.float64(0.25)\n"
    )
    loss = [r.values["loss"] for r in t.parse(Delimited, tmp_path, text).records]
    assert loss[0] == 0.5
    assert math.isnan(loss[1])
    assert loss[2] == 0.25


def test_header_that_comes_again_without_an_axis_begins_a_run(tmp_path):
    text = "loss,val_loss\n1,2\n3,4\n5,6\nloss,val_loss\n1,2\n3,4\n"
    assert [r.group for r in t.parse(Delimited, tmp_path, text).records] == ["", "", "", "run 2", "run 2"]


def test_header_that_comes_again_with_an_axis_is_left_to_the_axis(tmp_path):
    text = "epoch,loss\n0,2\n1,4\nepoch,loss\n0,2\n1,4\n"
    parsed = t.parse(Delimited, tmp_path, text)
    assert [(r.epoch, r.group) for r in parsed.records] == [(0, ""), (1, ""), (0, ""), (1, "")]
    assert parsed.unread == 0


def test_header_rewritten_with_more_columns(tmp_path):
    text = "epoch,loss\n0,1\n1,.5\nepoch,lr,loss,val_loss\n2,9,.4,.5\n3,9,.3,.6\n"
    parsed = t.parse(Delimited, tmp_path, text)
    assert t.rows(parsed, "loss", "val_loss") == [
        (None, 0, 1, None), (None, 1, 0.5, None), (None, 2, 0.4, 0.5), (None, 3, 0.3, 0.6),
    ]  # fmt: skip


def test_phase_fold_and_worker_columns(tmp_path):
    text = (
        "fold,rank,epoch,split,loss,acc\n"
        "0,1,1,train,.5,.6\n0,1,1,valid,.7,.5\n1,0,1,test,.4,.7\n1,0,2,Training,.4,.7\n"
    )
    records = t.parse(Delimited, tmp_path, text).records
    assert [(r.group, r.rank, r.phase) for r in records] == [
        ("fold 0", "1", "train"), ("fold 0", "1", "val"), ("fold 1", "0", ""), ("fold 1", "0", "train"),
    ]  # fmt: skip
    assert dict(records[2].values) == {"test_loss": 0.4, "test_acc": 0.7}


def test_stages_of_a_warm_up_become_numbers(tmp_path):
    text = "step,phase,loss\n1,warmup,.5\n2,blend,.4\n3,main,.3\n"
    records = t.parse(Delimited, tmp_path, text).records
    assert [(r.phase, r.values["phase"], r.values["loss"]) for r in records] == [
        ("", 0, 0.5), ("", 1, 0.4), ("", 2, 0.3),
    ]  # fmt: skip


def test_long_table(tmp_path):
    text = "step,metric,value\n1,train/loss,0.5\n1,val/auc,0.6\n2,train/loss,nan\n"
    records = t.parse(Delimited, tmp_path, text).records
    assert [(r.step, *r.values) for r in records] == [(1, "train/loss"), (1, "val/auc"), (2, "train/loss")]
    assert math.isnan(records[2].values["train/loss"])


def test_index_column_without_a_name(tmp_path):
    keras = t.parse(Delimited, tmp_path, ",loss,val_loss\n0,.5,.6\n1,.4,.5\n")
    assert t.rows(keras, "loss", "val_loss") == [(None, 0, 0.5, 0.6), (None, 1, 0.4, 0.5)]
    bare = t.parse(Delimited, tmp_path, ",loss,grad_norm\n0,.5,.6\n1,.4,.5\n")
    assert t.rows(bare, "loss") == [(None, None, 0.5), (None, None, 0.4)]
    assert all(r.values.keys() == {"loss", "grad_norm"} for r in bare.records)


def test_row_names_that_r_writes(tmp_path):
    text = '"epoch","loss","val_loss"\n"1",1,0.5,0.6\n"2",2,0.4,0.5\n'
    assert t.rows(t.parse(Delimited, tmp_path, text), "loss") == [(None, 1, 0.5), (None, 2, 0.4)]


def test_steps_counted_anew_every_epoch_are_counted_on(tmp_path):
    text = "epoch,batch,loss\n1,10,.5\n1,20,.4\n2,10,.3\n2,20,.2\n3,10,.1\n"
    assert [r.step for r in t.parse(Delimited, tmp_path, text).records] == [10, 20, 30, 40, 50]


def test_restart_is_not_counted_on(tmp_path):
    text = "epoch,step,loss\n1,10,.5\n2,20,.4\n1,10,.3\n2,20,.2\n"
    assert [r.step for r in t.parse(Delimited, tmp_path, text).records] == [10, 20, 10, 20]


def test_yolo_results_without_header(tmp_path):
    row = (
        "     {}/299     3.12G   0.1063   0.04511  0.03366   0.1852    152   640"
        "   {}   {}   {}   {}   0.1   0.05   0.04\n"
    )
    text = "".join(row.format(i, 0.5, 0.25, 0.3, 0.1) for i in range(3))
    parsed = t.parse(Delimited, tmp_path, text)
    assert t.rows(parsed, "train/box_loss", "metrics/mAP_0.5:0.95", "val/obj_loss") == [
        (None, i, 0.1063, 0.1, 0.05) for i in range(3)
    ]
    f1 = 2 * 0.5 * 0.25 / 0.75
    older = t.parse(
        Delimited, tmp_path, "".join(row.format(i, 0.5, 0.25, 0.3, f"{f1:.4f}") for i in range(3))
    )
    assert older.records[0].values["metrics/F1"] == pytest.approx(f1, abs=1e-4)


def test_chart_exports(tmp_path):
    text = '"Step","sunny-1 - val/loss","sunny-1 - val/loss__MIN","calm-2 - val/loss"\n'
    text += "1,0.5,0.5,\n2,0.4,0.4,0.7\n"
    records = t.parse(Delimited, tmp_path, text).records
    assert [(r.group, r.step, dict(r.values)) for r in records] == [
        ("sunny-1", 1, {"val/loss": 0.5}),
        ("sunny-1", 2, {"val/loss": 0.4}),
        ("calm-2", 2, {"val/loss": 0.7}),
    ]
    text = "Wall time,Step,Value\n1607259003.1,0,0.5\n1607259013.1,1,0.4\n"
    records = t.parse(Delimited, tmp_path, text, "run-validation-tag-epoch_loss.csv").records
    assert [(r.phase, r.step, dict(r.values)) for r in records] == [
        ("val", 0, {"epoch_loss": 0.5}), ("val", 1, {"epoch_loss": 0.4}),
    ]  # fmt: skip


def test_metric_per_row(tmp_path):
    parsed = t.parse(Delimited, tmp_path, ",0,1,2,3\nloss,0.9,0.8,.7,.6\nval_loss,1,.9,.8,.9\n")
    assert t.rows(parsed, "loss", "val_loss") == [
        (None, 0, 0.9, 1), (None, 1, 0.8, 0.9), (None, 2, 0.7, 0.8), (None, 3, 0.6, 0.9),
    ]  # fmt: skip


def test_last_number_cut_short_is_not_read(tmp_path):
    parsed = t.parse(
        Delimited,
        tmp_path,
        "epoch,loss,val_loss\n0,0.51,0.61\n1,0.41,0.51\n2,0.31,0.41\n3,0.2571,0.3\n4,0.1,",
    )
    assert t.rows(parsed, "loss", "val_loss")[-1] == (None, 4, 0.1, None)
    parsed = t.parse(Delimited, tmp_path, "epoch,loss,val_loss\n0,0.51,0.61\n1,0.41,0.51\n2,0.31,0.41\n3,0.2")
    assert t.rows(parsed, "loss", "val_loss")[-1] == (None, 2, 0.31, 0.41)


@pytest.mark.parametrize(
    "text",
    [
        "age,bmi,charges\n0.1,.5,.6\n0.2,.4,.7\n",
        "epoch,loss\nfast,low\nslow,high\n",
        "Epoch 1/20 | Loss: 0.69\nEpoch 2/20 | Loss: 0.59\nEpoch 3/20 | Loss: 0.58\n",
        "loss: 0.5, acc: 0.6\nloss: 0.4, acc: 0.7\nloss: 0.3, acc: 0.8\n",
        "loss: [0.5, 0.4, 0.3, 0.2]\nval_loss: [0.5, 0.4, 0.3, 0.2]\n",
        "Dear reader,\nthe loss, the accuracy and the rest\nwent well, all in all\n",
        "epoch,loss\n",
        "\n\n",
    ],
)
def test_what_is_no_log(tmp_path, text):
    assert not t.recognises(Delimited, tmp_path, text)


@pytest.mark.parametrize(
    ("header", "what"),
    [
        ("threshold,precision,recall", "a table: metrics by threshold"),
        ("Class,precision,recall", "a table: metrics by class"),
        ("lr,dropout,val_auc", "a table: metrics by setting"),
        ("fpr,tpr", "a table: points of a ROC or precision-recall curve"),
    ],
)
def test_metrics_that_follow_no_run(tmp_path, header, what):
    rows = "".join(f"0.{i},0.{i + 1},0.5"[: 7 + 4 * (header.count(",") - 1)] + "\n" for i in range(4))
    parsed = t.parse(Delimited, tmp_path, f"{header}\n{rows}")
    assert (parsed.instead, parsed.records) == (what, [])
    parsed = t.parse(Delimited, tmp_path, f"epoch,{header}\n" + "".join(f"{i},.1,.2,.3\n" for i in range(4)))
    assert parsed.instead == ""
    assert len(parsed.records) == 4


def test_table_of_nothing_but_metrics(tmp_path):
    parsed = t.parse(Delimited, tmp_path, "accuracy,f1\n.5,.6\n.6,.7\n")
    assert t.rows(parsed, "accuracy", "f1") == [(None, None, 0.5, 0.6), (None, None, 0.6, 0.7)]


def test_lines_above_the_header(tmp_path):
    text = "# run 7\n# lr = 0.1\nepoch,loss,auc\n1,.5,.6\n2,.4,.7\n"
    parsed = t.parse(Delimited, tmp_path, text)
    assert t.rows(parsed, "loss") == [(None, 1, 0.5), (None, 2, 0.4)]
    assert [r.line for r in parsed.records] == [4, 5]


def test_lines_that_explain_nothing_are_counted(tmp_path):
    text = KERAS + "Saved after 3 epochs\r\n3,0.7,0.4,0.5,0.9\r\n4,0.7,0.3,0.5,0.9\r\n"
    parsed = t.parse(Delimited, tmp_path, text)
    assert [r.epoch for r in parsed.records] == [0, 1, 2, 3, 4]
    assert parsed.unread == 1


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    table=st.lists(
        st.tuples(*[st.none() | st.floats(width=32)] * 3).filter(lambda row: any(v is not None for v in row)),
        min_size=2,
        max_size=30,
    ),
    separator=st.sampled_from(",;\t|"),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_round_trip(tmp_path, table, separator, end):
    keys = ("train_loss", "val_auc", "lr")
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=separator, lineterminator=end)
    writer.writerow(["epoch", *keys])
    writer.writerows([i, *("" if v is None else repr(v) for v in row)] for i, row in enumerate(table))
    parsed = t.parse(Delimited, tmp_path, stream.getvalue())
    assert [r.epoch for r in parsed.records] == list(range(len(table)))
    for record, row in zip(parsed.records, table, strict=True):
        expected = {key: v for key, v in zip(keys, row, strict=True) if v is not None}
        assert record.values.keys() == expected.keys()
        assert all(
            record.values[key] == v or (math.isnan(v) and math.isnan(record.values[key]))
            for key, v in expected.items()
        )


def test_very_many_rows_are_thinned_but_the_rare_is_kept(tmp_path):
    count = 5 * FULL
    lines = [f"{i},{1 / (i + 1)}," for i in range(count)]
    lines[FULL + 12_345] = f"{FULL + 12_345},nan,"
    for i in range(1_000, count, 1_000):
        lines[i] += "0.5"
    path = t.write(tmp_path, "step,loss,val_auc\n" + "\n".join(lines) + "\n", "log.csv")
    parsed = Delimited.read(t.log_file(path), Options())
    tracemalloc.start()
    seen, steps, odd, evaluated, last = 0, -1.0, [], 0, None
    for record in parsed.records:
        seen += 1
        assert record.step > steps
        steps, last = record.step, record
        evaluated += "val_auc" in record.values
        if math.isnan(record.values["loss"]):
            odd.append(record.step)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert FULL < seen < 3 * FULL
    assert odd == [FULL + 12_345]
    assert evaluated == count // 1_000 - 1
    assert (last.step, last.line) == (count - 1, count + 1)
    assert parsed.templates[0].count == count
    assert peak < 8 * 2**20


def test_long_lines_and_open_quotes_cost_no_memory(tmp_path):
    path = t.write(tmp_path, KERAS + "x" * (12 * 2**20) + "\n3,0.7,0.4,0.5,0.9\n", "log.csv")
    parsed = Delimited.read(t.log_file(path), Options())
    assert [r.epoch for r in parsed.records] == [0, 1, 2, 3]
    good = "".join(f"{i},0.7,0.4,0.5,0.9\n" for i in range(5_000))
    path = t.write(tmp_path, KERAS + good + '3,"0.7,0.4,0.5,0.9\n' * 40_001, "log.csv")
    parsed = Delimited.read(t.log_file(path), Options())
    tracemalloc.start()
    assert sum(1 for _ in parsed.records) >= 5_003
    assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
    tracemalloc.stop()


def test_damage_is_survived(tmp_path):
    assert t.survive(Delimited, tmp_path, KERAS * 4, 400) > 200


def test_a_stage_in_numbers_is_measured_and_one_in_words_is_a_phase(tmp_path):
    rows = "".join(f"{i},{0 if i < 3 else 2},0.{9 - i}\n" for i in range(6))
    parsed = Delimited.read(t.log_file(t.write(tmp_path, "step,phase,loss\n" + rows, "log.csv")), Options())
    assert [r.values["phase"] for r in parsed.records] == [0, 0, 0, 2, 2, 2]
    rows = "".join(f"{i},{'val' if i % 2 else 'train'},0.{9 - i}\n" for i in range(6))
    parsed = Delimited.read(t.log_file(t.write(tmp_path, "step,phase,loss\n" + rows, "log.csv")), Options())
    assert [r.phase for r in parsed.records] == ["train", "val"] * 3

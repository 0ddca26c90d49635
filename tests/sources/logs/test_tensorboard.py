import importlib.util
import math
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imbalance_doctor.errors import InputError
from imbalance_doctor.sources.logs.base import Options, read_logs
from imbalance_doctor.sources.logs.tensorboard import Tensorboard

_SPEC = importlib.util.spec_from_file_location("containers", Path(__file__).with_name("containers.py"))
c = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(c)

SHARED = Path(__file__).parents[4] / "shared" / "logs" / "tfevents"
NAME = "events.out.tfevents.1700000000.host"


def _write(folder, *events, name=NAME, time=1.0):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(c.event_file(*events, time=time))
    return folder / name


def _scalars(tag, values, start=0, time=10.0):
    return [
        c.event(n, c.simple(tag, value), time=time + i)
        for i, (n, value) in enumerate(enumerate(values, start))
    ]


def _curves(path):
    return c.curves(c.parse(Tensorboard, path).records)


def test_plain_scalars_keep_step_and_value(tmp_path):
    path = _write(tmp_path, *_scalars("loss", [0.5, math.nan, math.inf, -0.25], start=7))
    ((key, points),) = _curves(path).items()
    assert key == ("", "", "loss")
    assert [s for s, _, _ in points] == [7, 8, 9, 10]
    assert all(c.same(v, w) for (_, _, v), w in zip(points, [0.5, math.nan, math.inf, -0.25], strict=True))


SHAPE_OF_ONE = (2, c.message((2, c.message((1, 1)))))


@pytest.mark.parametrize(
    ("fields", "value"),
    [
        (((1, 1), (5, c.Single(0.375))), 0.375),
        (((1, 1), (5, struct.pack("<f", 0.375))), 0.375),
        (((1, 1), (4, struct.pack("<f", 0.375))), 0.375),
        (((1, 1), (2, b""), (4, struct.pack("<f", 0.375))), 0.375),
        (((1, 1), SHAPE_OF_ONE, (4, struct.pack("<f", 0.375))), 0.375),
        (((1, 1),), 0.0),
        (((1, 2), (6, 0.1)), 0.1),
        (((1, 2), (4, struct.pack("<d", 0.1))), 0.1),
        (((1, 3), (7, 5)), 5.0),
        (((1, 3), (7, -5)), -5.0),
        (((1, 3), (7, c.varint(300))), 300.0),
        (((1, 9), (10, -(2**40))), float(-(2**40))),
        (((1, 9), (4, struct.pack("<q", -7))), -7.0),
        (((1, 23), (17, 2**40)), float(2**40)),
        (((1, 10), (11, 1)), 1.0),
        (((1, 19), (13, c.varint(0x3C00))), 1.0),
        (((1, 19), (4, struct.pack("<e", 0.25))), 0.25),
        (((1, 14), (13, 0x3FC0)), 1.5),
        (((1, 14), (4, b"\xc0\x3f")), 1.5),
        (((1, 1), (5, c.Single(math.nan))), math.nan),
    ],
)
def test_tensor_scalars_of_every_type(tmp_path, fields, value):
    path = _write(tmp_path, c.event(3, c.tensor("loss", *fields)))
    assert [(s, c.same(v, value)) for s, _, v in _curves(path)["", "", "loss"]] == [(3.0, True)]


@pytest.mark.parametrize(
    "value",
    [
        c.tensor("x", (1, 1), (2, c.message((2, c.message((1, 2))))), (4, bytes(8))),
        c.tensor("x", (1, 1), (2, c.message((2, c.message((1, 0)))))),
        c.tensor("x", (1, 7), (8, "a text")),
        c.tensor("x", (1, 1), (5, c.Single(1)), plugin="images"),
        c.tensor("x", (1, 1), (4, bytes(8))),
        c.tensor("x", (1, 99), (4, bytes(4))),
        c.message((1, "x"), (4, b"an image")),
        c.message((1, "x"), (5, b"a histogram")),
        c.message((2, c.Single(1.0))),
    ],
    ids=["vector", "empty", "text", "plugin", "size", "type", "image", "histogram", "no tag"],
)
def test_what_is_no_scalar_is_passed_over(tmp_path, value):
    path = _write(tmp_path, c.event(0, value), c.event(1, c.simple("loss", 0.5)))
    assert list(_curves(path)) == [("", "", "loss")]


def test_only_the_first_event_of_a_tag_says_what_it_is(tmp_path):
    number = ((1, 1), (5, c.Single(1)))
    path = _write(
        tmp_path,
        c.event(0, c.tensor("x", *number, plugin="images")),
        c.event(1, c.tensor("x", *number, plugin=None)),
        c.event(0, c.tensor("y", *number)),
        c.event(1, c.tensor("y", *number, plugin=None)),
    )
    assert {k: len(v) for k, v in _curves(path).items()} == {("", "", "y"): 2}


def test_keras_counts_epochs_and_writes_validation_into_a_folder_of_its_own(tmp_path):
    for name, level in (("train", 1.0), ("validation", 2.0)):
        events = [
            c.event(n, c.tensor("epoch_loss", (1, 1), (5, c.Single(level))), time=n + level) for n in range(4)
        ]
        _write(tmp_path / name, *events)
    assert _curves(tmp_path) == {
        ("", "train", "epoch_loss"): [(None, n, 1.0) for n in range(4)],
        ("", "val", "epoch_loss"): [(None, n, 2.0) for n in range(4)],
    }
    # one of the two files alone still tells by its folder what it is
    assert list(_curves(tmp_path / "validation" / NAME)) == [("", "val", "epoch_loss")]


def test_a_test_folder_becomes_part_of_the_key(tmp_path):
    _write(tmp_path, *_scalars("loss", [1, 2, 3]))
    _write(tmp_path / "test", *_scalars("loss", [4, 5, 6]))
    assert set(_curves(tmp_path)) == {("", "", "loss"), ("", "", "test/loss")}


def test_a_run_called_train_may_log_both_phases(tmp_path):
    path = _write(tmp_path / "train", *_scalars("loss", [1, 2, 3]), *_scalars("val/loss", [1, 2, 3]))
    assert set(_curves(path)) == {("", "", "loss"), ("", "", "val/loss")}


@pytest.mark.parametrize("place", ["acc/recall/{}", "acc_recall_{}"], ids=["tensorboardX", "torch"])
def test_the_folders_of_add_scalars_are_curves_of_one_run(tmp_path, place):
    _write(tmp_path, *_scalars("loss", [1, 2, 3]))
    for name in ("0", "cat"):
        _write(tmp_path / place.format(name), *_scalars("acc/recall", [0.5, 0.5, 0.5]))
    assert set(_curves(tmp_path)) == {
        ("", "", "loss"),
        ("", "", "acc/recall/0"),
        ("", "", "acc/recall/cat"),
    }


def test_several_runs_in_a_folder_are_groups(tmp_path):
    for name in ("a", "b/c"):
        _write(tmp_path / name, *_scalars("loss", [1, 2, 3]), *_scalars("lr", [1, 1, 1]))
    assert {k[0] for k in _curves(tmp_path)} == {"a", "b/c"}
    _write(tmp_path, *_scalars("loss", [1, 2, 3]), *_scalars("lr", [1, 1, 1]))
    assert {k[0] for k in _curves(tmp_path)} == {tmp_path.name, "a", "b/c"}


def test_sets_of_hyperparameters_are_no_runs(tmp_path):
    stated = c.message((1, "_hparams_/session_start_info"), (9, b""))
    _write(tmp_path, *_scalars("loss", [1, 2, 3]))
    _write(tmp_path / "1700000000.1", c.event(0, stated), c.event(0, c.simple("hparam/auc", 0.5)))
    assert set(_curves(tmp_path)) == {("", "", "loss")}
    # but a run may state its own beside its curves
    _write(tmp_path, c.event(0, stated), *_scalars("loss", [1, 2, 3]))
    assert len(_curves(tmp_path)["", "", "loss"]) == 3


def test_files_of_a_restarted_run_follow_each_other_by_time(tmp_path):
    _write(tmp_path, *_scalars("loss", [4, 5], start=2, time=200.0), name="a.tfevents.2", time=199)
    _write(tmp_path, *_scalars("loss", [1, 2, 3], time=100.0), name="b.tfevents.1", time=99)
    assert [(s, v) for s, _, v in _curves(tmp_path)["", "", "loss"]] == [
        (0, 1),
        (1, 2),
        (2, 3),
        (2, 4),
        (3, 5),
    ]


def test_of_workers_that_write_side_by_side_one_is_read(tmp_path):
    for rank, count in enumerate((20, 30, 25)):
        events = _scalars("loss", [rank] * count, time=1.7e9 + 0.1 * rank)
        _write(tmp_path, *events, name=f"events.out.tfevents.1700000000.host.{rank}", time=1.7e9)
    parsed = c.parse(Tensorboard, tmp_path)
    assert [(r.step, r.values["loss"]) for r in parsed.records] == [(n, 1) for n in range(30)]
    assert "at the same time" in parsed.notes[0]
    assert ".host.1" in parsed.notes[0]


def test_writers_side_by_side_with_tags_of_their_own_are_all_read(tmp_path):
    for name in ("loss", "auc"):
        _write(tmp_path, *_scalars(name, [1] * 20, time=1.7e9), name=f"{name}.tfevents.1", time=1.7e9)
    assert set(_curves(tmp_path)) == {("", "", "loss"), ("", "", "auc")}


def test_times_missing_or_set_back_do_not_mix_the_order(tmp_path):
    events = [c.event(n, c.simple("loss", n), time=t) for n, t in enumerate([0, 0, 500, 20, math.nan, 600])]
    path = _write(tmp_path, *events)
    assert [v for _, _, v in _curves(path)["", "", "loss"]] == list(range(6))


@pytest.mark.parametrize("lost", range(1, 40))
def test_a_cut_last_record_is_no_error(tmp_path, lost):
    path = _write(tmp_path, *_scalars("loss", [1, 2, 3, 4]))
    path.write_bytes(path.read_bytes()[:-lost])
    parsed = c.parse(Tensorboard, path)
    assert [r.values["loss"] for r in parsed.records] == [1, 2, 3]
    assert not parsed.notes


def test_an_absurd_length_is_damage_that_is_told(tmp_path):
    path = _write(tmp_path, *_scalars("loss", [1, 2, 3]))
    path.write_bytes(path.read_bytes() + struct.pack("<QI", 2**63, 0) + bytes(100))
    parsed = c.parse(Tensorboard, path)
    assert len(parsed.records) == 3
    assert "damaged" in parsed.notes[0]


def test_large_events_are_passed_over_unread(tmp_path):
    image = c.event(1, c.message((1, "image"), (4, bytes(5_000_000))))
    path = _write(tmp_path, *_scalars("loss", [1, 2]), image, *_scalars("loss", [3], start=2, time=20))
    assert [v for _, _, v in _curves(path)["", "", "loss"]] == [1, 2, 3]


def test_no_complete_record_is_an_error(tmp_path):
    path = tmp_path / NAME
    path.write_bytes(c.event_file()[:30])
    with pytest.raises(InputError, match="no complete record"):
        Tensorboard.read(c.log_file(path), Options())


def test_files_without_scalars_say_so(tmp_path):
    path = _write(tmp_path, c.event(0, c.message((1, "image"), (4, b"an image"))))
    parsed = c.parse(Tensorboard, path)
    assert not parsed.records
    assert parsed.instead == "TensorBoard event files without scalars"


def test_a_mixed_folder_ends_as_one_curve_per_phase(tmp_path):
    """Training by step, validation by epoch, and the run taken up again at step 40."""
    for start, stop, time in ((0, 60, 1.7e9), (40, 100, 1.8e9)):
        events = []
        for n in range(start, stop):
            events.append(c.event(n, c.simple("train/loss", 1 / (n + 1)), time=time + n))
            if n % 10 == 9:
                events.append(c.event(n // 10, c.simple("val/loss", 2 / (n + 1)), time=time + n + 0.5))
        _write(tmp_path, *events, name=f"events.tfevents.{start}", time=time)
    (reading,) = read_logs([str(tmp_path)])
    (run,) = reading.runs
    train, val = run.get("loss", "train"), run.get("loss", "val")
    assert train.steps.tolist() == list(range(100))
    assert val.steps.tolist() == [10 * n + 9 for n in range(10)]
    assert val.values.tolist() == pytest.approx([2 / (s + 1) for s in val.steps])
    assert any("resumed" in note for note in run.notes)


def test_links_are_not_followed(tmp_path):
    outside = _write(tmp_path / "outside", *_scalars("secret", [1, 2, 3]))
    inside = tmp_path / "inside"
    _write(inside, *_scalars("loss", [1, 2, 3]))
    (inside / "linked.tfevents").symlink_to(outside)
    (inside / "linked").symlink_to(outside.parent)
    assert set(_curves(inside)) == {("", "", "loss")}


def test_a_folder_without_event_files_is_left_to_others(tmp_path):
    (tmp_path / "metrics.csv").write_text("a,b\n1,2\n")
    assert not Tensorboard.recognises(c.log_file(tmp_path))
    assert not Tensorboard.recognises(c.log_file(tmp_path / "metrics.csv"))


@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "b/c", "ü"]), st.floats(width=32), st.integers(0, 2**40)), min_size=1
    )
)
def test_every_value_written_is_read(tmp_path_factory, points):
    path = tmp_path_factory.mktemp("run") / NAME
    path.write_bytes(
        c.event_file(*(c.event(s, c.simple(t, v), time=i + 2) for i, (t, v, s) in enumerate(points)))
    )
    read = [(k[2], repr(v)) for k, rows in _curves(path).items() for _, _, v in rows]
    assert sorted(read) == sorted((tag, repr(value)) for tag, value, _ in points)


@given(
    st.text(max_size=150).filter(lambda tag: "\0" not in tag),
    st.floats(width=32),
    st.integers(-(2**63), 2**63 - 1),
    st.booleans(),
)
def test_the_short_way_through_an_event_gives_what_the_long_one_does(
    tmp_path_factory, tag, value, step, stated
):
    folder = tmp_path_factory.mktemp("run")
    place = ((2, step),) if stated else ()
    summary = (5, c.message((1, c.simple(tag, value))))
    short = c.message((1, 10.0), *place, summary)
    long = c.message((1, 10.0), *place, summary, (99, 1))
    read = [c.parse(Tensorboard, _write(folder, event)).records for event in (short, long)]
    assert repr(read[0]) == repr(read[1])
    assert len(read[0]) == bool(tag)


def test_broken_bytes_never_raise_anything_but_an_input_error(tmp_path):
    number = ((1, 1), (5, c.Single(0.5)))
    path = _write(
        tmp_path,
        *(
            c.event(n, c.simple("a", n), c.tensor("b", *number), c.tensor("c", (1, 9), (4, bytes(8))))
            for n in range(6)
        ),
    )
    for broken in c.mutations(path.read_bytes(), 600):
        c.survives(Tensorboard, path, broken)


def test_files_by_tensorboardx(tmp_path):
    writer = pytest.importorskip("tensorboardX").SummaryWriter(str(tmp_path))
    for n in range(20):
        writer.add_scalar("loss/train", 1 / (n + 1), n)
        writer.add_scalar("loss/nan", math.nan, n)
        writer.add_scalars("auc", {"a": 0.5, "b": 0.25 * n}, n)
        writer.add_histogram("weights", [1.0, 2.0, 3.0], n)
        writer.add_text("note", "words", n)
    writer.add_hparams({"lr": 0.1}, {"hparam/auc": 0.5}, name="hp")
    writer.close()
    found = _curves(tmp_path)
    assert set(found) == {("", "", key) for key in ("loss/train", "loss/nan", "auc/a", "auc/b")}
    assert [s for s, _, _ in found["", "", "loss/train"]] == list(range(20))
    assert found["", "", "loss/train"][-1][2] == pytest.approx(1 / 20)
    assert all(math.isnan(v) for _, _, v in found["", "", "loss/nan"])
    assert [v for _, _, v in found["", "", "auc/b"]] == [0.25 * n for n in range(20)]


def _with_protobuf(path):
    """Read an event file by the library's own message classes."""
    event_pb2 = pytest.importorskip("tensorboardX.proto.event_pb2")
    data, position, found = path.read_bytes(), 0, {}
    while position < len(data):
        (length,) = struct.unpack_from("<Q", data, position)
        event = event_pb2.Event.FromString(data[position + 12 : position + 12 + length])
        position += length + 16
        for value in event.summary.value:
            if value.WhichOneof("value") == "simple_value":
                number = value.simple_value
            elif value.WhichOneof("value") == "tensor" and value.tensor.dtype == 1:
                (number,) = value.tensor.float_val or struct.unpack("<f", value.tensor.tensor_content)
            else:
                continue
            found.setdefault(value.tag, []).append((event.step, number))
    return found


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared logs are not here")
@pytest.mark.parametrize("path", sorted(SHARED.glob("**/*tfevents*.*")), ids=lambda p: p.name[-20:])
def test_real_files_read_as_by_the_library(path):
    if path.is_dir():
        pytest.skip("a folder")
    expected = _with_protobuf(path)
    assert expected
    found = {key: rows for (_, _, key), rows in _curves(path).items()}
    assert {k: [((e if s is None else s), v) for s, e, v in rows] for k, rows in found.items()} == expected


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared logs are not here")
def test_a_real_folder_with_one_curve_per_class():
    (folder,) = (p for p in SHARED.iterdir() if p.is_dir())
    found = _curves(folder)
    assert {f"acc/test_cls_recall/{n}" for n in range(10)} < {k for _, _, k in found}
    assert {g for g, _, _ in found} == {""}
    assert all([s for s, _, _ in rows] == list(range(200)) for rows in found.values())

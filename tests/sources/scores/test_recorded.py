"""Files of the recorder, torn and whole; several files joined in the order of training."""

import importlib.util
import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imbalance_doctor.errors import InputError
from imbalance_doctor.evidence import ScoreBlock
from imbalance_doctor.sources.scores import read_scores
from imbalance_doctor.sources.scores._merge import evened, merged

_SPEC = importlib.util.spec_from_file_location("score_dumps", Path(__file__).with_name("dumps.py"))
dumps = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(dumps)


def column(dump, name):
    return np.concatenate([getattr(block, name) for block in dump.blocks()]).ravel().tolist()


def write(folder, **files):
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / f"{name}.stb").write_bytes(content)
    return [str(folder)]


def test_ranks_are_merged_by_step(tmp_path):
    paths = write(
        tmp_path / "run.scores",
        a=dumps.binary_block([0, 0, 1]) + dumps.binary_block([1, 2]),
        b=dumps.binary_block([0, 1, 1, 3], rank=1),
    )
    dump = read_scores(paths)
    assert column(dump, "step") == [0, 0, 0, 1, 1, 1, 1, 2, 3]
    assert column(dump, "rank") == [0, 0, 1, 0, 0, 1, 1, 0, 1]
    assert column(dump, "scores") == [0, 1, 1000, 2, 0, 1001, 1002, 1, 1003]
    assert (dump.rows, dump.scale, dump.kind) == (9, "logits", "binary")
    assert dump.has_steps
    assert dump.has_ranks
    assert not dump.has_iid
    assert dump.assumptions == ()


def test_ranks_are_ordered_as_numbers(tmp_path):
    files = {f"rank-{rank}": dumps.binary_block([0], rank=rank) for rank in (10, 2, 0)}
    assert column(read_scores(write(tmp_path / "r", **files)), "rank") == [0, 2, 10]


def test_ranks_of_other_formats_are_ordered_too(tmp_path):
    for rank in (10, 2):
        arrays = {**dumps.GOOD, "step": dumps.STEPS, "rank": np.int64(rank)}
        dumps.write_npz(tmp_path / f"rank-{rank}.npz", arrays)
    dump = read_scores([str(tmp_path / "*.npz")])
    assert column(dump, "rank") == [2, 10] * 4
    assert column(dump, "step") == [0, 0, 1, 1, 2, 2, 3, 3]


def test_what_was_written_before_a_kill_is_read(tmp_path):
    """A file that is cut at any byte gives the blocks that are complete, and says that one is not."""
    first, second = dumps.binary_block([0, 1]), dumps.binary_block([2, 3, 4])
    path = tmp_path / "rank-00000.stb"
    for cut in range(len(first), len(first + second) + 1):
        path.write_bytes((first + second)[:cut])
        dump = read_scores([str(path)])
        complete = cut == len(first + second)
        assert column(dump, "step") == ([0, 1, 2, 3, 4] if complete else [0, 1])
        assert len(dump.assumptions) == (not complete and cut > len(first))


def test_a_last_block_that_reached_the_disk_in_part(tmp_path):
    first, second = dumps.binary_block([0, 1]), dumps.binary_block([2, 3, 4])
    zeros = second[:-20] + bytes(20)
    for tail in (zeros, bytes(64)):
        dump = read_scores(write(tmp_path / "r", a=first + tail))
        assert column(dump, "step") == [0, 1]
        assert "incomplete" in dump.assumptions[0]


def test_a_file_that_was_only_begun_is_left_out(tmp_path):
    whole, begun = dumps.binary_block([0, 1]), dumps.binary_block([0, 1], rank=1)
    for cut in range(len(begun)):
        dump = read_scores(write(tmp_path / "r", a=whole, b=begun[:cut]))
        assert dump.rows == 2
        assert "b.stb is left out" in dump.assumptions[0]


def test_other_files_of_the_folder_are_passed_over(tmp_path):
    paths = write(tmp_path / "r", a=dumps.BLOCK)
    (tmp_path / "r" / "notes.txt").write_text("hello")
    assert read_scores(paths).rows == 4
    assert read_scores([str(tmp_path / "r" / "*.stb")]).rows == 4


def test_a_column_of_some_blocks_is_left_out(tmp_path):
    both = dumps.binary_block([0, 1], epoch=np.array([0.5, 1.0])) + dumps.binary_block([2])
    dump = read_scores(write(tmp_path / "r", a=both))
    assert next(dump.blocks()).epoch is None
    assert "only some blocks" in dump.assumptions[0]


def test_kinds_and_scales(tmp_path):
    steps = np.arange(4)
    for scores, targets, metadata, kind, classes in (
        (dumps.THREE, dumps.TARGETS, {"kind": "multiclass"}, "multiclass", 3),
        (dumps.THREE[:, :2], dumps.TARGETS, {"kind": "multiclass"}, "binary", 1),
        (dumps.THREE, dumps.ONES, {"kind": "multilabel"}, "multilabel", 3),
        (dumps.THREE[:, :1], dumps.ONES[:, :1], {"kind": "multilabel"}, "binary", 1),
        (dumps.FLAT, dumps.TARGETS, {"scores_are": "probabilities"}, "binary", 1),
        (dumps.LOGITS, np.array([0, 1, -1, 0]), {"ignore_index": "-1"}, "binary", 1),
    ):
        content = dumps.block(scores=scores, targets=targets, step=steps, metadata=metadata)
        dump = read_scores(write(tmp_path / "r", a=content))
        assert (dump.kind, dump.classes) == (kind, classes)
        assert dump.scale == metadata.get("scores_are", "logits")
        assert dump.ignore_index == int(metadata.get("ignore_index", -100))


def test_the_recorder_and_the_reader_agree(tmp_path):
    record = pytest.importorskip("imbalance_doctor.record")
    rng = np.random.default_rng(1)
    scores, targets = rng.normal(size=(5000, 3)).astype("f4"), rng.integers(0, 3, 5000)
    step = np.arange(5000) // 16
    record.record_scores(tmp_path / "run.scores", scores, targets, step=step, epoch=step / 100)
    dump = read_scores([str(tmp_path / "run.scores")])
    assert (dump.kind, dump.rows, dump.scale) == ("multiclass", 5000, "logits")
    np.testing.assert_array_equal(column(dump, "scores"), scores.ravel())
    np.testing.assert_array_equal(column(dump, "targets"), targets)
    np.testing.assert_array_equal(column(dump, "step"), step)
    np.testing.assert_array_equal(column(dump, "epoch"), step / 100)


def test_shards_without_steps_keep_their_order(tmp_path):
    for part in range(3):
        dumps.write_npz(
            tmp_path / f"{part}.npz", {"logits": dumps.LOGITS + 10 * part, "targets": dumps.TARGETS}
        )
    paths = [str(tmp_path / f"{part}.npz") for part in (2, 0, 1)]
    expected = np.concatenate([dumps.LOGITS + 10 * part for part in (2, 0, 1)])
    assert column(read_scores(paths), "scores") == expected.tolist()


def test_shards_of_several_formats_are_joined_by_step(tmp_path):
    """However a run is cut into files, it is the same run."""
    for index, name in enumerate(dumps.FORMATS):
        file, write_one = dumps.FORMATS[name]
        steps = np.arange(4) + 4 * ((5 * index) % 8)
        write_one(tmp_path / file, {"logits": steps - 0.5, "targets": dumps.TARGETS, "step": steps})
    dump = read_scores([str(tmp_path / "run*")])
    assert column(dump, "step") == list(range(32))
    assert column(dump, "scores") == [step - 0.5 for step in range(32)]


def test_overlapping_files_of_no_known_worker_are_told(tmp_path):
    for part, first in (("a", 0), ("b", 3), ("c", 9)):
        dumps.write_npz(tmp_path / f"{part}.npz", {**dumps.GOOD, "step": dumps.STEPS + first})
    apart = read_scores([str(tmp_path / "a.npz"), str(tmp_path / "c.npz")])
    assert apart.assumptions == ()
    dump = read_scores([str(tmp_path / "*.npz")])
    assert column(dump, "step") == [0, 1, 2, 3, 3, 4, 5, 6, 9, 10, 11, 12]
    assert "merged step by step" in dump.assumptions[0]


def test_one_file_without_steps_is_told(tmp_path):
    dumps.write_npz(tmp_path / "a.npz", dumps.GOOD | {"step": dumps.STEPS})
    dumps.write_npz(tmp_path / "b.npz", dumps.GOOD)
    dump = read_scores([str(tmp_path / "*.npz")])
    assert not dump.has_steps
    assert "left out: step" in dump.assumptions[0]


def test_shards_of_other_shape(tmp_path):
    dumps.write_npz(tmp_path / "a.npz", dumps.GOOD)
    dumps.write_npz(tmp_path / "b.npz", {"logits": dumps.THREE, "targets": dumps.TARGETS})
    with pytest.raises(InputError, match=r"1 columns of scores .* but got 3"):
        read_scores([str(tmp_path / "*.npz")])


def blocks_of(streams, cuts):
    """Turn lists of steps into streams of blocks; the score tells stream and row."""
    for number, steps in enumerate(streams):
        edges = sorted({0, len(steps), *(cut % (len(steps) + 1) for cut in cuts)})
        yield [
            ScoreBlock(
                scores=np.array([[number * 1000.0 + row] for row in range(low, high)]).reshape(-1, 1),
                targets=np.zeros(high - low, np.int64),
                step=np.array(steps[low:high], np.int64),
            )
            for low, high in itertools.pairwise(edges)
        ]


def slow_merge(streams):
    """Sort all rows at once by how often the steps fell back, the step, the stream and the row."""
    keys = []
    for number, steps in enumerate(streams):
        run = 0
        for row, step in enumerate(steps):
            run += row > 0 and step < steps[row - 1]
            keys.append((run, step, number, row))
    return [number * 1000.0 + row for _, _, number, row in sorted(keys)]


_STEPS = st.lists(st.integers(0, 6) | st.sampled_from([-(2**63), 2**63 - 1]), max_size=12)


@settings(max_examples=300, deadline=None)
@given(
    streams=st.lists(_STEPS | _STEPS.map(sorted), min_size=1, max_size=4),
    cuts=st.lists(st.integers(0, 20), max_size=5),
    most=st.integers(1, 8),
)
def test_merging_equals_sorting_everything(streams, cuts, most):
    found = list(evened(merged(list(blocks_of(streams, cuts))), most))
    assert [score for block in found for score in block.scores.ravel().tolist()] == slow_merge(streams)
    sizes = [len(block) for block in found]
    assert all(0 < size <= most for size in sizes)
    assert all(a + b > most for a, b in itertools.pairwise(sizes))


def test_merging_holds_no_more_than_a_block_of_each():
    """A stream of one endless step must not be gathered in memory."""
    read = [0, 0]

    def stream(number, steps):
        for step in steps:
            read[number] += 1
            yield next(iter(next(blocks_of([[step] * 4], []))))

    rows = merged([stream(0, [7] * 500), stream(1, [7] * 500)])
    for count, _ in enumerate(rows, 1):
        assert read[0] + read[1] <= count + 3

"""What is given to the recorder is what stands in the file, and nothing it meets stops the training."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imbalance_doctor.errors import InputError
from imbalance_doctor.record import ScoreRecorder
from imbalance_doctor.record import recorder as recorder_module
from imbalance_doctor.record._rows import Chunk, columns_of, layout_of

torch = pytest.importorskip("torch")
ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "run.scores"


def logits(rows, classes=None, seed=0):
    shape = (rows,) if classes is None else (rows, classes)
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def record(folder, *calls, **options):
    with ScoreRecorder(folder, **options) as recorder:
        for call in calls:
            recorder(*call[:2], **(call[2] if len(call) > 2 else {}))


def test_a_training_loop_is_recorded_as_it_went(folder, read_blocks, read_rows):
    model = torch.nn.Linear(3, 1)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    seen = []
    recorder = ScoreRecorder(folder)
    for step in range(20):
        x, y = torch.randn(7, 3), (torch.rand(7) < 0.3).float()
        out = model(x)
        recorder(out, y, step=step, epoch=step / 10)
        seen.append((out.detach().numpy().copy(), y.numpy().copy()))
        torch.nn.functional.binary_cross_entropy_with_logits(out[:, 0], y).backward()
        optimizer.step()
    recorder.close()
    rows = read_rows(folder)
    assert set(rows) == {"scores", "targets", "step", "epoch"}
    assert np.array_equal(rows["scores"], np.concatenate([s for s, _ in seen]))
    assert np.array_equal(rows["targets"], np.concatenate([t for _, t in seen]))
    assert rows["step"].tolist() == [step for step in range(20) for _ in range(7)]
    assert rows["epoch"].tolist() == [step / 10 for step in range(20) for _ in range(7)]
    (_, metadata), *_ = read_blocks(folder / "rank-00000.stb")[0]
    metadata.pop("crc32")
    assert metadata == {
        "format": "imbalance-doctor scores",
        "version": "1",
        "scores_are": "logits",
        "kind": "binary",
        "rank": "0",
        "ignore_index": "-100",
    }
    assert [path.name for path in folder.iterdir()] == ["rank-00000.stb"]


def test_a_block_is_a_safetensors_payload(folder):
    safetensors = pytest.importorskip("safetensors.numpy")
    record(folder, (logits(5, 3), np.arange(5) % 3, {"sample": np.arange(5), "iid": True}))
    columns = safetensors.load((folder / "rank-00000.stb").read_bytes())
    assert np.array_equal(columns["scores"], logits(5, 3))
    assert columns["targets"].tolist() == [0, 1, 2, 0, 1]
    assert columns["sample"].tolist() == [0, 1, 2, 3, 4]
    assert columns["iid"].tolist() == [True] * 5


@pytest.mark.parametrize(
    ("scores", "targets", "kind", "shape", "dtype"),
    [
        (logits(4), np.array([0, 1, -100, 1]), "binary", (4, 1), np.float32),
        (logits(4, 1), np.array([[0], [1], [0], [1]]), "binary", (4, 1), np.float32),
        (logits(4).astype(np.float64), np.array([0, 1, 0, 1.0]), "binary", (4, 1), np.float64),
        (logits(4).astype(np.float16), np.array([0, 1, 0, 1], bool), "binary", (4, 1), np.float32),
        (logits(4, 3), np.array([0, 2, -100, 1]), "multiclass", (4, 3), np.float32),
        (logits(4, 3), np.array([[0], [2], [0], [1]], np.uint8), "multiclass", (4, 3), np.float32),
        (logits(4, 300), np.array([0, 299, 128, 1]), "multiclass", (4, 300), np.float32),
        (logits(4, 2), np.array([[0, 1], [1, 1], [0, 0], [-100, 1]]), "multilabel", (4, 2), np.float32),
        (logits(2, 2), np.array([1, 0]), "multiclass", (2, 2), np.float32),
        ([0.5, -1.5], [1, 0], "binary", (2, 1), np.float64),
        (np.float32(0.25), np.int64(1), "binary", (1, 1), np.float32),
        (torch.randn(4).bfloat16(), torch.tensor([0, 1, 0, 1]), "binary", (4, 1), np.float32),
        (torch.randn(4).half(), torch.tensor([True, False, True, True]), "binary", (4, 1), np.float32),
        (torch.randn(4, 3, requires_grad=True), torch.tensor([0, 1, 2, 1]), "multiclass", (4, 3), np.float32),
        (torch.randn(3, 4).T, torch.tensor([0, 1, 2, 1]), "multiclass", (4, 3), np.float32),
        (torch.randn(()), torch.ones(1), "binary", (1, 1), np.float32),
        (torch.randn(4).double(), np.array([0, 1, 0, 1]), "binary", (4, 1), np.float64),
    ],
)
def test_shapes_and_types(folder, read_blocks, scores, targets, kind, shape, dtype):
    record(folder, (scores, targets))
    (((columns, metadata),), torn) = read_blocks(folder / "rank-00000.stb")
    assert not torn
    assert metadata["kind"] == kind
    assert columns["scores"].shape == shape
    assert columns["scores"].dtype == dtype
    plain = (
        scores.detach().double().numpy() if isinstance(scores, torch.Tensor) else np.asarray(scores, float)
    )
    assert np.array_equal(columns["scores"], plain.reshape(shape))
    marks = np.asarray(targets.numpy() if isinstance(targets, torch.Tensor) else targets)
    assert np.array_equal(columns["targets"], marks.reshape(columns["targets"].shape).astype(np.int64))
    assert columns["targets"].shape == (shape if kind == "multilabel" else shape[:1])


@settings(deadline=None, max_examples=40)
@given(
    st.integers(-300, 40_000).filter(lambda i: not 0 <= i < 1000),
    st.sampled_from([2, 127, 128, 129, 255, 256, 257, 1000]),
)
def test_targets_keep_their_value_in_the_narrowest_type(ignore, classes):
    marks = np.array([0, 1, classes - 1, ignore])
    _, layout = layout_of(np.zeros((4, classes), np.float32), marks, None, None, None)
    narrow = columns_of(
        [Chunk(np.zeros((4, classes)), marks, None, None, 0, None, 4, None)], layout, "logits", ignore, None
    )["targets"]
    assert np.array_equal(narrow, marks)
    fitting = [t for t in (np.int8, np.int16, np.int32) if np.array_equal(marks.astype(t), marks)]
    assert narrow.dtype == fitting[0]


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=30), st.integers(1, 4), st.booleans())
def test_any_batches_come_back(tmp_path_factory, read_blocks, sizes, every, as_torch):
    folder = tmp_path_factory.mktemp("any") / "x.scores"
    expected = []
    with ScoreRecorder(folder, every=every) as recorder:
        for step, size in enumerate(sizes):
            scores, targets = logits(size, seed=step), np.arange(size) % 2
            recorder(*((torch.tensor(scores), torch.tensor(targets)) if as_torch else (scores, targets)))
            if step % every == 0:
                expected += [(step, s, t) for s, t in zip(scores.tolist(), targets.tolist(), strict=True)]
    found, torn = read_blocks(recorder.path)
    assert not torn
    assert expected == [
        row
        for columns, _ in found
        for row in zip(
            *(c.tolist() for c in (columns["step"], columns["scores"][:, 0], columns["targets"])), strict=True
        )
    ]


def test_the_training_loop_may_change_its_tensors(folder, read_rows):
    scores, targets = torch.randn(5), torch.ones(5, dtype=torch.int64)
    before = scores.numpy().copy()
    with ScoreRecorder(folder) as recorder:
        recorder(scores, targets)
        scores.zero_()
        targets.zero_()
    rows = read_rows(folder)
    assert np.array_equal(rows["scores"][:, 0], before)
    assert rows["targets"].tolist() == [1] * 5


def test_many_rows_become_blocks_of_bounded_size(folder, read_blocks):
    rows = 400_000
    record(folder, (logits(rows), np.arange(rows) % 2))
    found, torn = read_blocks(folder / "rank-00000.stb")
    assert not torn
    assert len(found) == 2
    assert max(sum(c.nbytes for c in columns.values()) for columns, _ in found) <= 4 << 20
    assert np.array_equal(np.concatenate([c["scores"] for c, _ in found])[:, 0], logits(rows))


@pytest.mark.parametrize(
    ("scores", "targets", "columns", "says"),
    [
        (logits(4), np.arange(3), {}, "targets of shape [4]"),
        (logits(4, 3), np.zeros((4, 2)), {}, "targets of shape [4] or [4, 3]"),
        (logits(4, 3), np.zeros((3, 4)), {}, "targets of shape"),
        (np.zeros((2, 3, 4), np.float32), np.zeros((2, 4), int), {}, "movedim"),
        (np.arange(4) % 2, logits(4), {}, "recorder(logits, targets)"),
        (torch.arange(4), torch.randn(4), {}, "recorder(logits, targets)"),
        (np.zeros(4, complex), np.zeros(4), {}, "floating point"),
        (logits(4), np.zeros(4), {"sample": np.arange(3)}, "sample of shape [4]"),
        (logits(4), np.zeros(4), {"iid": np.ones(5, bool)}, "iid of shape [4]"),
        (logits(4), np.zeros(4), {"sample": 7}, "sample of shape [4]"),
    ],
)
def test_shapes_that_do_not_fit_are_refused_at_the_call(folder, scores, targets, columns, says):
    with ScoreRecorder(folder) as recorder, pytest.raises(InputError) as refused:
        recorder(scores, targets, **columns)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("second", "columns"),
    [
        ((logits(4, 3), np.zeros(4)), {"epoch": 1}),
        ((logits(4), np.zeros(4)), {}),
        ((logits(4), np.zeros(4)), {"epoch": 1, "sample": np.arange(4)}),
        ((logits(4), np.zeros(4)), {"epoch": 1, "iid": False}),
    ],
)
def test_rows_must_stay_alike(folder, read_rows, second, columns):
    with ScoreRecorder(folder) as recorder:
        recorder(logits(4), np.zeros(4), epoch=0)
        with pytest.raises(InputError, match="as before"):
            recorder(*second, **columns)
        recorder(logits(4), np.zeros(4), epoch=0)
    assert len(read_rows(folder)["step"]) == 8


@pytest.mark.parametrize(
    ("targets", "options", "says"),
    [
        ([0, 1, 2, 0], {}, "from 0 to 1 or -100 .ignore_index., but got 2"),
        ([0, 1, -1, 0], {}, "but got -1"),
        ([0, 1, 0.5, 0], {}, "whole numbers"),
        ([0, 1, np.nan, 0], {}, "whole numbers"),
        ([0, 1, -100, 0], {"ignore_index": 255}, "but got -100"),
        (["a", "b", "a", "b"], {}, "whole numbers"),
        ([0, 1, 1, 0], {"scores_are": "probabilities"}, "probabilities from 0 to 1"),
    ],
)
def test_values_that_do_not_fit_end_the_recording_with_one_warning(folder, targets, options, says):
    recorder = ScoreRecorder(folder, **options)
    recorder([-1.0, 2.0, 3.0, 4.0], np.array(targets))
    with pytest.warns(UserWarning, match=says) as warned:
        recorder.close()
    assert len(warned) == 1
    assert warned[0].filename == __file__
    assert (folder / "rank-00000.stb").read_bytes() == b""


def test_training_goes_on_after_a_problem_and_what_was_written_stays(folder, read_rows, monkeypatch):
    monkeypatch.setattr(recorder_module, "SYNC_SECONDS", 0.01)
    recorder = ScoreRecorder(folder)
    recorder(logits(4), np.zeros(4))
    wait_for(lambda: recorder.path.stat().st_size)
    recorder(logits(4), np.full(4, 9))

    def train_on():
        for _ in range(300):
            recorder(logits(4), np.zeros(4))
            time.sleep(0.001)
        recorder.close()

    with pytest.warns(UserWarning, match="got 9") as warned:
        train_on()
    assert len(warned) == 1
    assert len(read_rows(folder)["step"]) == 4


def wait_for(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_a_full_disk_ends_the_recording_at_a_whole_block(folder, read_blocks, monkeypatch):
    monkeypatch.setattr(recorder_module, "SYNC_SECONDS", 0.01)
    recorder = ScoreRecorder(folder)
    recorder(logits(4), np.zeros(4))
    wait_for(lambda: recorder.path.stat().st_size)

    class Full:
        def __init__(self, file):
            self._file = file

        def __getattr__(self, name):
            return getattr(self._file, name)

        def write(self, data):
            self._file.write(data[: len(data) // 2])
            raise OSError(28, "No space left on device")

    recorder._file._file = Full(recorder._file._file)
    recorder(logits(4), np.zeros(4))
    with pytest.warns(UserWarning, match="No space left"):
        recorder.close()
    found, torn = read_blocks(recorder.path)
    assert (len(found), torn) == (1, 0)


def test_the_file_stays_below_its_limit(folder, read_rows):
    recorder = ScoreRecorder(folder, max_bytes=5_000_000)

    def train():
        for _ in range(300):
            recorder(logits(2000), np.zeros(2000))
        recorder.close()

    with pytest.warns(UserWarning, match="max_bytes is reached after [0-9]+ rows") as warned:
        train()
    assert len(warned) == 1
    assert 1_000_000 < recorder.path.stat().st_size <= 5_000_000
    steps = read_rows(folder)["step"]
    assert np.array_equal(steps, np.repeat(np.arange(len(steps) // 2000 + 1), 2000)[: len(steps)])


@pytest.mark.parametrize("over", [-1, 0])
def test_the_limit_is_exact(folder, tmp_path, over):
    record(tmp_path / "first.scores", (logits(10), np.zeros(10)))
    size = (tmp_path / "first.scores" / "rank-00000.stb").stat().st_size
    recorder = ScoreRecorder(folder, max_bytes=size + over)
    recorder(logits(10), np.zeros(10))
    if over:
        with pytest.warns(UserWarning, match="max_bytes"):
            recorder.close()
    recorder.close()
    assert recorder.path.stat().st_size == (0 if over else size)


def test_every_counts_steps_and_not_calls(folder, read_rows):
    calls = [(logits(1), [0], {"step": step}) for step in range(1, 13) for _ in range(2)]
    record(folder, *calls, every=5)
    assert read_rows(folder)["step"].tolist() == [5, 5, 10, 10]


def test_steps_are_counted_on(folder, read_rows):
    record(folder, *[(logits(1), [0], {"step": step}) for step in (7, None, None, 3, None)])
    assert read_rows(folder)["step"].tolist() == [7, 8, 9, 3, 4]


def test_logits_that_look_like_probabilities_are_doubted(folder, tmp_path):
    shares = np.linspace(0, 1, 100)
    recorder = ScoreRecorder(folder)
    recorder(shares, np.zeros(100))
    with pytest.warns(UserWarning, match="scores_are='probabilities'"):
        recorder.close()
    record(tmp_path / "b.scores", (shares, np.zeros(100)), scores_are="probabilities")
    record(tmp_path / "c.scores", (np.append(shares, 1.01), np.zeros(101)))
    record(tmp_path / "d.scores", (shares[:99], np.zeros(99)))


@pytest.mark.parametrize(
    "options",
    [
        {"scores_are": "scores"},
        {"every": 0},
        {"reservoir": 0},
        {"window": 0},
        {"rank": -1},
        {"overwrite": True, "append": True},
    ],
)
def test_options_out_of_range_are_refused(folder, options):
    with pytest.raises(InputError):
        ScoreRecorder(folder, **options)
    assert not folder.exists()


def test_a_closed_recorder_refuses_and_closes_again(folder):
    recorder = ScoreRecorder(folder)
    recorder.close()
    recorder.close()
    with pytest.raises(InputError, match="closed"):
        recorder(logits(1), [0])


def test_threads_may_record_and_close_at_once(folder, read_rows):
    recorder = ScoreRecorder(folder)

    def work(number):
        for step in range(200):
            recorder(logits(3), np.zeros(3), step=1000 * number + step)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    closers = [threading.Thread(target=recorder.close) for _ in range(4)]
    for closer in closers:
        closer.start()
    for closer in closers:
        closer.join()
    steps = read_rows(folder)["step"]
    assert sorted(steps[::3]) == sorted(1000 * n + step for n in range(4) for step in range(200))


def test_training_waits_rather_than_fill_the_memory(folder, monkeypatch, read_rows):
    monkeypatch.setattr(recorder_module, "BLOCK_BYTES", 1000)
    monkeypatch.setattr(recorder_module, "_WAITING_BYTES", 4000)
    recorder = ScoreRecorder(folder)
    write, most = recorder._file.write, []

    def slow(columns):
        time.sleep(0.02)
        most.append(recorder._waiting_bytes)
        write(columns)

    monkeypatch.setattr(recorder._file, "write", slow)
    for _ in range(200):
        recorder(logits(50), np.zeros(50, np.int8))
    recorder.close()
    assert 1000 < max(most) <= 4000 + 2 * 250
    assert len(read_rows(folder)["step"]) == 200 * 50


def run(script, *arguments, **options):
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(script), *map(str, arguments)],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        **options,
    )


LOOP = """
    import sys, time
    import numpy as np
    from imbalance_doctor.record import ScoreRecorder
    recorder = ScoreRecorder(sys.argv[1])
    for step in range(int(sys.argv[2])):
        recorder(np.full((50, 4), step, np.float32), np.arange(50) % 4, step=step)
        if step % 100 == 0:
            print(step, flush=True)
        time.sleep(0.001)
"""


def test_what_was_written_before_a_kill_can_be_read(folder, read_blocks):
    with run(LOOP, folder, 10_000_000) as process:
        path = folder / "rank-00000.stb"
        wait_for(lambda: path.exists() and read_blocks(path)[0], 60)
        killed_at = time.monotonic()
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert time.monotonic() - killed_at < 10
        reached = int(process.stdout.read().split()[-1])
    found, _ = read_blocks(path)
    steps = np.concatenate([columns["step"] for columns, _ in found])
    assert np.array_equal(steps, np.repeat(np.arange(len(steps) // 50), 50))
    assert np.array_equal(np.concatenate([c["scores"] for c, _ in found])[:, 0], steps)
    # Two seconds of steps at a millisecond or more each may be missing, and not more.
    assert 0 < steps[-1] <= reached + 200
    assert reached - steps[-1] < 2500


def test_a_process_that_forgets_to_close_loses_nothing(folder, read_rows):
    with run(LOOP, folder, 120) as process:
        assert process.wait() == 0
    assert np.array_equal(read_rows(folder)["step"], np.repeat(np.arange(120), 50))


def test_an_uncaught_error_loses_nothing(folder, read_rows):
    with run(LOOP + "\n    raise SystemExit(3)", folder, 30) as process:
        assert process.wait() == 3
    assert len(read_rows(folder)["step"]) == 1500


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_neither_writes_nor_waits(folder, read_rows):
    script = """
        import os, sys
        import numpy as np
        from imbalance_doctor.errors import InputError
        from imbalance_doctor.record import ScoreRecorder
        recorder = ScoreRecorder(sys.argv[1])
        recorder(np.array([1.5]), [0])
        child = os.fork()
        if not child:
            try:
                recorder(np.array([2.5]), [0])
            except InputError:
                sys.exit(7)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        recorder(np.array([3.5]), [0])
    """
    with run(script, folder) as process:
        assert process.wait(60) == 0
    assert read_rows(folder)["scores"][:, 0].tolist() == [1.5, 3.5]


def test_numpy_alone_is_enough(folder):
    script = """
        import sys
        sys.modules["torch"] = None
        import numpy as np
        from imbalance_doctor.record import ScoreRecorder
        with ScoreRecorder(sys.argv[1]) as recorder:
            recorder(np.array([1.5]), np.array([1]))
    """
    with run(script, folder) as process:
        assert process.wait(60) == 0


class OnDevice:
    """Stands for a CUDA stream: tells when it was waited for."""

    def __init__(self, log):
        self._log = log

    def synchronize(self):
        self._log.append(threading.current_thread().name)


def test_only_the_writing_thread_waits_for_a_device(folder, read_rows):
    waited = []
    recorder = ScoreRecorder(folder)
    stream = OnDevice(waited)
    scores = torch.randn(3)
    _, layout = layout_of(scores, torch.zeros(3), None, None, None)
    for step in range(50):
        recorder._take(Chunk(scores, torch.zeros(3), None, None, step, None, 3, stream), layout)
    recorder.close()
    assert waited == ["score-recorder"]
    assert len(read_rows(folder)["step"]) == 150


def test_cuda_rows_are_recorded(folder, read_rows):
    if not torch.cuda.is_available():
        pytest.skip("needs CUDA")
    scores = torch.randn(100, 10, 3, device="cuda")
    targets = torch.randint(0, 3, (100, 10), device="cuda")
    with ScoreRecorder(folder) as recorder, torch.cuda.stream(torch.cuda.Stream()):
        for s, t in zip(scores, targets, strict=True):
            copy = s.clone()
            recorder(copy, t)
            copy.zero_()
    assert np.array_equal(read_rows(folder)["scores"], scores.reshape(-1, 3).cpu())
    assert np.array_equal(read_rows(folder)["targets"], targets.flatten().cpu())

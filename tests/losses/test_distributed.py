"""Data-parallel training against one process with the whole batch: real processes, gloo."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("imbalanced_losses")

HERE = Path(__file__).parent
_spec = importlib.util.spec_from_file_location("gloo_worker", HERE / "gloo_worker.py")
worker = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(worker)

OURS = [name for name in worker.CASES if not name.startswith("theirs")]
WEIGHTED = ("smooth_ap", "trapezoid", "pairwise", "recall")
pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.skipif(not torch.distributed.is_available(), reason="torch was built without distributed"),
]


@pytest.fixture(scope="module", params=[2, 4])
def run(request, tmp_path_factory):
    world, folder = request.param, tmp_path_factory.mktemp("gloo")
    path = os.pathsep.join([str(HERE.parents[1]), os.environ.get("PYTHONPATH", "")])
    processes = [
        subprocess.Popen(
            [
                sys.executable,
                HERE / "gloo_worker.py",
                str(r),
                str(world),
                folder / "store",
                folder / f"{r}.pt",
            ],
            env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
            stderr=subprocess.PIPE,
            text=True,
        )
        for r in range(world)
    ]
    said = [process.communicate(timeout=150)[1] for process in processes]
    assert not any(process.returncode for process in processes), "\n".join(said)
    return world, [torch.load(folder / f"{r}.pt", weights_only=False) for r in range(world)]


def _whole(name, sizes, *, extras):
    return worker.steps(name, sizes, None, extras=extras)


def _error(one, other):
    return ((one - other).abs().max() / other.abs().max()).item()


@pytest.mark.parametrize("shape", ["unequal", "empty"])
@pytest.mark.parametrize("name", OURS)
def test_b1_gradient_is_that_of_the_whole_batch(run, name, shape):
    world, found = run
    sizes = worker.SIZES[world][shape]
    for extras in (False, True) if name in WEIGHTED else (False,):
        whole = _whole(name, sizes, extras=extras)
        for rank in range(world):
            for (value, gradient), (value_, gradient_) in zip(
                found[rank][shape, name, extras], whole, strict=True
            ):
                assert gradient_.abs().max() > 0
                assert _error(gradient, gradient_) < 1e-6
                assert abs(value - value_) < 1e-9


def test_b1_the_reference_gets_a_fraction_of_it(run):
    world, found = run
    sizes = worker.SIZES[world]["unequal"]
    whole = _whole("theirs", sizes, extras=False)
    for (_, gradient), (_, gradient_) in zip(found[0]["unequal", "theirs", False], whole, strict=True):
        assert _error(gradient * world, gradient_) < 1e-6
    blend = _whole("theirs_blend", sizes, extras=False)
    assert _error(found[0]["unequal", "theirs_blend", False][0][1], blend[0][1]) > 0.05


def test_b2_gathering_is_decided_on_every_call(run):
    _, found = run
    assert found[0]["gathers_late"] == (False, True)


def test_b3_gathered_rows_are_not_gathered_again(run):
    world, found = run
    sizes = worker.SIZES[world]["unequal"]
    x, y, _, _ = worker.batch(1, 0, sum(sizes))
    own = x[:, :1].clone().requires_grad_()
    value = worker.ours.SmoothAPLoss(1, queue_size=0, temperature=0.1)(own, y)
    value.backward()
    for rank in range(world):
        ours, gradient, stored, said = found[rank]["double"]["ours"]
        low = sum(sizes[:rank])
        assert ours == pytest.approx(value.item(), rel=1e-12)
        assert torch.allclose(gradient, world * own.grad[low : low + sizes[rank]])
        assert (stored, said) == (sum(sizes), 0)
        theirs, _, stored, said = found[rank]["double"]["theirs"]
        assert theirs != pytest.approx(value.item(), rel=1e-6)
        assert (stored, said) == (world * sum(sizes), 0)


def test_b3_rows_gathered_by_others_are_noticed(run):
    world, found = run
    sizes = worker.SIZES[world]["unequal"]
    for rank in range(world):
        _, stored, said = found[rank]["double"]["foreign"]
        assert stored == sum(sizes)
        assert len(said) == 1
        assert f"all {world} processes brought the same {sum(sizes)} rows" in said[0]


def test_b9_every_process_draws_the_same_capped_pool(run):
    world, found = run
    for rank in range(1, world):
        assert found[rank]["cap"][0] == found[0]["cap"][0]
    assert len({found[rank]["cap"][1] for rank in range(world)}) > 1  # the reference's do not


def test_processes_need_not_agree_on_weights(run):
    world, found = run
    sizes = worker.SIZES[world]["unequal"]
    x, y, w, _ = worker.batch(1, 0, sum(sizes))
    w = torch.where(torch.arange(sum(sizes)) < sizes[0], w, 1.0)
    value = worker.ours.SmoothAPLoss(1, queue_size=0, temperature=0.1)(x[:, :1], y, sample_weight=w)
    assert [f["weights_on_one"] for f in found] == pytest.approx([value.item()] * world, rel=1e-12)


def test_gathering_needs_an_initialised_group():
    for gather in (worker.ours.all_gather_with_grad, worker.ours.all_gather_no_grad):
        with pytest.raises(RuntimeError, match="init_process_group"):
            gather(torch.zeros(2))

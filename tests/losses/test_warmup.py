"""The warm-up wrapper: phases, temperatures, states and hooks, side by side with the reference's."""

import random
import warnings

import pytest

torch = pytest.importorskip("torch")
reference = pytest.importorskip("imbalanced_losses")

from torch import nn  # noqa: E402

from imbalance_doctor import losses as ours  # noqa: E402

STATE = ("epoch", "global_step", "switch_step", "batch_hook_seen", "temperature")


def wrapper(library, main="SmoothAPLoss", **options):
    made = {
        "SmoothAPLoss": lambda: library.SmoothAPLoss(3, queue_size=20),
        "PAUCAtBudgetLoss": lambda: library.PAUCAtBudgetLoss(3, beta=0.3, queue_size=20),
    }[main]()
    if main == "PAUCAtBudgetLoss" and library is ours:
        made.anchor = False
    return library.LossWarmupWrapper(nn.CrossEntropyLoss(), made, **options)


def batch(step):
    g = torch.Generator().manual_seed(step)
    return torch.randn(12, 3, generator=g, dtype=torch.float64), torch.randint(0, 3, (12,), generator=g)


def test_trace():
    """Two epochs of warm-up, two of blend, three steps each."""
    made = wrapper(
        ours,
        warmup_epochs=2,
        temp_start=0.5,
        temp_end=0.05,
        temp_decay_steps=4,
        blend_epochs=2,
        final_main_weight=0.75,
    )
    weights, temperatures, pointers, step = [], [], [], 0
    for epoch in range(5):
        made.on_train_epoch_start(epoch)
        for _ in range(3):
            made.on_train_batch_start(step)
            weights.append(made.main_weight)
            temperatures.append(made.current_temperature)
            pointers.append(int(made.main_loss._queue._q_ptr))
            made(*batch(step))
            step += 1
    assert weights == [0.0] * 6 + [0.25] * 3 + [0.5] * 3 + [0.75] * 3
    assert temperatures[:6] == [0.01] * 6
    assert temperatures[6:11] == pytest.approx([0.5, 0.28117, 0.15811, 0.08891, 0.05], abs=1e-5)
    assert temperatures[11:] == pytest.approx([0.05] * 4)
    assert pointers[:7] == [0] * 7


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("seed", range(24))
def test_parity_over_a_whole_run(seed):
    choice = random.Random(seed)  # noqa: S311
    options = {
        "temp_start": choice.choice([0.05, 0.5]),
        "temp_end": choice.choice([0.005, 0.2]),
        "temp_decay_steps": choice.choice([1, 5, 100]),
        "final_main_weight": choice.choice([1.0, 0.75]),
        "reset_queue_each_epoch": choice.random() < 0.3,
    }
    if choice.random() < 0.5:
        options |= {"warmup_epochs": choice.choice([0, 1, 2]), "blend_epochs": choice.choice([0, 1, 2])}
    else:
        options |= {"warmup_steps": choice.choice([0, 2, 5]), "blend_steps": choice.choice([None, 0, 3])}
    main = choice.choice(["SmoothAPLoss", "PAUCAtBudgetLoss"])
    mine, theirs = wrapper(ours, main, **options), wrapper(reference, main, **options)
    step, reload_at = 0, choice.randrange(12)
    for epoch in range(4):
        for one in (mine, theirs):
            one.on_train_epoch_start(epoch)
        for _ in range(3):
            if step == reload_at:  # a run that goes on from the reference's state
                mine = wrapper(ours, main, **options)
                mine.load_state_dict(theirs.state_dict())
            values = []
            for one in (mine, theirs):
                one.on_train_batch_start(step)
                x, y = batch(step)
                x.requires_grad_()
                value = one(x, y)
                value.backward()
                values.append((value.detach(), x.grad))
            (value, gradient), (value_, gradient_) = values
            assert torch.allclose(value, value_, rtol=1e-10)
            assert torch.allclose(gradient, gradient_, rtol=1e-9, atol=1e-12)
            for name in ("in_warmup", "in_blend", "main_weight", "current_temperature"):
                assert getattr(mine, name) == getattr(theirs, name), name
            assert {k: mine.get_extra_state()[k] for k in STATE} == theirs.get_extra_state()
            assert torch.equal(mine.main_loss._queue._q_logits, theirs.main_loss._queue._q_logits)
            step += 1
    assert set(theirs.state_dict()) | {"main_loss._extra_state"} == set(mine.state_dict())


def test_b20_a_relative_temperature_gets_values_to_match():
    mine, theirs = wrapper(ours, "PAUCAtBudgetLoss"), wrapper(reference, "PAUCAtBudgetLoss")
    assert (mine.temp_start, mine.temp_end) == pytest.approx((0.5, 0.05))
    assert (theirs.temp_start, theirs.temp_end) == (0.05, 0.005)
    assert theirs.temp_start / theirs.temp_end == pytest.approx(mine.temp_start / mine.temp_end)
    raw = wrapper(ours)
    assert (raw.temp_start, raw.temp_end) == (0.05, 0.005)
    relative = ours.LossWarmupWrapper(
        nn.CrossEntropyLoss(), ours.SmoothAPLoss(3, temperature=0.2, tau_scale="std")
    )
    assert (relative.temp_start, relative.temp_end) == pytest.approx((1.0, 0.1))
    given = wrapper(ours, "PAUCAtBudgetLoss", temp_start=0.05, temp_end=0.005)
    assert (given.temp_start, given.temp_end) == (0.05, 0.005)


def test_fine_tuning_starts_the_clock_at_its_first_step():
    mine, theirs = wrapper(ours, temp_decay_steps=100), wrapper(reference, temp_decay_steps=100)
    for one in (mine, theirs):
        one.on_train_batch_start(5000)
    assert mine.current_temperature == 0.05
    assert theirs.current_temperature == pytest.approx(0.005)
    mine.on_train_batch_start(5050)
    resumed = wrapper(ours, temp_decay_steps=100)
    resumed.load_state_dict(mine.state_dict())
    assert resumed.current_temperature == mine.current_temperature
    resumed.on_train_batch_start(5100)
    assert resumed.current_temperature == pytest.approx(0.005)


def test_only_the_batch_hook_is_reported():
    mine, theirs = wrapper(ours, warmup_epochs=1), wrapper(reference, warmup_epochs=1)
    for one in (mine, theirs):
        one.on_train_batch_start(0)
    with pytest.warns(
        UserWarning, match="on_train_epoch_start was never called, so the warm-up of 1 epochs never ends"
    ):
        mine(*batch(0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mine(*batch(0))
        theirs(*batch(0))


def test_only_the_epoch_hook_is_reported():
    mine = wrapper(ours, warmup_epochs=1)
    mine.on_train_epoch_start(1)
    with pytest.warns(
        UserWarning, match="on_train_batch_start was never called, so the temperature stays at 0.01"
    ):
        mine(*batch(0))
    steps = wrapper(ours, warmup_steps=5)
    steps.on_train_epoch_start(0)
    with pytest.warns(UserWarning, match="so the warm-up of 5 steps never ends"):
        steps(*batch(0))


def test_a_resumed_epoch_needs_no_hook():
    mine = wrapper(ours, warmup_epochs=5)
    mine.on_train_epoch_start(2)
    mine.on_train_batch_start(0)
    other = wrapper(ours, warmup_epochs=5)
    other.load_state_dict(mine.state_dict())
    other.on_train_batch_start(1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        other(*batch(0))


class Weighted(nn.Module):
    def forward(self, logits, targets, *, sample_weight=None):
        self.weight = sample_weight
        return logits.sum() * 0, "extra"


def test_arguments_reach_the_losses_that_take_them():
    for library in (ours, reference):
        weight = torch.rand(12)
        warm = Weighted()
        made = library.LossWarmupWrapper(
            warm, library.SmoothAPLoss(3, 0, temperature=0.1), warmup_epochs=1, final_main_weight=0.5
        )
        made.on_train_batch_start(0)
        made.on_train_epoch_start(0)
        assert made(*batch(0), sample_weight=weight, return_per_class=True)[1] == "extra"
        assert warm.weight is weight
        made.on_train_epoch_start(1)
        value, per_class, valid = made(*batch(0), sample_weight=weight, return_per_class=True)
        assert value == pytest.approx(0.5 * per_class.mean().item())
        assert valid.all()


def test_losses_without_temperature_or_queue():
    with pytest.warns(UserWarning, match="CrossEntropyLoss has no temperature"):
        made = ours.LossWarmupWrapper(nn.CrossEntropyLoss(), nn.CrossEntropyLoss())
    assert made.current_temperature is None
    made.on_train_batch_start(3)
    assert made(*batch(0)).isfinite()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        ours.LossWarmupWrapper(nn.CrossEntropyLoss(), nn.CrossEntropyLoss(), reset_queue_each_epoch=True)
    assert any("has no queue" in str(w.message) for w in said)


def test_gathering_is_handed_on():
    for given, wanted in ((None, True), (False, False), (True, True)):
        main = ours.SmoothAPLoss(3, gather_distributed=True)
        ours.LossWarmupWrapper(nn.CrossEntropyLoss(), main, gather_distributed=given)
        assert main.gather_distributed is wanted


@pytest.mark.parametrize(
    "wrong",
    [
        {"warmup_epochs": 1, "warmup_steps": 1},
        {"blend_epochs": 1, "blend_steps": 1, "warmup_steps": 1},
        {"blend_steps": 1},
        {"warmup_epochs": -1},
        {"warmup_steps": -1},
        {"blend_epochs": -1},
        {"warmup_steps": 1, "blend_steps": -1},
        {"final_main_weight": 0.0},
        {"final_main_weight": 1.5},
        {"temp_start": 0.0},
        {"temp_end": -1.0},
        {"temp_decay_steps": 0},
    ],
)
def test_both_refuse(wrong):
    for library in (ours, reference):
        with pytest.raises(ValueError):  # noqa: PT011  the words are the library's own
            wrapper(library, **wrong)

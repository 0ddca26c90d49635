"""The tables of parameters against the libraries themselves."""

import importlib
import inspect

import pytest

from imbalance_doctor.evidence import LOSS_DEFAULTS, PLAN_FIELDS, WRAPPER_DEFAULTS
from imbalance_doctor.sources.plans._signatures import LOADER, LOSS_SIGNATURES, OPTIMIZERS, SETTINGS, WRAPPERS

INSTALLED = [
    one
    for one in (*LOSS_SIGNATURES, *WRAPPERS)
    if one.package in ("imbalanced_losses", "torch.nn", "torch.nn.functional")
    or one.name in ("MinedBCELoss", "mined_bce")
]


def _parameters(callable_):
    return dict(inspect.signature(callable_).parameters)


def _split(parameters):
    positional = tuple(n for n, p in parameters.items() if p.kind is p.POSITIONAL_OR_KEYWORD)
    return positional, tuple(n for n, p in parameters.items() if p.kind is p.KEYWORD_ONLY)


@pytest.mark.parametrize("one", INSTALLED, ids=lambda one: f"{one.package}.{one.name}")
def test_parameters_are_those_of_the_library(one):
    actual = _parameters(getattr(importlib.import_module(one.package), one.name))
    assert _split(actual) == (one.positional, one.keyword_only)


def test_no_loss_of_the_reference_is_left_out():
    library = importlib.import_module("imbalanced_losses")
    found = {name for name in dir(library) if name.endswith(("Loss", "Wrapper"))}
    known = {one.name for one in (*LOSS_SIGNATURES, *WRAPPERS) if one.package == "imbalanced_losses"}
    assert known == found


@pytest.mark.parametrize(
    "one", [*LOSS_SIGNATURES, *WRAPPERS, *SETTINGS], ids=lambda one: f"{one.package}.{one.name}"
)
def test_every_parameter_has_a_field_or_is_unused(one):
    for parameter in one.parameters:
        name = one.field_of(parameter)
        assert name is None or name in PLAN_FIELDS, parameter


@pytest.mark.parametrize(
    "one", [o for o in INSTALLED if o.package == "imbalanced_losses"], ids=lambda one: one.name
)
def test_defaults_are_those_of_the_library(one):
    library = importlib.import_module(one.package)
    assumed = LOSS_DEFAULTS[one.loss] if one.loss else WRAPPER_DEFAULTS
    actual = {
        one.field_of(name): parameter.default
        for name, parameter in _parameters(getattr(library, one.name)).items()
        if one.field_of(name)
    }
    for name, value in assumed.items():
        assert actual[name] == value, name


def test_loader_takes_these_arguments_first():
    data = importlib.import_module("torch.utils.data")
    positional, _ = _split(_parameters(data.DataLoader))
    assert positional[: len(LOADER.positional)] == LOADER.positional
    assert _parameters(data.DataLoader)["batch_size"].default == 1


def test_clipping_takes_these_arguments_first():
    (clip,) = (one for one in SETTINGS if one.name == "clip_grad_norm_")
    utils = importlib.import_module("torch.nn.utils")
    assert _split(_parameters(utils.clip_grad_norm_))[0][:2] == clip.positional


def test_optimisers_and_their_learning_rates():
    optim = importlib.import_module("torch.optim")
    for name, (word, rate) in OPTIMIZERS.items():
        parameters = _parameters(getattr(optim, name))
        assert next(iter(parameters)) == "params"
        assert list(parameters)[1] == "lr"
        assert word in PLAN_FIELDS["optimizer"].metadata["choices"]
        if rate is not None:
            assert parameters["lr"].default == rate
    classes = {n for n in dir(optim) if n[0].isupper() and inspect.isclass(getattr(optim, n))}
    assert classes - set(OPTIMIZERS) <= {"Optimizer", "SparseAdam"}


@pytest.mark.parametrize(
    "one",
    [o for o in LOSS_SIGNATURES if o.implementation in ("torchvision", "kornia", "monai")],
    ids=lambda o: f"{o.package}.{o.name}",
)
def test_parameters_of_libraries_that_may_be_missing(one):
    module = {"torchvision.ops": "torchvision.ops", "kornia": "kornia.losses", "monai": "monai.losses"}[
        one.package
    ]
    library = pytest.importorskip(
        module, reason=f"{one.implementation} is not installed", exc_type=ImportError
    )
    positional, keyword_only = _split(_parameters(getattr(library, one.name)))
    assert positional == one.positional
    assert set(keyword_only) <= set(one.keyword_only)

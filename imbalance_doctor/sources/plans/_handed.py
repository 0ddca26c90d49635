"""What a loss is handed: rows of all workers already, or probabilities where it expects logits."""

from __future__ import annotations

import ast

from imbalance_doctor.sources.plans._static import Scope, Script

_GATHERS = frozenset({"all_gather_with_grad", "all_gather_no_grad"})
_GATHERING_PACKAGES = ("imbalanced_losses.", "imbalance_doctor.")
_SQUASHES = ("sigmoid", "softmax", "expit")
_MODULES = ("Sigmoid", "Softmax")
_SHAPES = frozenset({"squeeze", "unsqueeze", "view", "reshape", "flatten", "float", "to", "contiguous"})
_TORCH = ("torch.",)


def gathered(node: ast.expr, scope: Scope, script: Script) -> bool:
    """Whether an expression is the result of a gather over all workers."""
    made = _made(node, scope, script)
    if not isinstance(made, ast.Call):
        return False
    return any(
        name.startswith(_GATHERING_PACKAGES) and name.rpartition(".")[2] in _GATHERS
        for name in script.names(made.func, scope)
    )


def probabilities(node: ast.expr, scope: Scope, script: Script) -> bool:
    """Whether an expression certainly is the result of a sigmoid or softmax.

    Seen are calls of the functions and methods, of ``nn.Sigmoid`` and ``nn.Softmax``, and of an
    ``nn.Sequential`` that ends in one of these.
    """
    made = _made(node, scope, script)
    if not isinstance(made, ast.Call):
        return False
    names = script.names(made.func, scope)
    if any(name.startswith(_TORCH) and name.rpartition(".")[2] in _SQUASHES for name in names):
        return True
    if isinstance(made.func, ast.Attribute) and made.func.attr in ("sigmoid", "softmax") and not names:
        return True
    if isinstance(made.func, ast.Attribute) and made.func.attr in ("sigmoid", "softmax"):
        return not any("." in name and name.split(".")[0] in script.imported_roots for name in names)
    return _squashes(script.origin(made.func, scope), scope, script)


def _squashes(module: ast.expr | None, scope: Scope, script: Script) -> bool:
    """Whether a module that is made here ends in a sigmoid or softmax."""
    if not isinstance(module, ast.Call):
        return False
    ends = {name.rpartition(".")[2] for name in script.names(module.func, scope) if name.startswith(_TORCH)}
    if ends & set(_MODULES):
        return True
    if "Sequential" not in ends or not module.args or isinstance(module.args[-1], ast.Starred):
        return False
    last = module.args[-1]
    return _squashes(last if isinstance(last, ast.Call) else script.origin(last, scope), scope, script)


def _made(node: ast.expr, scope: Scope, script: Script) -> ast.expr | None:
    """Follow a value to the call that makes it, past changes of shape."""
    for _ in range(8):
        made = script.origin(node, scope)
        if isinstance(made, ast.Subscript):
            node = made.value
        elif (
            isinstance(made, ast.Call) and isinstance(made.func, ast.Attribute) and made.func.attr in _SHAPES
        ):
            node = made.func.value
        else:
            return made
    return None

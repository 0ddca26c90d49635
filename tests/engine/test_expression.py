"""The expression language: three-valued logic, arithmetic, types, reasons."""

import ast
import itertools
import math
from types import SimpleNamespace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from imbalance_doctor.engine.expression import MAX_DEPTH, MAX_LENGTH, ExpressionError, parse
from imbalance_doctor.evidence import TrainingPlan
from imbalance_doctor.facts.base import Facts

NUMBERS = ("batch.gap", "pool.size", "plan.temperature", "labels.prevalence")
TRUTHS = ("plan.pretrained", "pool.capped", "plan.stabilised")
WORDS = {"plan.loss": ("bce", "ce", "smooth-ap"), "labels.task": ("binary", "multiclass", "multilabel")}
PARAMS = {"least": 5, "share": 0.25, "nothing": 0}


def facts_of(values):
    families = {}
    for name, value in values.items():
        family, _, fact = name.partition(".")
        setattr(families.setdefault(family, SimpleNamespace()), fact, value)
    return Facts(**families)


# Truth tables. The twin: an unknown may be true or false, each time it appears, independently;
# what comes out the same either way is known.

THREE = (True, False, None)


def twin_logic(function, *values):
    options = [(True, False) if value is None else (value,) for value in values]
    outcomes = {function(*choice) for choice in itertools.product(*options)}
    return outcomes.pop() if len(outcomes) == 1 else None


@pytest.mark.parametrize(("a", "b"), list(itertools.product(THREE, THREE)))
def test_and_or_of_two(a, b):
    facts = facts_of({"plan.pretrained": a, "plan.stabilised": b})
    both = parse("plan.pretrained and plan.stabilised", {})
    either = parse("plan.pretrained or plan.stabilised", {})
    assert both.evaluate(facts) is twin_logic(lambda x, y: x and y, a, b)
    assert either.evaluate(facts) is twin_logic(lambda x, y: x or y, a, b)


@pytest.mark.parametrize("a", THREE)
def test_not(a):
    facts = facts_of({"plan.pretrained": a})
    assert parse("not plan.pretrained", {}).evaluate(facts) is twin_logic(lambda x: not x, a)


@pytest.mark.parametrize("values", list(itertools.product(THREE, repeat=3)))
def test_three_at_once(values):
    facts = facts_of(dict(zip(TRUTHS, values, strict=True)))
    for source, function in [
        (" and ".join(TRUTHS), lambda *v: all(v)),
        (" or ".join(TRUTHS), lambda *v: any(v)),
        ("{} and {} or {}".format(*TRUTHS), lambda a, b, c: (a and b) or c),
        ("not {} or {} and {}".format(*TRUTHS), lambda a, b, c: (not a) or (b and c)),
    ]:
        assert parse(source, {}).evaluate(facts) is twin_logic(function, *values)


def test_unknown_is_not_excluded_middle():
    # Each appearance is unknown by itself: Kleene's logic does not know that x or not x is true.
    assert parse("plan.pretrained or not plan.pretrained", {}).evaluate(Facts()) is None


@pytest.mark.parametrize("value", [0, 1, -3.5, True, False, "bce", (1.0, 2.0)])
def test_given_is_never_unknown(value):
    name = {str: "plan.loss", bool: "plan.pretrained", tuple: "plan.class_weights"}.get(
        type(value), "batch.gap"
    )
    asked = parse(f"given({name})", {})
    assert asked.evaluate(facts_of({name: value})) is True
    assert asked.evaluate(Facts()) is False
    assert asked.facts == (name,)


def test_nan_is_not_given():
    assert parse("given(batch.gap)", {}).evaluate(facts_of({"batch.gap": math.nan})) is False


# Random expressions against a slow twin. A tree is (op, *parts) with leaves; both sides get the same tree.

_number = st.recursive(
    st.one_of(
        st.tuples(st.just("fact"), st.sampled_from(NUMBERS)),
        st.tuples(st.just("param"), st.sampled_from(sorted(PARAMS))),
        st.tuples(st.just("value"), st.integers(0, 9) | st.sampled_from([0.5, 1e-3, 2.25, 1e18])),
    ),
    lambda part: st.one_of(
        st.tuples(st.sampled_from("+-*/"), part, part),
        st.tuples(st.sampled_from(["neg", "abs", "ceil", "floor", "sqrt"]), part),
        st.tuples(st.sampled_from(["min", "max"]), part, part),
        st.tuples(st.sampled_from(["min", "max"]), part, part, part),
    ),
    max_leaves=6,
)
_truth = st.recursive(
    st.one_of(
        st.tuples(st.just("fact"), st.sampled_from(TRUTHS)),
        st.tuples(st.just("value"), st.booleans()),
        st.tuples(st.just("given"), st.sampled_from(NUMBERS + TRUTHS + tuple(WORDS))),
        st.tuples(st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), _number, _number),
        st.sampled_from(sorted(WORDS)).flatmap(
            lambda fact: st.tuples(
                st.sampled_from(["in", "not in"]),
                st.just(("fact", fact)),
                st.lists(st.sampled_from(WORDS[fact]), min_size=1, max_size=3).map(tuple),
            )
        ),
        st.sampled_from(sorted(WORDS)).flatmap(
            lambda fact: st.tuples(
                st.sampled_from(["==", "!="]),
                st.just(("fact", fact)),
                st.tuples(st.just("value"), st.sampled_from(WORDS[fact])),
            )
        ),
    ),
    lambda part: st.one_of(
        st.tuples(st.sampled_from(["and", "or"]), part, part),
        st.tuples(st.sampled_from(["and", "or"]), part, part, part),
        st.tuples(st.just("not"), part),
    ),
    max_leaves=8,
)
_value = (
    st.none()
    | st.integers(-3, 8)
    | st.floats(-5, 8)
    | st.sampled_from([0, math.nan, math.inf, 5, 0.25, 1e200, 2**62])
)
_values = st.fixed_dictionaries(
    dict.fromkeys(NUMBERS, _value)
    | dict.fromkeys(TRUTHS, st.sampled_from(THREE))
    | {name: st.sampled_from([None, *words]) for name, words in WORDS.items()}
)


def written(tree):
    """The tree as source, every part in parentheses."""
    op, *parts = tree
    if op in {"fact", "param", "given", "value"}:
        return {"given": f"given({parts[0]})", "value": repr(parts[0])}.get(op, parts[0])
    if op in {"in", "not in"}:
        return f"({written(parts[0])} {op} {parts[1]!r})"
    inner = [written(part) for part in parts]
    if op in {"not", "neg"}:
        return f"({'not' if op == 'not' else '-'} {inner[0]})"
    if op in {"min", "max", "abs", "ceil", "floor", "sqrt"}:
        return f"{op}({', '.join(inner)})"
    return "(" + f" {op} ".join(inner) + ")"


def twin_leaf(op, name, values):
    if op == "param":
        return PARAMS[name]
    if op == "value":
        return name
    value = values[name]
    missing = value is None or (isinstance(value, float) and math.isnan(value))
    if op == "given":
        return not missing
    return None if missing else value


def twin(tree, values):
    """The value of the tree by definition: unknown unless every part is known and the result is a number."""
    op, *parts = tree
    if op in {"fact", "param", "given", "value"}:
        return twin_leaf(op, parts[0], values)
    if op in {"in", "not in"}:
        word = twin(parts[0], values)
        return None if word is None else any(word == w for w in parts[1]) is (op == "in")
    inner = [twin(part, values) for part in parts]
    if op in {"and", "or", "not"}:
        logic = {"and": lambda *v: all(v), "or": lambda *v: any(v), "not": lambda v: not v}[op]
        return twin_logic(logic, *inner)
    return None if any(part is None for part in inner) else twin_number(op, inner)


def smallest(values):
    first, *rest = values
    for value in rest:
        first = min(first, value)
    return first


def twin_number(op, inner):
    if (op == "/" and inner[1] == 0) or (op == "sqrt" and inner[0] < 0):
        return None
    if op in {"ceil", "floor"} and math.isinf(inner[0]):
        return None
    a, b = inner[0], inner[-1]
    compute = {
        "+": lambda: a + b,
        "-": lambda: a - b,
        "*": lambda: a * b,
        "/": lambda: a / b,
        "neg": lambda: -a,
        "abs": lambda: a if a >= 0 else -a,
        "ceil": lambda: int(a) + (a > int(a)),
        "floor": lambda: int(a) - (a < int(a)),
        "sqrt": lambda: math.sqrt(a),
        "min": lambda: smallest(inner),
        "max": lambda: -smallest([-x for x in inner]),
        "<": lambda: a < b,
        "<=": lambda: a < b or a == b,
        ">": lambda: b < a,
        ">=": lambda: b < a or a == b,
        "==": lambda: a == b,
        "!=": lambda: a != b,
    }
    try:
        result = compute[op]()
    except OverflowError:  # ints beyond the range of floats
        return None
    return None if isinstance(result, float) and math.isnan(result) else result


@settings(max_examples=400, deadline=None)
@given(tree=_truth, values=_values)
def test_conditions_against_the_twin(tree, values):
    expression = parse(written(tree), PARAMS)
    facts = facts_of(values)
    expected = twin(tree, values)
    assert expression.kind == "bool"
    assert expression.evaluate(facts) is expected
    # Python's own printer leaves out needless parentheses: the precedence must be Python's.
    assert parse(ast.unparse(ast.parse(written(tree), mode="eval")), PARAMS).evaluate(facts) is expected
    # An unknown has a reason, and one that is true.
    if expected is None:
        why = expression.unknowns(facts)
        assert why.facts or why.undefined
        assert all(values[name] is None for name in why.facts)
    # What is printed for a mutant reads back as the same tree.
    assert parse(str(expression.node), PARAMS).node == expression.node


@settings(max_examples=300, deadline=None)
@given(tree=_number, values=_values)
def test_numbers_against_the_twin(tree, values):
    expression = parse(written(tree), PARAMS)
    assert expression.kind == "number"
    got, expected = expression.evaluate(facts_of(values)), twin(tree, values)
    assert (got is None) is (expected is None)
    assert got == expected


@settings(max_examples=300, deadline=None)
@given(tree=_truth, values=_values, more=_values)
def test_learning_more_never_overturns_a_verdict(tree, values, more):
    # Kleene's logic is monotone where nothing asks whether a fact is given.
    assume("given" not in written(tree))
    expression = parse(written(tree), PARAMS)
    before = expression.evaluate(facts_of(values))
    unknown = {k for k in values if twin_leaf("fact", k, values) is None}
    after = expression.evaluate(facts_of({k: more[k] if k in unknown else v for k, v in values.items()}))
    assert before is None or after is before


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60) | st.text("()<>=!+-*/.,'\"ab1e {}:[]\\\n\t", max_size=60))
def test_any_text_is_parsed_or_refused(text):
    try:
        expression = parse(text, PARAMS)
    except ExpressionError as error:
        assert 0 <= error.offset <= len(text)  # noqa: PT017
    else:
        assert expression.kind in {"number", "bool", "text"}


# Chains, strings, numbers


@pytest.mark.parametrize(
    ("value", "expected"), [(0, False), (0.5, True), (1, True), (1.01, False), (None, None)]
)
def test_chains(value, expected):
    facts = facts_of({"plan.gamma": value})
    assert parse("0 < plan.gamma <= 1", {}).evaluate(facts) is expected
    assert parse("1 >= plan.gamma > 0", {}).evaluate(facts) is expected


def test_a_chain_is_decided_by_its_known_half():
    facts = facts_of({"batch.gap": 3})
    assert parse("5 < batch.gap < pool.size", {}).evaluate(facts) is False
    assert parse("2 < batch.gap < pool.size", {}).evaluate(facts) is None


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("1e-3", 0.001),
        ("1E3", 1000.0),
        ("2.5e+2", 250.0),
        (".5", 0.5),
        ("2.", 2.0),
        ("-3", -3),
        ("2 + 3 * 4", 14),
        ("(2 + 3) * 4", 20),
        ("7 - 3 - 2", 2),
        ("8 / 4 / 2", 1.0),
        ("-2 * 3", -6),
        ("ceil(2.1)", 3),
        ("floor(-2.1)", -3),
        ("min(3, 1, 2)", 1),
        ("max(1, 2)", 2),
        ("at_most(3, 2)", 2),
        ("at_most(2, 3)", 2),
        ("sqrt(9)", 3.0),
        ("abs(-4)", 4),
    ],
)
def test_constants(source, value):
    assert parse(source, {}).evaluate(Facts()) == value


def test_an_unknown_limit_limits_nothing():
    expression = parse("at_most(ceil(plan.batch_size / plan.beta), plan.queue_size)", {})
    known = TrainingPlan(batch_size=8, beta=0.5)
    assert expression.evaluate(Facts(plan=known)) == 16
    assert expression.evaluate(Facts(plan=known.replace(queue_size=15))) == 15
    assert expression.evaluate(Facts(plan=known.replace(queue_size=17))) == 16
    lacking = Facts(plan=TrainingPlan(batch_size=8))
    assert expression.evaluate(lacking) is None
    assert expression.unknowns(lacking).facts == ("plan.beta",)


def test_words_either_way_round():
    facts = Facts(plan=TrainingPlan(loss="bce"))
    for source in (
        "plan.loss == 'bce'",
        '"bce" == plan.loss',
        "plan.loss in ('bce', 'ce')",
        "plan.loss in ('bce',)",
    ):
        assert parse(source, {}).evaluate(facts) is True
    for source in ("plan.loss != 'bce'", "plan.loss not in ('bce', 'ce')", "'ce' == plan.loss"):
        assert parse(source, {}).evaluate(facts) is False


def test_truths_compare_with_truths():
    assert parse("plan.pretrained == plan.stabilised", {}).evaluate(
        Facts(plan=TrainingPlan(pretrained=True, stabilised=True))
    )


# Reasons


@pytest.mark.parametrize(
    ("source", "values", "missing", "undefined"),
    [
        ("batch.gap < pool.size", {}, ("batch.gap", "pool.size"), ()),
        ("batch.gap < pool.size", {"batch.gap": 1}, ("pool.size",), ()),
        ("batch.gap < 1 and pool.size < 1", {"batch.gap": 0}, ("pool.size",), ()),
        ("batch.gap < 1 or pool.size < 1", {"batch.gap": 3}, ("pool.size",), ()),
        ("1 / batch.gap < 1", {"batch.gap": 0}, (), ("division by zero in 1 / batch.gap",)),
        ("1 / (batch.gap - 1) < 1", {"batch.gap": 1}, (), ("division by zero in 1 / (batch.gap - 1)",)),
        ("sqrt(batch.gap) < 1", {"batch.gap": -1}, (), ("sqrt(batch.gap) is undefined",)),
        ("ceil(batch.gap) < 1", {"batch.gap": math.inf}, (), ("ceil(batch.gap) is undefined",)),
        ("batch.gap - batch.gap < 1", {"batch.gap": math.inf}, (), ("batch.gap - batch.gap is undefined",)),
        ("batch.gap < 1", {"batch.gap": math.nan}, (), ("batch.gap is not a number",)),
        (
            "not (batch.gap < 1 or pool.size / 0 > 1)",
            {"pool.size": 1},
            ("batch.gap",),
            ("division by zero in pool.size / 0",),
        ),
        ("given(plan.loss) or batch.gap > 1", {}, ("batch.gap",), ()),
    ],
)
def test_reasons(source, values, missing, undefined):
    expression, facts = parse(source, {}), facts_of(values)
    assert expression.evaluate(facts) is None
    why = expression.unknowns(facts)
    assert why.facts == missing
    assert why.undefined == undefined


@pytest.mark.parametrize(
    "values", [{"batch.gap": 2**62, "pool.size": 2**62}, {"batch.gap": 1e308, "pool.size": 1e308}]
)
def test_large_values_are_compared_or_unknown(values):
    facts = facts_of(values)
    product = " * ".join(["batch.gap", "pool.size"] * 10)
    assert parse(f"{product} > 1", {}).evaluate(facts) is True
    assert parse(f"{product} / 3 > 1", {}).evaluate(facts) in (True, None)
    assert parse(f"sqrt({product}) > 1", {}).evaluate(facts) in (True, None)


# Refusals: the places are counted from the start of the expression


@pytest.mark.parametrize(
    ("source", "offset", "says"),
    [
        ("batch.gap < least + bach.gap", 20, "unknown fact 'bach.gap'"),
        ("  batch.gap < leest", 14, "unknown name 'leest'"),
        ("batch.gap\n< leest", 12, "unknown name 'leest'"),
        ("batch.gap < 1 and plan.loss", 18, "'and' expected a condition"),
        ("plan.loss == 'x'", 13, "never 'x'"),
        ("batch.gap < 1 or 5", 17, "'or' expected a condition"),
        ("abs(plan.pretrained) > 1", 4, "'abs()' expected a number"),
        ("plan.loss + 1 > 1", 0, "'+' expected a number"),
        ("-plan.pretrained > 1", 1, "'-' expected a number"),
        ("'a' == 'a'", 0, "fact == 'word'"),
        ("plan.loss == plan.loss", 0, "fact == 'word'"),
        ("plan.pretrained == 1", 19, "two of a kind"),
        ("pool.", 5, "expected an expression"),
        ("", 0, "got nothing"),
        ("+1 > 0", 0, "can only be '-'"),
    ],
)
def test_refusals_say_where(source, offset, says):
    with pytest.raises(ExpressionError) as caught:
        parse(source, PARAMS)
    assert says in caught.value.problem
    assert caught.value.offset == offset


def test_limits_on_both_sides():
    assert parse("1" + " " * (MAX_LENGTH - 1), {}).evaluate(Facts()) == 1
    with pytest.raises(ExpressionError, match="at most"):
        parse("1" + " " * MAX_LENGTH, {})
    assert parse("-" * MAX_DEPTH + "1", {}).kind == "number"
    with pytest.raises(ExpressionError, match="levels"):
        parse("-" * (MAX_DEPTH + 1) + "1", {})
    assert parse(str(2**63 - 1), {}).evaluate(Facts()) == 2**63 - 1
    with pytest.raises(ExpressionError, match=r"2\*\*63"):
        parse(str(2**63), {})


def test_facts_and_params_in_order_of_appearance():
    expression = parse("pool.size < least and given(plan.loss) or batch.gap > share * pool.size", PARAMS)
    assert expression.facts == ("pool.size", "plan.loss", "batch.gap")
    assert expression.used_params == {"least", "share"}

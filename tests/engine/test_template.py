"""Messages: what is shown, how numbers read, and that nothing else can be asked for."""

import math
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imbalance_doctor.engine.expression import ExpressionError
from imbalance_doctor.engine.template import parse_template, show
from imbalance_doctor.facts.base import Facts

FACTS = Facts(
    pool=SimpleNamespace(size=12345, expected_positives=0.04567, capped=True),
    plan=SimpleNamespace(loss="smooth-ap", memory_budget=3 * 2**30),
    labels=SimpleNamespace(focus_class="a\nb\x1b[31m", prevalence=math.nan),
)


def said(text, params=None, suggest=None):
    kinds = dict.fromkeys(suggest or {}, "number")
    return parse_template(text, params or {}, kinds).render(FACTS, params or {}, suggest or {})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no fields", "no fields"),
        ("{pool.size} rows", "12345 rows"),
        ("{pool.size:,} rows", "12,345 rows"),
        ("{pool.expected_positives:.2g}", "0.046"),
        ("{pool.expected_positives:.1f}", "0.0"),
        ("{pool.expected_positives:.1%}", "4.6%"),
        ("{pool.expected_positives:d}", "0"),
        ("{pool.expected_positives}", "0.04567"),
        ("{plan.memory_budget:bytes}", "3 GiB"),
        ("{plan.loss}, {pool.capped}", "smooth-ap, true"),
        ("{labels.focus_class}", "a b [31m"),
        ("{labels.prevalence}", "?"),
        ("{labels.rows:,} of {batch.gap:.2g}", "? of ?"),
        ("{{literal}} {{{pool.size}}}", "{literal} {12345}"),
        ("{plan.loss}{plan.loss}", "smooth-apsmooth-ap"),
        ("50 %, not %s nor %(x)s nor $x", "50 %, not %s nor %(x)s nor $x"),
    ],
)
def test_messages(text, expected):
    assert said(text) == expected


def test_params_and_suggestions():
    assert said("{least:.1f} {suggest.queue_size}", {"least": 5}, {"queue_size": 2048}) == "5.0 2048"
    template = parse_template("{suggest.queue_size}", {}, {"queue_size": "number"})
    assert template.render(FACTS, {}, {}) == "?"
    assert parse_template("{least} {pool.size}", {"least": 1}, {}).params == {"least"}
    assert parse_template("{pool.size} {batch.gap} {pool.size}", {}, {}).facts == ("pool.size", "batch.gap")


@pytest.mark.parametrize(
    ("value", "spec", "expected"),
    [
        (0, "", "0"),
        (-0.0, "", "0"),
        (1e14, "", "100000000000000"),
        (12.0, "", "12"),
        (1234.5678, "", "1235"),
        (123456.7, "", "123500"),
        (0.000012345, "", "1.234e-05"),
        (2.5, "d", "2"),
        (3.5, "d", "4"),
        (1234567.8, ",", "1,234,568"),
        (123456, ".2g", "120000"),
        (0.00001, ".1g", "1e-05"),
        (9.99, ".2g", "10"),
        (4.7, ".0g", "5"),
        (1e20, ".2g", "1e+20"),
        (1.0, ".0%", "100%"),
        (0.0, ".1%", "0.0%"),
        (0.0005, ".1%", "0.1%"),
        (0.0004, ".1%", "0.04%"),
        (1e-9, ".2%", "0.0000001%"),
        (0.9994, ".1%", "99.9%"),
        (0.99996, ".1%", "99.996%"),
        (0.999, ".0%", "99.9%"),
        (1 - 1e-9, ".1%", "99.9999999%"),
        (1.0004, ".1%", "100.0%"),
        (0.5, ".3g%", "50%"),
        (0.0025, ".3g%", "0.25%"),
        (0.0000012345, ".3g%", "0.000123%"),
        (1e-9, ".1g%", "0.0000001%"),
        (0.98064, ".4g%", "98.06%"),
        (0.99998, ".3g%", "99.998%"),
        (1.0, ".3g%", "100%"),
        (0, ".3g%", "0%"),
        (0, "bytes", "0 B"),
        (1023, "bytes", "1020 B"),
        (1024, "bytes", "1 KiB"),
        (1536, "bytes", "1.5 KiB"),
        (5 * 2**50, "bytes", "5120 TiB"),
        (math.inf, "d", "infinite"),
        (-math.inf, "bytes", "-infinite"),
        (math.nan, ",", "?"),
        (None, "", "?"),
        (False, "", "false"),
        ("x" * 100, "", "x" * 59 + "…"),
    ],
)
def test_values(value, spec, expected):
    assert show(value, spec) == expected


@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(1, 9))
def test_significant_digits_are_pythons_rounding(value, digits):
    shown = float(show(value, f".{digits}g"))
    assert shown == pytest.approx(float(f"{value:.{digits}g}"), rel=1e-12)


@given(st.text("{}:.abc%dg,", max_size=20))
def test_any_text_is_parsed_or_refused(text):
    try:
        template = parse_template(text, {"a": 1, "abc": 2.5}, {})
    except ExpressionError as error:
        assert 0 <= error.offset <= len(text)  # noqa: PT017
    else:
        assert template.render(FACTS, {"a": 1, "abc": 2.5}, {}).count("\n") == 0

"""Malformed rule files: each must be one clear line and exit 2, never a traceback.

``cases()`` yields what the engine's own tests check; ``malformed()`` only names and contents, for tests of
the command line. Every file is to be called ``FILE_NAME``, and ``GOOD`` is the rule they are all made from.
"""

from typing import NamedTuple

FILE_NAME = "few-positives.yaml"

GOOD = """\
id: few-positives
title: A batch holds too few positives
severity: warning
confidence: high
applies_to: [smooth-ap, bce]
covers: [AP-3]
params:
  least: {value: 5, unit: rows, why: fewer is noise}
when: batch.expected_positives < least and plan.sampler == 'shuffle'
message: "{batch.expected_positives:.2g} positives; use {suggest.batch_size}."
why: The gradient is noise.
verdict: sharpened
cause: starved-batches
reproduce: starved-batch
remedy: Raise the batch size.
suggest: {batch_size: ceil(least / batch.prevalence)}
false_alarms: [Stratified batches.]
references: [A paper]
examples:
  - name: just too few
    facts: {batch.expected_positives: 4.96, plan.sampler: shuffle, batch.prevalence: 0.01}
    expect: fires
    message: 5 positives; use 500.
    suggest: {batch_size: 500}
  - {name: just enough, facts: {batch.expected_positives: 5, plan.sampler: shuffle}, expect: passes}
  - {name: another sampler, facts: {batch.expected_positives: 1, plan.sampler: weighted}, expect: passes}
  - {name: nothing known, facts: {}, expect: unknown}
"""

SELECTION = """\
id: few-positives
title: Ranking wins
confidence: medium
loss: smooth-ap
merit: {value: 0.02, low: 0.01, high: 0.03, unit: average precision, basis: measured}
when: plan.metric == 'average_precision'
message: Smooth-AP wins.
why: Measured.
examples:
  - {name: the metric, facts: {plan.metric: average_precision}, expect: fires, message: Smooth-AP wins.}
  - {name: another metric, facts: {plan.metric: roc_auc}, expect: passes}
  - {name: nothing known, facts: {}, expect: unknown}
"""


class Case(NamedTuple):
    """One malformed file: the line the error must name (None: none), and what it must say."""

    name: str
    content: str | bytes
    line: int | None
    says: str


def _line(text):
    """The line of GOOD that starts with `text`."""
    lines = [n for n, line in enumerate(GOOD.splitlines(), 1) if line.startswith(text)]
    assert len(lines) == 1, text
    return lines[0]


def _swap(old, new, base=GOOD):
    assert base.count(old) == 1, old
    return base.replace(old, new)


def _set(key, value):
    """GOOD with another value of a one-line key."""
    old = GOOD.splitlines()[_line(f"{key}:") - 1]
    return _swap(old, f"{key}: {value}")


def _drop(key):
    return _swap(GOOD.splitlines()[_line(f"{key}:") - 1] + "\n", "")


def cases():
    """Yield every case."""
    yield from _files()
    yield from _yaml_traps()
    yield from _keys()
    yield from _values()
    yield from _expressions()
    yield from _attacks()
    yield from _messages()
    yield from _examples()
    yield from _selection()


def malformed():
    """Yield (name, content)."""
    for case in cases():
        yield case.name, case.content


def _files():
    yield Case("empty", "", None, "the file is empty")
    yield Case("blank", "\n \n", None, "the file is empty")
    yield Case("comment only", "# nothing\n", None, "the file is empty")
    yield Case("not UTF-8", GOOD.encode().replace(b"noise.", b"\xff\xfe"), 11, "expected UTF-8")
    yield Case("UTF-16", GOOD.encode("utf-16"), 1, "expected UTF-8")
    yield Case("too large", GOOD + "#" * 300_000, None, "at most 256 KiB")
    yield Case("a null byte", _swap("is noise.", "is \0 noise."), 11, "expected YAML")
    yield Case("a control character", _swap("is noise.", "is \x07 noise."), 11, "control characters")
    yield Case("truncated", GOOD[: GOOD.index("references") + 14], 19, "expected YAML")
    yield Case("two documents", GOOD + "---\n" + GOOD, 28, "second document")
    yield Case("a list", "- a\n- b\n", 1, "expected a mapping, but got a list")
    yield Case("a scalar", "hello\n", 1, "expected a mapping, but got 'hello'")
    yield Case("binary", bytes(range(256)), 2, "expected UTF-8")


def _yaml_traps():
    yield Case("a tab", _swap("  least:", "\tleast:"), 8, "expected YAML")
    yield Case("a stray colon", _set("title", "one: two: three"), 2, "expected YAML")
    yield Case("duplicate key", GOOD + "title: again\n", 28, "duplicate key 'title'; first on line 2")
    yield Case("duplicate param", _swap("unit: rows,", "value: 6, unit: rows,"), 8, "duplicate key 'value'")
    yield Case(
        "duplicate fact", _swap("{batch.expected_positives: 5,", "{plan.sampler: weighted,"), 25, "dupli"
    )
    yield Case("an anchor", _set("title", "&x A title"), 2, "aliases and anchors")
    yield Case("an alias", _set("title", "*x"), 2, "aliases and anchors")
    bomb = "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nd: [*c, *c]\n"
    yield Case("an alias bomb", bomb, 1, "aliases and anchors")
    yield Case("a merge key", GOOD + "<<: {title: x}\n", 28, "unknown key '<<'")
    tag = "!!python/object/apply:os.system ['true']"
    yield Case("a Python object", _set("title", tag), 2, "tag")
    yield Case("a Python name", _set("why", "!!python/name:os.system"), 11, "tag")
    yield Case("an explicit type", _set("title", "!!str A title"), 2, "tag")
    yield Case("a custom tag", _set("title", "!include /etc/passwd"), 2, "tag")
    yield Case("a list as key", "? [a, b]\n: c\n" + GOOD, 1, "expected a name as key")
    yield Case("deep nesting", _set("why", "[" * 40 + "]" * 40), 11, "nested deeper")
    yield Case("very deep nesting", "[" * 100_000, 1, "nested deeper")
    yield Case("sexagesimal", _swap("value: 5", "value: 1:30"), 8, "expected a number, but got '1:30'")
    yield Case("octal", _swap("value: 5", "value: 010"), 8, "expected a number, but got '010'")
    yield Case("underscores", _swap("value: 5", "value: 1_000"), 8, "expected a number")
    yield Case("hexadecimal", _swap("value: 5", "value: 0x10"), 8, "expected a number")
    yield Case("a date", _swap("value: 5", "value: 2024-01-01"), 8, "expected a number")


def _keys():
    yield Case("misspelt key", _swap("severity:", "severty:"), 3, "did you mean 'severity'?")
    yield Case("foreign key", GOOD + "author: me\n", 28, "unknown key 'author'")
    for key in ("id", "title", "severity", "confidence", "when", "message", "why", "remedy"):
        yield Case(f"no {key}", _drop(key), 1, f"the key '{key}'")
    yield Case("no examples", GOOD[: GOOD.index("examples:")], 1, "the key 'examples'")
    yield Case("misspelt param key", _swap("unit: rows", "units: rows"), 8, "did you mean 'unit'?")
    yield Case("param without why", _swap(", why: fewer is noise", ""), 8, "the key 'why'")
    yield Case("param without value", _swap("value: 5, ", ""), 8, "the key 'value'")
    yield Case("misspelt example key", _swap("    expect: fires", "    expects: fires"), 22, "mean 'expect'?")


def _values():
    yield Case("another id", _set("id", "many-positives"), 1, "expected the id 'few-positives'")
    yield Case("id with digits", _set("id", "few-positives-5"), 1, "without digits")
    yield Case("id with capitals", _set("id", "Few-Positives"), 1, "kebab-case")
    yield Case("id with underscores", _set("id", "few_positives"), 1, "kebab-case")
    yield Case("id with a path", _set("id", "../few-positives"), 1, "kebab-case")
    yield Case("empty title", _set("title", '""'), 2, "'title' expected text")
    yield Case("null title", _set("title", "null"), 2, "'title' expected text, but got nothing")
    yield Case("title list", _set("title", "[a]"), 2, "'title' expected text, but got a list")
    yield Case("unknown severity", _set("severity", "warn"), 3, "did you mean 'warning'?")
    yield Case("severity list", _set("severity", "[warning]"), 3, "'severity' expected text")
    yield Case("unknown confidence", _set("confidence", "hihg"), 4, "did you mean 'high'?")
    yield Case("unknown verdict", _set("verdict", "sharpend"), 12, "did you mean 'sharpened'?")
    yield Case("unknown loss", _set("applies_to", "[smoth-ap]"), 5, "did you mean 'smooth-ap'?")
    yield Case("loss twice", _set("applies_to", "[bce, bce]"), 5, "holds 'bce' twice")
    yield Case("no loss", _set("applies_to", "[]"), 5, "at least one entry")
    yield Case("loss as text", _set("applies_to", "bce"), 5, "expected a list, but got 'bce'")
    yield Case("covers as text", _set("covers", "AP-3"), 6, "expected a list")
    yield Case("covers in another form", _set("covers", "[ap3]"), 6, "such as 'AP-3'")
    yield Case("cause with spaces", _set("cause", "starved batches"), 13, "kebab-case")
    also = "cause: starved-batches"
    yield Case("a share of one", _swap(also, also + "\nalso: {x: 1}"), 14, "share between 0 and 1")
    yield Case("a share of none", _swap(also, also + "\nalso: {x: 0}"), 14, "share between 0 and 1")
    yield Case("a share in words", _swap(also, also + "\nalso: {x: half}"), 14, "expected a number")
    yield Case("a share of the cause", _swap(also, also + "\nalso: {starved-batches: 0.5}"), 14, "already")
    yield Case("further causes in a list", _swap(also, also + "\nalso: [x]"), 14, "expected a mapping")
    yield Case("a further cause with spaces", _swap(also, also + "\nalso: {x y: 0.5}"), 14, "kebab-case")
    yield Case("further causes alone", _swap(also, "also: {x: 0.5}"), 13, "expected a 'cause'")
    yield Case("params as list", _swap("  least: {value: 5, ", "  - {value: 5, "), 8, "expected a mapping")
    yield Case("param as number", _swap("{value: 5, unit: rows, why: fewer is noise}", "5"), 8, "a mapping")
    yield Case("param as word", _swap("value: 5", "value: five"), 8, "expected a number, but got 'five'")
    yield Case("param in quotes", _swap("value: 5", 'value: "5"'), 8, "expected a number")
    yield Case("param NaN", _swap("value: 5", "value: .nan"), 8, "expected a number")
    yield Case("param infinite", _swap("value: 5", "value: 1e999"), 8, "expected a number")
    yield Case("param huge", _swap("value: 5", "value: " + "9" * 5000), 8, "expected a number")
    yield Case("param true", _swap("value: 5", "value: true"), 8, "expected a number")
    yield Case("param name", _swap("  least:", "  Least Rows:"), 8, "lower-case")
    unused = "params:\n  spare: {value: 1, why: no}\n"
    yield Case("unused param", _swap("params:\n", unused), 8, "the param 'spare' is never used")
    yield Case("unknown plan field", _swap("{batch_size: ceil", "{batchsize: ceil"), 16, "'batch_size'?")
    fraction = _swap("ceil(least / batch.prevalence)", "least / batch.prevalence")
    yield Case("fraction for a whole field", fraction, 16, "expected a whole number")
    quotient = _swap("ceil(least / batch.prevalence)", "least * batch.size / 2")
    yield Case("quotient for a whole field", quotient, 16, "expected a whole number")
    word = _swap("{batch_size: ceil(least / batch.prevalence)}", "{sampler: \"'stratifed'\"}")
    yield Case(
        "unknown word suggested",
        word.replace("use {suggest.batch_size}", "use {suggest.sampler}"),
        16,
        "never",
    )
    truth = _swap("ceil(least / batch.prevalence)", "batch.prevalence > least")
    yield Case("condition for a number", truth, 16, "expected a number, but got a bool")
    yield Case("suggest as list", _set("suggest", "[batch_size]"), 16, "expected a mapping")


def _when(name, expression, says, column=None):
    return Case(
        f"when: {name}", _set("when", expression), 9, says if column is None else f":9:{column}: {says}"
    )


def _expressions():
    yield _when(
        "misspelt fact", "batch.expected_positive < least", "did you mean 'batch.expected_positives'?"
    )
    yield _when(
        "misspelt family", "least > bach.expected_positives", "unknown fact 'bach.expected_positives'", 15
    )
    yield _when(
        "misspelt param", "batch.expected_positives < lest", "unknown name 'lest'; did you mean 'least'?", 34
    )
    yield _when(
        "fact without family", "expected_positives < least", "did you mean 'batch.expected_positives'?"
    )
    yield _when(
        "unknown function", "sqr(batch.gap) < least", "unknown function 'sqr'; did you mean 'sqrt'?", 7
    )
    yield _when("a bound alone", "at_most(1) < least", "at_most() expected two numbers, but got 1", 7)
    yield _when("two bounds", "at_most(1, 2, 3) < least", "at_most() expected two numbers, but got 3", 7)
    yield _when("function of nothing", "min() < least", "min() expected two numbers or more, but got 0", 7)
    yield _when("function of too many", "abs(1, 2) < least", "abs() expected one number, but got 2", 7)
    yield _when("function by itself", "max < least", "expected max(…)", 7)
    yield _when("a number", "batch.gap + least", "expected a condition")
    yield _when("number as condition", "batch.gap and batch.gap < least", "'and' expected a condition", 7)
    yield _when(
        "condition as number", "(batch.gap < least) + 1 > 2", "'+' expected a number, but got a condition"
    )
    yield _when("negated number", "not batch.gap", "'not' expected a condition")
    yield _when("text against number", "plan.loss < least", "expected two of a kind")
    yield _when("text order", "plan.loss < 'bce'", "'<' expected numbers")
    yield _when(
        "unknown word",
        "plan.loss == 'smoothap'",
        "'plan.loss' is never 'smoothap'; did you mean 'smooth-ap'?",
        20,
    )
    yield _when("unknown word in tuple", "plan.loss in ('bce', 'cee')", "'plan.loss' is never 'cee'", 28)
    yield _when("in a word", "plan.loss in 'bce'", "expected a tuple")
    yield _when("in parentheses only", "plan.loss in ('bce')", "a single word: ('a',)")
    yield _when("number in tuple", "batch.gap in (1, 2)", "expected a text fact")
    yield _when("truth order", "plan.pretrained > True", "'>' expected numbers")
    yield _when("a vector", "labels.class_counts > 1", "'labels.class_counts' is one number per class", 7)
    yield _when("free text", "labels.focus_class == 'a'", "'labels.focus_class' is free text", 7)
    yield _when("given nothing", "given()", "given() expected one fact", 7)
    yield _when("given a param", "given(least)", "expected a fact as 'family.name'")
    yield _when("single equals", "batch.gap = least", "expected an expression")
    yield _when("an ampersand", "batch.gap < least & plan.pretrained", "unexpected '&'", 25)
    yield _when("brackets", "plan.loss in ['bce']", "unexpected '['", 20)
    yield _when("unbalanced", "(batch.gap < least", "expected an expression")
    yield _when("a unit", "batch.gap < 5rows", "expected a number such as", 19)
    yield _when("floor division", "batch.gap // 2 < least", "'//' is not part of the expression language")
    yield _when("remainder", "batch.gap % 2 < least", "unexpected '%'")
    yield _when("is", "plan.pretrained is True", "write == or given(…)")
    yield _when("a choice", "True if batch.gap < least else False", "(IfExp)")
    yield _when("empty", '""', "'when' expected text, but got ''")
    block = "when: |\n  batch.gap < least\n  and plan.loss == 'bec'\n"
    folded = _swap(GOOD.splitlines()[8] + "\n", block)
    yield Case("when: third line of a block", folded, 11, ":11:20: 'plan.loss' is never 'bec'")


def _attacks():
    for name, code in {
        "dunder": "batch.__class__ == least",
        "dunder chain": "().__class__.__bases__ == least",
        "deep attribute": "batch.gap.real < least",
        "number attribute": "(1).real < least",
        "import": "__import__('os').system('true')",
        "eval": "eval('1') < least",
        "method": "batch.gap.bit_length() < least",
        "keyword": "max(1, 2, key=abs) < least",
        "star": "max(*batch.gap) < least",
        "lambda": "(lambda: 1)() < least",
        "comprehension": "max(x for x in (1, 2)) < least",
        "list comprehension": "[1 for x in (1,)] == least",
        "walrus": "(least := 3) < 2",
        "f-string": "plan.loss == f'{least}'",
        "bytes": "plan.loss == b'bce'",
        "power": "9 ** 9 ** 9 ** 9 < least",
        "shift": "1 << 99999 < least",
        "huge integer": "9" * 900 + " < least",
        "infinite": "1e999 < least",
        "complex": "1j == least",
        "ellipsis": "... == least",
        "none": "None == least",
        "await": "await batch.gap",
        "yield": "(yield)",
        "statement": "import os",
        "escape": "plan.loss == '\\\\x41'",
        "unicode name": "bаtch.gap < least",  # noqa: RUF001  a Cyrillic letter is the point
        "deep parentheses": "(" * 400 + "1" + ")" * 400 + " < least",
        "deep not": "not " * 200 + "plan.pretrained",
        "deep minus": "-" * 900 + "1 < least",
        "deep sum": "+".join(["1"] * 400) + " < least",
        "long": " and ".join(["batch.gap < least"] * 200),
    }.items():
        quoted = '"' + code + '"'
        yield Case(f"attack: {name}", _set("when", quoted), 9, "")


def _message(name, text, says):
    return Case(f"message: {name}", _set("message", f'"{text}"'), 10, says)


def _messages():
    yield _message("misspelt fact", "{batch.expected_positive}", "did you mean 'batch.expected_positives'?")
    yield _message("unknown name", "{lest}", "did you mean 'least'?")
    yield _message("not suggested", "{suggest.queue_size}", "unknown fact 'suggest.queue_size'")
    yield _message("attribute", "{batch.gap.__class__}", "unknown fact")
    yield _message("dunder", "{least.__class__.__mro__}", "unknown fact")
    yield _message("index", "{batch.gap[0]}", "unknown fact")
    yield _message("position", "{0}", "unknown param '0'")
    yield _message("nothing", "{}", "unknown param ''")
    yield _message("conversion", "{least!r}", "unknown param 'least!r'")
    yield _message("nested", "{least:{least}}", "unmatched '{'")
    yield _message("wide", "{least:>999999999}", "unknown format '>999999999'")
    yield _message("precise", "{least:.999999999f}", "unknown format")
    yield _message("expression", "{least + 1}", "unknown param 'least + 1'")
    yield _message("open", "{least", "unmatched '{'")
    yield _message("closed", "least}", "unmatched '}'")
    yield _message("vector", "{labels.class_counts}", "one number per class")
    yield _message("format of text", "{plan.loss:.2f}", "takes no format")
    yield _message("percent", "{least:%}", "unknown format '%'")
    yield _message("long", "x" * 3000, "at most 2000 characters")


def _examples():
    few = "{batch.expected_positives: 5, plan.sampler: shuffle}"
    yield Case("examples as mapping", GOOD[: GOOD.index("  - name")] + "  a: b\n", 20, "expected a list")
    yield Case(
        "empty examples", GOOD[: GOOD.index("examples:")] + "examples: []\n", 19, "at least one example"
    )
    yield Case("example as text", GOOD + "  - fires\n", 28, "expected a mapping")
    yield Case("unknown outcome", _swap("expect: unknown", "expect: unkown"), 27, "did you mean 'unknown'?")
    yield Case("example without name", _swap("{name: nothing known, ", "{"), 27, "the key 'name'")
    yield Case("example without facts", _swap("facts: {}, ", ""), 27, "the key 'facts'")
    yield Case(
        "two of a name", _swap("name: just enough", "name: just too few"), 25, "two examples are called"
    )
    yield Case("facts as list", _swap(few, "[1]"), 25, "expected a mapping, but got a list")
    misspelt = few.replace("batch.expected_positives", "batch.expected_positive")
    yield Case("unknown fact", _swap(few, misspelt), 25, "did you mean 'batch.expected_positives'?")
    yield Case("text for a number", _swap(few, few.replace("5", "five")), 25, "expected a number")
    yield Case("word never used", _swap(few, few.replace("shuffle", "shufle")), 25, "did you mean 'shuffle'?")
    yield Case(
        "yes for true", _swap(few, "{plan.pretrained: yes}"), 25, "expected true or false, but got 'yes'"
    )
    yield Case("number for true", _swap(few, "{plan.pretrained: 1}"), 25, "expected true or false")
    yield Case(
        "message of a silent one",
        _swap("expect: passes}\n  - {name: another", "expect: passes, message: x}\n  - {name: another"),
        25,
        "belongs to examples that fire",
    )
    yield Case(
        "suggests no field", _swap("suggest: {batch_size: 500}", "suggest: {batch: 500}"), 24, "plan field"
    )


def _selection():
    def case(name, old, new, line, says):
        return Case(f"selection: {name}", _swap(old, new, SELECTION), line, says)

    yield case(
        "severity", "confidence: medium", "confidence: medium\nseverity: note", 4, "unknown key 'severity'"
    )
    yield case("no loss", "loss: smooth-ap\n", "", 1, "the key 'loss'")
    yield case("no merit", SELECTION.splitlines()[4] + "\n", "", 1, "the key 'merit'")
    yield case("unknown loss", "loss: smooth-ap", "loss: smoothap", 4, "did you mean 'smooth-ap'?")
    yield case("unknown basis", "basis: measured", "basis: measurd", 5, "did you mean 'measured'?")
    yield case(
        "empty range", "basis: measured", "basis: measured, range: ''", 5, "'merit.range' expected text"
    )
    for name, ends in {
        "half a range": "one_low: 0",
        "range beside its value": "one_low: 0.03, one_high: 0.04",
    }.items():
        yield case(name, "basis: measured", f"basis: measured, {ends}", 5, "one_low <= value <= one_high")
    yield case(
        "unknown merit key", "basis: measured", "basis: measured, ranges: a guess", 5, "did you mean 'range'?"
    )
    yield case("value outside", "high: 0.03", "high: 0.015", 5, "low <= value <= high")
    yield case(
        "merit as number",
        "{value: 0.02, low: 0.01, high: 0.03, unit: average precision, basis: measured}",
        "0.02",
        5,
        "a mapping",
    )
    yield case(
        "suggest", "why: Measured.", "suggest: {queue_size: 1}\nwhy: Measured.", 8, "unknown key 'suggest'"
    )

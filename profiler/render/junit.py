"""A check as JUnit XML, which CI systems show as test results: a rule is a test case."""

from __future__ import annotations

from xml.etree import ElementTree

from profiler.printable import printable
from profiler.render.check_blocks import headline, rule_sentence
from profiler.report.check import Check, CheckedRule
from profiler.report.outcome import CountsAs, Outcome

_SUITE = "bottleneck check"


def junit(answer: Check) -> bytes:
    """The document. A rule that is inconclusive is skipped where that counts as passed, else a failure."""
    fatal_doubt = answer.inconclusive_counts_as is CountsAs.FAIL
    failures = answer.failed + (answer.inconclusive if fatal_doubt else 0)
    skipped = 0 if fatal_doubt else answer.inconclusive
    counts = {"tests": len(answer.rules), "failures": failures, "errors": 0, "skipped": skipped}
    attributes = {name: str(value) for name, value in counts.items()} | {"time": "0"}
    root = ElementTree.Element("testsuites", {"name": _SUITE, **attributes})
    suite = ElementTree.SubElement(root, "testsuite", {"name": printable(answer.checked), **attributes})
    for rule in answer.rules:
        _case(suite, rule, fatal_doubt)
    ElementTree.SubElement(suite, "system-out").text = printable(headline(answer))
    ElementTree.indent(root)
    return bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def _case(suite: ElementTree.Element, rule: CheckedRule, fatal_doubt: bool) -> None:
    scope, _, key = rule.rule.rpartition(".")
    name = f"{key} of {rule.of}" if rule.of else key
    case = ElementTree.SubElement(
        suite, "testcase", {"classname": printable(scope or "report"), "name": printable(name), "time": "0"}
    )
    text = printable(rule_sentence(rule))
    if rule.outcome is Outcome.PASS:
        ElementTree.SubElement(case, "system-out").text = text
    elif rule.outcome is Outcome.INCONCLUSIVE and not fatal_doubt:
        ElementTree.SubElement(case, "skipped", {"message": text})
    else:
        ElementTree.SubElement(case, "failure", {"message": text, "type": rule.outcome.value}).text = text

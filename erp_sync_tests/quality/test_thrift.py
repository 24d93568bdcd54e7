"""Great Expectations answers the same when it is spared work, with much less of it."""

from __future__ import annotations

import sys
from collections import Counter
from typing import Any

from great_expectations import util
from great_expectations.core import id_dict
from great_expectations.expectations import expectation as module
from great_expectations.expectations.core import ExpectColumnValuesToBeBetween, ExpectColumnValuesToMatchRegex

from erp_sync.quality import gate

RULES = tuple(
    gate.Rule(
        name=f"{column}_is_positive",
        expectation="ExpectColumnValuesToBeBetween",
        arguments={"column": column, "min_value": 0, "strict_min": True},
        words="it is not positive",
    )
    for column in "abc"
)
ROWS = [{"a": 1, "b": 2, "c": 3}, {"a": 0, "b": 2, "c": -3}]


def test_an_expectation_works_out_its_configuration_a_few_times_per_validation():
    """It was a hundred."""
    gate.judge(gate.Suite(name="warm", rules=RULES), ROWS)
    made: Counter[str] = Counter()
    kind = "ExpectationConfiguration.__init__"

    def count(frame: Any, event: str, _: Any) -> None:
        if event == "call" and frame.f_code.co_qualname == kind:
            made[kind] += 1

    sys.setprofile(count)
    try:
        assert gate.judge(gate.Suite(name="good", rules=RULES), ROWS[:1]).broken == ()
    finally:
        sys.setprofile(None)
    assert 0 < made[kind] <= 25 * len(RULES)


def test_what_an_expectation_is_asked_between_two_changes_is_answered_anew():
    gate._batch_definition()
    expectation = ExpectColumnValuesToBeBetween(column="a", min_value=1)
    assert expectation._get_runtime_kwargs()["min_value"] == 1
    expectation.min_value = 2
    assert (expectation._get_runtime_kwargs()["min_value"], expectation.configuration.kwargs["min_value"]) == (2, 2)


def test_two_expectations_that_ask_each_other_do_not_answer_for_each_other(monkeypatch):
    """A metric's arguments are asked of another expectation of the same configuration, in the midst of a question."""
    gate._batch_definition()
    inner = ExpectColumnValuesToMatchRegex(column="b", regex="x")
    outer = ExpectColumnValuesToBeBetween(column="a", min_value=1)
    asked = ExpectColumnValuesToBeBetween._get_success_kwargs
    answers: list[Any] = []

    def ask(self: Any) -> Any:
        if self is outer:
            answers.append(inner._get_runtime_kwargs()["column"])
        return asked(self)

    monkeypatch.setattr(module.Expectation, "_get_success_kwargs", ask)
    assert outer._get_runtime_kwargs()["column"] == "a"
    assert answers == ["b"]


def test_a_metric_is_known_by_the_same_digest():
    gate._batch_definition()
    for arguments in (
        {"column": "a", "min_value": 0, "strict": True, "max_value": None},
        {"column": "a", "min_value": 0.5, "parts": ["x", ("y", 1)]},
    ):
        known = id_dict.IDDict(arguments).to_id()
        assert id_dict.convert_to_json_serializable(arguments) == util.convert_to_json_serializable(dict(arguments))
        assert known == id_dict.IDDict(util.convert_to_json_serializable(dict(arguments))).to_id()

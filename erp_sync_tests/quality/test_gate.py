"""Great Expectations suites name the rows that break a rule, and let the others pass."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from erp_sync.components.documents import suite_of
from erp_sync.quality.gate import CannotJudge, Rule, Suite, judge, judge_apart, scaled

POSITIVE = Rule(
    name="positive",
    expectation="ExpectColumnValuesToBeBetween",
    arguments={"column": "quantity", "min_value": 0, "strict_min": True},
    words="the quantity is not positive",
)
CODE = Rule(
    name="code",
    expectation="ExpectColumnValuesToMatchRegex",
    arguments={"column": "currency", "regex": "^[A-Z]{3}$"},
    words="no currency code",
)
ENOUGH = Rule(
    name="enough_rows",
    expectation="ExpectTableRowCountToBeBetween",
    arguments={"min_value": 3},
    words="fewer than three rows",
    batch=True,
)


def rows(*quantities: int, currency: str = "USD") -> list[dict[str, Any]]:
    return [{"quantity": quantity, "currency": currency} for quantity in quantities]


def test_rows_that_break_a_rule_are_named_by_position_and_rule():
    records = [*rows(1, 0), *rows(5, currency="usd"), *rows(-1, currency="?"), *rows(7)]
    judgement = judge(Suite(name="mixed", rules=(POSITIVE, CODE)), records)
    found = {position: [rule.name for rule in rules] for position, rules in judgement.by_row().items()}
    assert found == {1: ["positive"], 2: ["code"], 3: ["positive", "code"]}
    assert (judgement.rows, judgement.rules, judgement.batch_holds) == (5, 2, True)


def test_the_order_of_the_rules_does_not_change_who_breaks_which():
    judgement = judge(Suite(name="turned", rules=(CODE, POSITIVE)), rows(1, 0))
    assert [(item.rule.name, item.rows) for item in judgement.broken] == [("positive", (1,))]


def test_a_batch_rule_holds_the_batch_and_names_no_row():
    judgement = judge(Suite(name="batch", rules=(POSITIVE, ENOUGH)), rows(1, 2))
    assert not judgement.batch_holds
    assert judgement.by_row() == {}
    assert [item.rule.name for item in judgement.broken] == ["enough_rows"]


def test_nothing_to_judge_breaks_nothing():
    judgement = judge(Suite(name="empty", rules=(POSITIVE, ENOUGH)), [])
    assert (judgement.rows, judgement.rules, judgement.broken) == (0, 2, ())


def test_good_rows_break_nothing():
    assert judge(Suite(name="good", rules=(POSITIVE, CODE)), rows(1, 2, 3)).broken == ()


def test_a_rule_that_cannot_be_judged_is_an_error_with_its_name():
    absent = Rule(
        name="ghost", expectation="ExpectColumnValuesToNotBeNull", arguments={"column": "ghost"}, words="no ghost"
    )
    with pytest.raises(RuntimeError, match="rule ghost of haunted"):
        judge(Suite(name="haunted", rules=(absent,)), rows(1))


def test_amounts_are_judged_as_exact_whole_numbers():
    assert scaled(Decimal("10.9950")) == 109950
    assert scaled(Decimal("-0.0001")) == -1


@pytest.mark.parametrize("flow", ["orders", "order_status", "shipments"])
def test_the_suites_of_the_flows_can_be_judged(flow):
    suite = suite_of(flow)
    columns = {str(rule.arguments["column"]): "USD" if "regex" in rule.arguments else 1 for rule in suite.rules}
    columns |= {"number": "1"} | {name: 0 for name in columns if name.endswith(("tolerance", "without_number"))}
    assert judge(suite, [columns]).broken == ()
    assert len({rule.name for rule in suite.rules}) == len(suite.rules)
    assert all(rule.words for rule in suite.rules)


def test_a_record_that_no_rule_can_be_applied_to_stands_alone_and_the_others_are_judged():
    odd: dict[str, Any] = {"quantity": "many", "currency": "USD"}
    records = [*rows(1, 0), odd, *rows(5, currency="usd"), *rows(7, -1)]
    suite = Suite(name="mixed", rules=(POSITIVE, CODE))
    with pytest.raises(CannotJudge, match="rule positive of mixed"):
        judge(suite, records)
    judgement, apart = judge_apart(suite, records)
    found = {position: [rule.name for rule in rules] for position, rules in judgement.by_row().items()}
    assert found == {1: ["positive"], 3: ["code"], 5: ["positive"]}
    assert (judgement.rows, {position: failure.rule for position, failure in apart.items()}) == (6, {2: "positive"})

"""Runs a suite over a frame and tells which rows broke which rule.

Importing great_expectations costs seconds, so it is imported by the first judgement of a process (the
warm run launcher has done so before it forks). Amounts are judged as whole numbers of 1/10,000 of the
currency's unit: exact, and quick in a frame.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import cache
from typing import Any

import msgspec

from erp_sync.model.advice import Advice
from erp_sync.quality.thrift import spare

SCALE = Decimal(10000)


def scaled(amount: Decimal) -> int:
    """An amount as a whole number of ten-thousandths, exact for up to four digits."""
    return int(amount * SCALE)


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One expectation.

    Attributes:
        name: stable, goes into reasons and dead letters, e.g. ``totals_add_up``.
        expectation: class name in `great_expectations.expectations`.
        arguments: its arguments.
        words: what a row that breaks it means, for an operator.
        batch: judges the batch, not single rows.
        words_in: the column that says in words what is wrong with a row, where each has its own.
    """

    name: str
    expectation: str
    arguments: dict[str, Any]
    words: str
    batch: bool = False
    words_in: str = ""

    def told(self, record: Mapping[str, Any]) -> str:
        """What is wrong with this record, which broke the rule."""
        return str(record[self.words_in]) if self.words_in else self.words


class Suite(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    rules: tuple[Rule, ...]


class Broken(msgspec.Struct, frozen=True, kw_only=True):
    """A rule that did not hold; `rows` are positions in the frame (empty for batch rules)."""

    rule: Rule
    rows: tuple[int, ...]
    observed: str = ""


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    rows: int
    rules: int
    broken: tuple[Broken, ...]

    @property
    def batch_holds(self) -> bool:
        return not any(item.rule.batch for item in self.broken)

    def by_row(self) -> dict[int, list[Rule]]:
        """Position of each row that broke a rule, with the rules it broke."""
        found: dict[int, list[Rule]] = {}
        for item in self.broken:
            for row in item.rows:
                found.setdefault(row, []).append(item.rule)
        return found


class CannotJudge(RuntimeError):
    """A rule could not be applied to these records: a defect of ours, or a value that nobody thought of.

    Attributes: suite, rule (names), why.
    """

    advice = Advice(
        means="A quality rule could not be applied to a record: a defect, or a value nobody thought of. That record "
        "is in quarantine, the others go.",
        look=("erp-sync deadletters",),
        do="Correct the value at the source if it is wrong, else report the defect with the rule named.",
    )

    def __init__(self, suite: str, rule: str, why: str) -> None:
        self.suite, self.rule, self.why = suite, rule, why
        super().__init__(f"rule {rule} of {suite}: {why}")


def judge_apart(suite: Suite, records: Sequence[dict[str, Any]]) -> tuple[Judgement, dict[int, CannotJudge]]:
    """Judge records by row rules; those that no rule can be applied to stand alone, by position, with why.

    Where the whole cannot be judged it is halved until they do: one of them must not keep back the others.
    """
    try:
        return judge(suite, records), {}
    except CannotJudge as failure:
        if len(records) == 1:
            return Judgement(rows=1, rules=len(suite.rules), broken=()), {0: failure}
    middle = len(records) // 2
    (first, apart), (second, more) = judge_apart(suite, records[:middle]), judge_apart(suite, records[middle:])
    moved = (msgspec.structs.replace(item, rows=tuple(row + middle for row in item.rows)) for item in second.broken)
    judgement = Judgement(rows=len(records), rules=len(suite.rules), broken=(*first.broken, *moved))
    return judgement, {**apart, **{row + middle: failure for row, failure in more.items()}}


def judge(suite: Suite, records: Sequence[dict[str, Any]] | Any) -> Judgement:
    """Judge records (a list of equal dicts, or a pandas frame) by the suite. Empty input breaks nothing.

    Raises CannotJudge where a rule cannot be applied.
    """
    rows = len(records)
    if rows == 0:
        return Judgement(rows=0, rules=len(suite.rules), broken=())
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")  # it would call home at import
    import great_expectations as gx
    import pandas as pd

    frame = records if isinstance(records, pd.DataFrame) else pd.DataFrame.from_records(list(records))
    frame = frame.reset_index(drop=True)
    batch = _batch_definition().get_batch({"dataframe": frame})
    expectations = [getattr(gx.expectations, rule.expectation)(**rule.arguments) for rule in suite.rules]
    # Whether a rule holds costs half of telling where it does not, and nearly every rule nearly always holds.
    outcomes = _validate(gx, batch, suite, expectations, "BOOLEAN_ONLY")
    failed = [place for place, outcome in enumerate(outcomes) if not outcome.success]
    broken = []
    if failed:
        details = _validate(gx, batch, suite, [expectations[place] for place in failed], "COMPLETE")
        for place, outcome in zip(failed, details, strict=True):
            rule = suite.rules[place]
            if failure := _failure(outcome.exception_info):
                raise CannotJudge(suite.name, rule.name, failure)
            found = outcome.result or {}
            positions = () if rule.batch else tuple(found.get("unexpected_index_list") or ())
            broken.append(Broken(rule=rule, rows=positions, observed=str(found.get("observed_value", ""))))
    return Judgement(rows=rows, rules=len(suite.rules), broken=tuple(broken))


def _validate(gx: Any, batch: Any, suite: Suite, expectations: Sequence[Any], result_format: str) -> list[Any]:
    """Outcomes in the order of the expectations. One that could not be judged counts as failed."""
    result = batch.validate(
        gx.ExpectationSuite(name=suite.name, expectations=list(expectations)),
        result_format={"result_format": result_format},
    )
    return _in_order(result.results, expectations)


def _failure(told: Any) -> str:
    """Why a rule could not be judged, "" where it was. The library tells it flat, or by metric one level down."""
    told = told or {}
    for info in (told, *(inner for inner in told.values() if isinstance(inner, dict))):
        if info.get("raised_exception"):
            return str(info.get("exception_message") or "it raised an exception")
    return ""


def _in_order(results: Sequence[Any], expectations: Sequence[Any]) -> list[Any]:
    """Results by the order of the rules: the validator may answer in another one."""
    by_key = {_key(item.expectation_config.type, item.expectation_config.kwargs): item for item in results}
    return [by_key[_key(item.configuration.type, item.configuration.kwargs)] for item in expectations]


def _key(kind: str, arguments: dict[str, Any]) -> tuple[str, str]:
    wanted = {name: value for name, value in arguments.items() if name not in ("batch_id", "id")}
    return kind, repr(sorted(wanted.items(), key=lambda pair: pair[0]))


@cache
def _batch_definition() -> Any:
    """One ephemeral context, in memory only: making one costs more than judging, so a run takes over that of
    the process that it was forked from."""
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    spare()
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    source = context.data_sources.add_pandas("records")
    return source.add_dataframe_asset("records").add_batch_definition_whole_dataframe("all")

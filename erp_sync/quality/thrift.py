"""Spares Great Expectations work that it does many times over: more than half of what judging one record costs.

Asked for its arguments, an expectation works out its whole configuration again for each of them, about a hundred times
per validation. It does not change meanwhile, so that once per question will do.
"""

from __future__ import annotations

import threading
from functools import cache
from typing import Any


class _Asked(threading.local):
    """The expectation that is being asked in this thread, and its configuration."""

    expectation: Any = None
    configuration: Any = None


PLAIN = frozenset({str, int, bool, type(None)})


@cache
def spare() -> None:
    """Make Great Expectations do so in this process; what it answers stays the same."""
    from great_expectations import util
    from great_expectations.core import id_dict
    from great_expectations.expectations import expectation

    module: Any = expectation
    digests: Any = id_dict
    asked = _Asked()
    convert: Any = util.convert_to_json_serializable
    work_out = module.Expectation.configuration.fget
    answer = module.Expectation._get_runtime_kwargs

    def configuration(self: Any) -> Any:
        return asked.configuration if asked.expectation is self else work_out(self)

    def runtime_kwargs(self: Any, runtime_configuration: dict[str, Any] | None = None) -> dict[str, Any]:
        before = asked.expectation, asked.configuration
        asked.expectation, asked.configuration = self, work_out(self)
        try:
            answered: dict[str, Any] = answer(self, runtime_configuration)
        finally:
            asked.expectation, asked.configuration = before
        return answered

    def serializable(data: dict[str, Any]) -> Any:
        return data if {type(value) for value in data.values()} <= PLAIN else convert(data=data)

    module.Expectation.configuration = property(configuration)
    module.Expectation._get_runtime_kwargs = runtime_kwargs
    module.camel_to_snake = cache(util.camel_to_snake)
    digests.convert_to_json_serializable = serializable

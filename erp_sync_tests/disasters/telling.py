"""How a disaster is told: a story on the screen, figures side by side, one object at the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from erp_sync.monitoring.alerting import Message

Tell = Callable[[str], None]
WIDTH = 46
_VERDICTS = {True: "prevented", False: "NOT prevented", None: "too short to decide"}


@dataclass(frozen=True)
class Told:
    """What came of it. `prevented`: the old way had the disaster, and ours nothing of it; None: too short to decide."""

    disaster: str
    old: Mapping[str, Any]
    ours: Mapping[str, Any]
    prevented: bool | None

    def as_object(self) -> dict[str, Any]:
        return {"disaster": self.disaster, "old": self.old, "ours": self.ours, "prevented": self.prevented}

    def text(self) -> str:
        return "\n".join(
            (
                f"{'':<{WIDTH}}{'old way':>16}{'erp_sync':>16}",
                *(f"{words:<{WIDTH}}{_cell(old):>16}{_cell(ours):>16}" for words, old, ours in self._rows()),
                _VERDICTS[self.prevented],
            )
        )

    def _rows(self) -> Iterator[tuple[str, Any, Any]]:
        for name in dict.fromkeys((*self.old, *self.ours)):
            yield name.replace("_", " "), self.old.get(name), self.ours.get(name)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:,.1f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


class Channel:
    """In the place of `Channels`: somebody's e-mail, kept for the telling."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.at: list[float] = []

    def names(self) -> list[str]:
        return ["mailto://operations"]

    def send(self, message: Message, only: Collection[str] | None = None) -> list[str]:
        self.messages.append(message)
        self.at.append(time.time())
        return []

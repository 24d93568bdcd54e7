"""The runbook: every error class, reason and alert with what it means, how to look, and what to do.

Generated from the advice that stands beside each definition; nothing is written here. What runs only at a developer's
(the sandboxes, the demo) has no entries.
"""

from __future__ import annotations

import difflib
import inspect
import pkgutil
from collections.abc import Iterator, Sequence
from importlib import import_module
from types import ModuleType

import erp_sync
from erp_sync.model.advice import Advice, Alert, anchor, filled
from erp_sync.monitoring import reasons

_NOT_OPERATED = ("sandbox", "demo", "migrations", "__main__", "bench_location")
_LETTERS = ("erp-sync deadletters --code {code}",)
_HEAD = """# Runbook

What to do when something is not as it should be. Written by `erp-sync runbook --write docs/runbook.md` from what stands
beside each definition: change it there.

Alerts, `erp-sync deadletters show` and the tables of dead letters and refused records in Dagster link here;
`ERP_SYNC_RUNBOOK_URL` says where your people read it. In commands, words in capitals stand for what the message names:
`ID` for a letter (d12, q7), `NUMBER` for a document's number, `ROUTE`, `FLOW`, `CONNECTION` for names in the YAML.
"""


def modules() -> Iterator[ModuleType]:
    """Every module of the product that runs at a customer's."""
    for found in pkgutil.walk_packages(erp_sync.__path__, "erp_sync."):
        if not set(found.name.split(".")) & set(_NOT_OPERATED):
            yield import_module(found.name)


def errors() -> list[type[Exception]]:
    """Every error class that may reach a log or a person; those with a leading underscore never leave their module."""
    found = {
        member
        for module in modules()
        for _, member in inspect.getmembers(module, inspect.isclass)
        if issubclass(member, Exception)
        and member.__module__.startswith("erp_sync.")
        and not set(member.__module__.split(".")) & set(_NOT_OPERATED)
        and not member.__name__.startswith("_")
    }
    return sorted(found, key=lambda one: one.__name__)


def alerts() -> list[Alert]:
    """Everything that people may be told of."""
    found = {alert.cause: alert for module in modules() for alert in getattr(module, "ALERTS", ())}
    return [found[cause] for cause in sorted(found)]


def text() -> str:
    """The whole of it, in Markdown."""
    parts = [_HEAD]
    for title, kind, entries in _sections():
        parts += _section(title, kind, entries)
    return "\n".join(parts)


def entries_of(word: str) -> list[str]:
    """The entries of an alert, reason or error, in Markdown without anchors; none where none is.

    Args:
        word: its name, in any case; a code that a message fills in (``unmapped_carrier``); an entry's anchor, also with
            the address before it, as a letter and an alert link to it.
    """
    wanted = word.rpartition("#")[2]
    found = []
    for _, kind, entries in _sections():
        for name, advice in entries:
            if wanted.casefold() in (name.casefold(), anchor(kind, name).casefold()):
                found.append("\n".join(_entry(name, advice)).rstrip())
    return found or (_of_several(wanted) if wanted else [])


def _of_several(code: str) -> list[str]:
    """The entry of a reason that stands for several codes, with this code in its words."""
    reason = reasons.of(code)
    if not reasons.is_named(code):
        return []
    looks = tuple(filled(one, reason, code) for one in reason.look or _LETTERS)
    advice = Advice(means=reasons.meaning(code), look=looks, do=reasons.remedy(code))
    return ["\n".join(_entry(code, advice)).rstrip()]


def nearest(word: str) -> list[str]:
    """Names of entries that are spelt like it."""
    names = [name for _, _, entries in _sections() for name, _ in entries]
    return difflib.get_close_matches(word, names, n=3)


def _sections() -> Iterator[tuple[str, str, list[tuple[str, Advice]]]]:
    yield "Alerts", "alert", [(one.cause, one) for one in alerts()]
    letters = sorted(reasons.known(), key=lambda one: one.code.replace("{", "~"))
    yield "Reasons of dead letters, held documents and quarantine", "reason", [
        (one.code, one if one.look else Advice(means=one.means, look=_LETTERS, do=one.do)) for one in letters
    ]  # fmt: skip
    yield "Errors", "error", [(one.__name__, _of_error(one)) for one in errors()]


def _of_error(error: type[Exception]) -> Advice:
    advice = vars(error).get("advice")
    if not isinstance(advice, Advice):
        raise TypeError(f"{error.__module__}.{error.__name__} has no advice")
    return advice


def _section(title: str, kind: str, entries: Sequence[tuple[str, Advice]]) -> Iterator[str]:
    yield f"## {title}\n"
    for name, advice in entries:
        yield f'<a id="{anchor(kind, name)}"></a>\n'
        yield from _entry(name, advice)


def _entry(name: str, advice: Advice) -> Iterator[str]:
    yield f"### {name}\n\n{advice.means}\n"
    if advice.look:
        looks = "; ".join(f"`{one.replace('{code}', name)}`" for one in advice.look)
        yield f"- **Look:** {looks}"
    yield f"- **Do:** {advice.do}\n"

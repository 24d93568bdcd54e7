"""Redaction of JSON where it stands: what has to go is replaced, everything else stays byte for byte.

A page of orders is a megabyte of the same few hundred names and of values most of which were seen before. So its
strings are told apart first, and each is looked at once, not at each place where it stands. Only the objects around
what has to go are read as objects.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from erp_sync.model.advice import Advice
from erp_sync.transport.secret_names import PAIR_NAMES, is_sensitive, lists_cards, secret_names_among

# Strings that a redactor knows to be harmless, and up to which length it remembers them.
REMEMBERED = 65_536
LONGEST_REMEMBERED = 200
# So far around a pair's name its object may begin; where it is longer, the whole body is read.
_NEAR = 64
# Up to so many strings are quicker looked for one after the other.
_FEW = 4
# Stand for an escaped backslash and an escaped quote while the text is split at its quotes; neither may stand in JSON.
_BACKSLASH, _QUOTE = "\x02", "\x01"

_LONG_NUMBERS = re.compile(r"(?<![0-9.])[0-9]{14}|[0-9][eE]")
_NUMBERS = re.compile(r"[0-9][0-9.eE+-]*")
_SPACE = " \t\r\n"

exact = msgspec.json.Decoder(float_hook=Decimal)
writer = msgspec.json.Encoder(decimal_format="number")
_valid = msgspec.json.Decoder(msgspec.Raw)
_reader = json.JSONDecoder(strict=False)

Replacement = tuple[int, int, str]  # begin, end, what stands there instead


class NotByItsStrings(Exception):
    """A body that must be read as a whole."""

    advice = Advice(
        means="A body cannot be redacted string by string: it is read as a whole instead. Nobody sees this.",
        look=("erp-sync status",),
        do="Nothing.",
    )


class JsonRedaction:
    """Redacts JSON texts by the rules that it is given.

    Args:
        clean: a text, redacted.
        suspicious: whether any of some texts, given one a line, may need redaction; false alarms are allowed.
        value: a decoded value, redacted at every depth; the very same object where nothing had to go is not asked for.
    """

    def __init__(
        self, clean: Callable[[str], str], suspicious: Callable[[str], bool], value: Callable[[Any], Any]
    ) -> None:
        self._clean, self._suspicious, self._value = clean, suspicious, value
        self._harmless: set[str] = set()
        self._harmless_between: set[str] = set()

    def redacted(self, text: str) -> str:
        """The very same text where nothing had to go.

        Raises NotByItsStrings for what is no JSON and for the rare JSON that takes more than this.
        """
        marked = text
        if "\\" in text:
            if _BACKSLASH in text or _QUOTE in text:
                raise NotByItsStrings
            marked = text.replace("\\\\", _BACKSLASH).replace('\\"', _QUOTE)
        parts = marked.split('"')
        between = set(parts[0::2]) - self._harmless_between
        if between:
            self._look_at_numbers(between)
        strings = set(parts[1::2]) - self._harmless
        changed, names = self._looked_at(strings)
        if strings:
            self._harmless = _remembering(self._harmless, strings - changed.keys() - names)
        if not changed and not names:
            return text
        found = _Places(marked, parts, changed, names, self._value).replaced()
        return text if found == marked else _unmarked(found)

    def _look_at_numbers(self, between: set[str]) -> None:
        """What stands between strings. Raises NotByItsStrings where a number is a card's."""
        texts = "\n".join(between)
        if _LONG_NUMBERS.search(texts):
            for match in _NUMBERS.finditer(texts):
                try:
                    number = Decimal(match.group())
                except InvalidOperation:
                    raise NotByItsStrings from None
                if isinstance(self._value(number), str):
                    raise NotByItsStrings
        self._harmless_between = _remembering(self._harmless_between, between)

    def _looked_at(self, strings: set[str]) -> tuple[dict[str, str], set[str]]:
        """Those that have to change, with what they become as JSON writes it, and those that name something secret."""
        plain = [one for one in strings if not _is_escaped(one)]
        names = secret_names_among(plain)
        changed: dict[str, str] = {}
        if self._suspicious("\n".join(plain)):
            changed = {one: _escaped(clean) for one in plain if (clean := self._clean(one)) != one}
        for one in strings.difference(plain):
            meant = _meant(one)
            if (clean := self._clean(meant)) != meant:
                changed[one] = _escaped(clean)
            if is_sensitive(meant) or lists_cards(meant):
                names.add(one)
        return changed, names


def _remembering(known: set[str], more: set[str]) -> set[str]:
    if len(known) > REMEMBERED:
        known = set()
    known.update(one for one in more if len(one) <= LONGEST_REMEMBERED)
    return known


class _Places:
    """Where in one text something has to be replaced."""

    def __init__(
        self, text: str, parts: list[str], changed: Mapping[str, str], names: set[str], value: Callable[[Any], Any]
    ) -> None:
        self._text, self._parts, self._changed, self._names, self._value = text, parts, changed, names, value
        self._part = self._position = 0
        self._made: list[Replacement] = []

    def _start(self, index: int) -> int:
        """Where the part begins: after those before it and as many quotes. Counted from the one asked for last."""
        if index > self._part:
            self._position += sum(map(len, self._parts[self._part : index])) + index - self._part
        else:
            self._position -= sum(map(len, self._parts[index : self._part])) + self._part - index
        self._part = index
        return self._position

    def replaced(self) -> str:
        done = 0
        for index in self._where():
            string = self._parts[index]
            if not index % 2 or self._start(index) < done:
                continue
            is_name = self._parts[index + 1].lstrip(_SPACE).startswith(":")
            if string in self._changed:
                self._made.append((self._start(index), self._start(index) + len(string), self._changed[string]))
            if string not in self._names:
                continue
            if is_name:
                done = self._without_value(index)
            elif self._is_pairs_name(index):
                done = self._without_pair(index)
        pieces, position = [], 0
        for begin, end, new in self._made:
            pieces += [self._text[position:begin], new]
            position = end
        return "".join([*pieces, self._text[position:]])

    def _where(self) -> list[int]:
        """The parts that something may have to be done about, in their order."""
        wanted = self._names.union(self._changed)
        if len(wanted) > _FEW:
            return [index for index, part in enumerate(self._parts) if part in wanted]
        found = []
        for one in wanted:
            index = -1
            for _ in range(self._parts.count(one)):
                index = self._parts.index(one, index + 1)
                found.append(index)
        return sorted(found)

    def _without_value(self, index: int) -> int:
        """Redact what the name there stands for; gives where it ends."""
        colon = self._text.index(":", self._start(index + 1))
        begin = colon + 1
        while self._text[begin] in _SPACE:
            begin += 1
        return self._redact(begin, lambda value: next(iter(self._value({_meant(self._parts[index]): value}).values())))

    def _is_pairs_name(self, index: int) -> bool:
        return (
            index > 2 and self._parts[index - 1].strip(_SPACE) == ":" and _meant(self._parts[index - 2]) in PAIR_NAMES
        )

    def _without_pair(self, index: int) -> int:
        """Redact the object that the string there is a field of; gives where it ends."""
        depth = 0
        for part in range(index - 1, max(-1, index - _NEAR), -2):
            for offset in range(len(self._parts[part]) - 1, -1, -1):
                character = self._parts[part][offset]
                if character in "}]":
                    depth += 1
                elif character in "{[":
                    if not depth:
                        begin = self._start(part) + offset
                        while self._made and self._made[-1][0] >= begin:
                            self._made.pop()
                        return self._redact(begin, self._value)
                    depth -= 1
        raise NotByItsStrings

    def _redact(self, begin: int, redact: Callable[[Any], Any]) -> int:
        try:
            _, end = _reader.raw_decode(self._text, begin)
            value = exact.decode(_unmarked(self._text[begin:end]))
            clean = redact(value)
        except (ValueError, RecursionError) as error:
            raise NotByItsStrings from error
        if clean != value:
            self._made.append((begin, end, writer.encode(clean).decode()))
        return end


def is_json(body: bytes) -> bool:
    try:
        _valid.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def _is_escaped(string: str) -> bool:
    return "\\" in string or _QUOTE in string or _BACKSLASH in string


def _meant(string: str) -> str:
    """What a string of the marked text stands for."""
    if not _is_escaped(string):
        return string
    try:
        return str(exact.decode(f'"{_unmarked(string)}"'))
    except msgspec.DecodeError as error:
        raise NotByItsStrings from error


def _escaped(string: str) -> str:
    return writer.encode(string).decode()[1:-1]


def _unmarked(text: str) -> str:
    return text.replace(_QUOTE, '\\"').replace(_BACKSLASH, "\\\\")

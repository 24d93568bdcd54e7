"""Redaction of JSON where it stands: what has to go is replaced, everything else stays byte for byte.

A page of orders is a megabyte of the same few hundred names and of values most of which were seen before. So its
strings are told apart first, and each is looked at once, not at each place where it stands. A long page is split into
its fields before, most of which are known to be harmless, name and value together. Only the objects around what has to
go are read as objects.
"""

from __future__ import annotations

import json
import re
from array import array
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from erp_sync.model.advice import Advice
from erp_sync.transport.secret_names import PAIR_NAMES, is_sensitive, lists_cards, secret_names_among

# Fields and strings that a redactor knows to be harmless, and up to which length it remembers them.
REMEMBERED = 65_536
LONGEST_REMEMBERED = 200
# So many strings before a pair's name its object may begin; where it is longer, the whole body is read.
_NEAR = 32
# Up to so many strings are quicker looked for one after the other.
_FEW = 16
# Stand for an escaped backslash and an escaped quote while the text is split at its quotes, and are as long: a place is
# the same with them. Their characters may not stand in JSON.
_BACKSLASH, _QUOTE = "\x02\x02", "\x01\x01"
_MARKS = "\x01\x02"
_MARKED = {"\\\\": _BACKSLASH, '\\"': _QUOTE}
_ESCAPED = re.compile(r'\\[\\"]')
# Between two fields, or two strings of a list, of JSON without spaces; or the end of a string that ends so.
_NEXT = ',"'
# From so many characters on fields are told apart first, by pyarrow, which makes an object of each only once: making
# one for each place takes longer than looking at it.
_LONG = 64 * 1024
# A string that might as well stand between two others.
_BETWEEN = re.compile(r"[-+.,:\[\]{}0-9Eaeflnrstu \t\r\n]*")

_LONG_NUMBERS = re.compile(r"(?<![0-9.])[0-9]{14}|[0-9][eE]")
_NUMBERS = re.compile(r"[0-9][0-9.eE+-]*")
_SPACES = frozenset(" \t\r\n")

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
        self._harmless_fields: set[str] = set()
        self._harmless: set[str] = set()
        self._harmless_between: set[str] = set()

    def redacted(self, text: str, body: bytes, encoding: str) -> bytes:
        """The very same body where nothing had to go. `text` is what it says.

        Raises NotByItsStrings for what is no JSON and for the rare JSON that takes more than this.
        """
        new: list[str] = []
        if len(text) >= _LONG:
            new = list(_fields(body if encoding == "utf-8" else text.encode()) - self._harmless_fields)
            if not new:
                return body
        # After the last field, too, there is what comes between two: whichever ends within a string shows it then.
        marked = _marked(_NEXT.join([*new, ""])) if new else '"' + _marked(text)
        strings, between = self._told_apart(marked)
        if new and any(one.endswith(",") for one in strings):
            # A string ends so: where it was split is not where fields end.
            new = []
            strings, between = self._told_apart('"' + _marked(text))
        if between:
            self._look_at_numbers(between)
        changed, names = self._looked_at(strings) if strings else ({}, set())
        found = names.union(changed)
        self._remember(new, marked, strings - found, found)
        made = _Places(text, _marked(text), changed, names, self._value).replacements() if found else []
        return _with(made, text, body, encoding)

    def _told_apart(self, marked: str) -> tuple[set[str], set[str]]:
        """The strings of a text that begins with the rest of one, and what stands between them, but for those that are
        known to be harmless."""
        parts = marked.split('"')
        return set(parts[0::2]) - self._harmless, set(parts[1::2]) - self._harmless_between

    def _remember(self, new: list[str], marked: str, harmless: set[str], found: set[str]) -> None:
        """The fields that hold nothing of what was found, and the harmless strings, but for those that end as if a
        field did."""
        if new and len(found) <= _FEW:
            fields = list(zip(new, marked.split(_NEXT), strict=False))
            for one in found:
                fields = [field for field in fields if one not in field[1]]
            self._harmless_fields = _remembering(self._harmless_fields, [field for field, _ in fields])
        if harmless:
            self._harmless = _remembering(self._harmless, [one for one in harmless if not one.endswith(",")])

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


def _remembering(known: set[str], more: Iterable[str]) -> set[str]:
    if len(known) > REMEMBERED:
        known = set()
    known.update([one for one in more if len(one) <= LONGEST_REMEMBERED])
    return known


class _Places:
    """Where in one text something has to be replaced. `marked` is as long as `text`."""

    def __init__(
        self, text: str, marked: str, changed: Mapping[str, str], names: set[str], value: Callable[[Any], Any]
    ) -> None:
        self._text, self._marked, self._changed, self._names, self._value = text, marked, changed, names, value
        self._made: list[Replacement] = []

    def replacements(self) -> list[Replacement]:
        """In their order; none overlaps another."""
        done = 0
        for begin, string in self._where():
            if begin < done:
                continue
            end = begin + len(string)
            if string in self._changed:
                self._made.append((begin, end, self._changed[string]))
            if string not in self._names:
                continue
            after = self._past_space(end + 1)
            if self._marked.startswith(":", after):
                done = self._without_value(string, self._past_space(after + 1))
            elif self._is_pairs_name(begin):
                done = self._without_pair(begin)
        return self._made

    def _where(self) -> list[tuple[int, str]]:
        """Where the strings begin that something may have to be done about, in their order."""
        wanted = self._names.union(self._changed)
        found, position = [], 0
        if len(wanted) <= _FEW and not any(map(_BETWEEN.fullmatch, wanted)):
            for one in wanted:
                quoted, position = f'"{one}"', -1
                while (position := self._marked.find(quoted, position + 1)) >= 0:
                    found.append((position + 1, one))
            return sorted(found)
        for index, part in enumerate(self._marked.split('"')):
            if index % 2 and part in wanted:
                found.append((position, part))
            position += len(part) + 1
        return found

    def _past_space(self, position: int) -> int:
        while self._marked[position : position + 1] in _SPACES:
            position += 1
        return position

    def _without_value(self, string: str, begin: int) -> int:
        """Redact what the name stands for; gives where it ends."""
        return self._redact(begin, lambda value: next(iter(self._value({_meant(string): value}).values())))

    def _is_pairs_name(self, begin: int) -> bool:
        """Whether the string there is what a pair is called."""
        before = self._before_space(begin - 2)
        if before < 0 or self._marked[before] != ":":
            return False
        end = self._before_space(before - 1)
        return _meant(self._marked[self._marked.rindex('"', 0, end) + 1 : end]) in PAIR_NAMES

    def _before_space(self, position: int) -> int:
        while position >= 0 and self._marked[position] in _SPACES:
            position -= 1
        return position

    def _without_pair(self, begin: int) -> int:
        """Redact the object that the string there is a field of; gives where it ends."""
        depth, string = 0, begin - 1
        for _ in range(_NEAR):
            before = self._marked.rfind('"', 0, string)
            for position in range(string - 1, before, -1):
                character = self._marked[position]
                if character in "}]":
                    depth += 1
                elif character in "{[":
                    if not depth:
                        while self._made and self._made[-1][0] >= position:
                            self._made.pop()
                        return self._redact(position, self._value)
                    depth -= 1
            string = self._marked.rfind('"', 0, max(0, before))
        raise NotByItsStrings

    def _redact(self, begin: int, redact: Callable[[Any], Any]) -> int:
        try:
            _, end = _reader.raw_decode(self._text, begin)
            value = exact.decode(self._text[begin:end])
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


def _with(made: list[Replacement], text: str, body: bytes, encoding: str) -> bytes:
    if not made:
        return body
    pieces: list[bytes | memoryview] = []
    position = 0
    for begin, end, new in [*made, (len(text), len(text), "")]:
        # Of ASCII a place in the text is one in the body: a page need not become a text and bytes again.
        same = memoryview(body)[position:begin] if text.isascii() else text[position:begin].encode(encoding)
        pieces += [same, new.encode(encoding, "replace")]
        position = end
    return b"".join(pieces)


def _fields(body: bytes) -> set[str]:
    """Those of a body in UTF-8, each once. The first with a quote before it: others begin with the rest of a string."""
    import pyarrow
    import pyarrow.compute  # runs, which read such pages, have it anyway

    # From buffers: what takes Python's objects imports pandas first, which takes as long as a hundred pages.
    ends = pyarrow.py_buffer(array("q", (0, len(body))))
    whole = pyarrow.LargeStringArray.from_buffers(1, ends, pyarrow.py_buffer(body))
    all_fields = pyarrow.compute.split_pattern(whole, _NEXT).values
    return {'"' + all_fields[0].as_py(), *all_fields[1:].unique().to_pylist()}


def _marked(text: str) -> str:
    """As long as the text; each quote in it begins or ends a string. Raises NotByItsStrings."""
    if "\\" not in text:
        return text
    if any(mark in text for mark in _MARKS):
        raise NotByItsStrings
    return _ESCAPED.sub(lambda escape: _MARKED[escape.group()], text)


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

"""Which known name an unknown one is most likely to mean."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from erp_sync.operations.ranking import LEAST, likeness, plain, ranked

names = st.text(st.characters(codec="ascii", categories=("Lu", "Ll", "Nd", "Pd")), min_size=1, max_size=12)
catalogues = st.dictionaries(names, st.text(max_size=8), max_size=12)


@given(names, names)
def test_likeness_is_between_nothing_and_the_same_and_goes_both_ways(one: str, other: str):
    score, _ = likeness(one, other)
    assert 0 <= score <= 1
    assert score == likeness(other, one)[0]
    assert (score == 1) == (one == other)


@given(names, catalogues)
def test_the_likeliest_come_first_whatever_order_they_are_known_in(asked: str, known: dict[str, str]):
    found = ranked(asked, known.items())
    assert found == ranked(asked, reversed(list(known.items())))
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    assert all(one.score >= LEAST and one.value in known for one in found)


@given(names, catalogues, names)
def test_one_more_known_name_changes_nothing_about_the_others(asked: str, known: dict[str, str], more: str):
    before = [one for one in ranked(asked, known.items(), most=100) if one.value != more]
    after = ranked(asked, (known | {more: known.get(more, "")}).items(), most=100)
    assert [one for one in after if one.value != more] == before


@given(names, catalogues)
def test_what_differs_in_punctuation_only_beats_every_other(asked: str, known: dict[str, str]):
    written = f"-{asked.lower()}-"
    others = {name: "" for name in known if plain(name) != plain(asked)}
    if not plain(asked):
        return
    assert ranked(asked, (others | {written: ""}).items())[0].value == written


def test_an_articles_name_finds_it_where_the_numbers_are_nothing_alike():
    known = {"4711": "Blue mug, large", "4712": "Red plate"}
    (best, *_) = ranked("XQ-9", known.items(), words="Blue Mug Large")
    assert best.value == "4711"


def test_a_states_name_finds_its_code():
    known = {"CA": "California", "CO": "Colorado", "NC": "North Carolina"}
    assert [one.value for one in ranked("Californa", known.items())][:1] == ["CA"]
    assert ranked("Zzz", known.items()) == []

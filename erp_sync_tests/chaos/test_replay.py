"""A failing seed is printed with the command that plays it again, call for call."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from erp_sync.components.configuration import read_configuration
from erp_sync_tests.chaos import campaign
from erp_sync_tests.chaos.campaign import SeedResult
from erp_sync_tests.chaos.house import defs, people_of
from erp_sync_tests.chaos.schedule import Schedule, draw

CHECKOUT = Path(__file__).parents[2]
SEED = 4
# A seed that it is caught by says so with the first document that has no answer.
MUTANT = "acknowledge_before_send"
# How long it took is the machine's.
MACHINES = "cpu_s_a_seed"


def run(command: str, **environment: str) -> tuple[str, dict[str, Any]]:
    """What a shell's command prints, and the object of its last line."""
    kept = {name: value for name, value in os.environ.items() if name not in ("SEEDS", "FIRST_SEED", "MUTANT", "ROUTE")}
    done = subprocess.run(
        command, shell=True, cwd=CHECKOUT, env={**kept, **environment}, capture_output=True, text=True
    )
    assert done.stdout, done.stderr
    return done.stdout, json.loads(done.stdout.splitlines()[-1])


def recipe(command: str) -> str:
    """What make would run for a printed command, without its set-up."""
    asked = command.replace("make ", f"make -n --no-print-directory BIN={Path(sys.executable).parent} ", 1)
    # The tests themselves may be run by make, which tells its children so.
    alone = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    made = subprocess.run(asked, shell=True, cwd=CHECKOUT, env=alone, capture_output=True, text=True, check=True)
    return made.stdout.strip().splitlines()[-1]


shipped_configuration = cache(read_configuration)


def drawn(seed: int) -> Schedule:
    shipped = shipped_configuration(defs())
    route = shipped.route(campaign.ROUTE)
    doings = {name: people_of(shipped.connection(name).vendor).DOINGS for name in (route.store, route.erp)}
    return draw(seed, 0.0, doings, route)


def test_a_seed_is_one_schedule():
    assert drawn(7) == drawn(7)
    assert drawn(7) != drawn(8)


@pytest.mark.timeout(900)
def test_the_printed_command_plays_a_failing_seed_again():
    play = f"{sys.executable} -m erp_sync_tests.chaos"
    words, figures = run(play, FIRST_SEED=str(SEED), SEEDS="1", MUTANT=MUTANT)
    assert figures["failed_seeds"] == [SEED]
    first, _, command = words.splitlines()[0].partition(": ")
    assert (first, command) == (
        f"seed {SEED} fails", f"make chaos-sim FIRST_SEED={SEED} SEEDS=1 MUTANT={MUTANT}"
    )  # fmt: skip
    again, same = run(recipe(command))
    assert again.splitlines()[:-1] == words.splitlines()[:-1]
    assert {**same, MACHINES: 0} == {**figures, MACHINES: 0}


def test_whatever_is_not_as_usual_is_in_the_command(monkeypatch: pytest.MonkeyPatch):
    result = SeedResult(seed=9, words=["lost: an order"])
    assert campaign.told(result).splitlines() == [
        "seed 9 fails: make chaos-sim FIRST_SEED=9 SEEDS=1",
        "  lost: an order",
    ]
    monkeypatch.setenv("ERP_SYNC_DEFS", "/my routes")
    command = campaign.replay(9, route="other", mutant="skip_find", target="chaos")
    assert command == "ERP_SYNC_DEFS='/my routes' make chaos FIRST_SEED=9 SEEDS=1 ROUTE=other MUTANT=skip_find"
    given = recipe(command.replace("'/my routes'", "/tmp"))
    assert given.startswith("SEEDS=1 FIRST_SEED=9 ROUTE=other MUTANT=skip_find ")


@pytest.mark.timeout(900)
def test_a_route_of_another_folder_is_played_as_soon_as_its_yaml_is_there(tmp_path: Path):
    """Its connections have other names, and so have our keys in the ERP."""
    folder = tmp_path / "second"
    folder.mkdir()
    file = defs() / campaign.ROUTE / "defs.yaml"
    renamed = file.read_text()
    for before, after in ((campaign.ROUTE, "second"), ("magento_us", "shop_eu"), ("netsuite_us", "books_eu")):
        renamed = renamed.replace(before, after)
    assert [one["attributes"]["name"] for one in yaml.safe_load_all(renamed)] == ["shop_eu", "books_eu", "second"]
    (folder / "defs.yaml").write_text(renamed)
    (folder / "lookups").symlink_to(file.parent / "lookups")
    environment = {"ERP_SYNC_DEFS": str(tmp_path), "ROUTE": "second", "FIRST_SEED": "1", "SEEDS": "1"}
    words, figures = run(f"{sys.executable} -m erp_sync_tests.chaos", **environment)
    assert (figures["route"], figures["failed_seeds"]) == ("second", []), words
    assert figures["documents"] >= 20


def test_a_route_that_is_not_there_is_told_at_once():
    with pytest.raises(KeyError, match="no route is called nowhere; configured are: netsuite_magento"):
        list(campaign.play_seeds([1, 2], route="nowhere", processes=2))

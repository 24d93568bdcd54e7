"""Which mapping a run works by: a hash of what its flow declares on both sides, and of what the declarations look at.

A document that came out wrong is explained by the mapping of that day. So every run tells the version in Dagster, and
every document with whatever made it and whatever sent it. The parts tell what changed: a mapping with its overlay, a
connection's settings, the code of computed values. Rows of look-up tables have a history of their own in the ledger.
"""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from erp_sync.components.configuration import Configuration, RouteSpec
from erp_sync.components.flow_table import FLOWS
from erp_sync.ports.connection import ConnectionSettings
from erp_sync.ports.published import Served

if TYPE_CHECKING:
    import dagster as dg

    from erp_sync.ports.mapping import RecordMapping

TAG = "erp_sync/mapping"
"""Tag of a run: versions of the mappings that it worked by."""

_LENGTH = 12
_NOT_MAPPING = ("limits", "source_connections")
"""Settings that no rule of a mapping looks at: what a call may cost, and what a route adds."""


class MappingVersion(msgspec.Struct, frozen=True):
    """Attributes:
    value: changes with any part.
    parts: what it consists of, by name, each with a hash of its own.
    """

    value: str
    parts: dict[str, str]


def mapping_version(configuration: Configuration, route: RouteSpec, flow: str) -> MappingVersion:
    """Of one flow of a route. Worked out once per process; forked runs take over what the fork server worked out.

    Raises MappingMistake for a wrong overlay.
    """
    kind = FLOWS[flow]
    parts: dict[str, str] = {}
    for side, role in ((kind.source, "source"), (kind.target, "target")):
        spec = configuration.connection(getattr(route, side))
        settings = {name: value for name, value in spec.settings.items() if name not in _NOT_MAPPING}
        text = msgspec.json.encode(settings, order="deterministic", enc_hook=str).decode()
        parts |= _parts(spec.name, spec.vendor, spec.time_zone, text, kind.entity_of(role), role)
    return MappingVersion(_hash(f"{name} {part}" for name, part in sorted(parts.items())), parts)


def warm(configuration: Configuration) -> None:
    """Work out the versions of all flows, for the processes that are forked from this one."""
    for route in configuration.routes.values():
        for flow in route.flows:
            mapping_version(configuration, route, flow)


def written_version(rows: Iterable[tuple[str, str, str]]) -> str:
    """Version of a write that no record mapping makes, by its (source, field of the body, rule)."""
    return _hash(map(repr, rows))


def tag_run(context: dg.AssetExecutionContext, version: MappingVersion) -> None:
    """Tell the version as a tag of the run, once; a run of several flows has several."""
    told = _told.setdefault(context.run_id, set())
    if version.value not in told:
        told.add(version.value)
        context.instance.add_run_tags(context.run_id, {TAG: ",".join(sorted(told))})


_told: dict[str, set[str]] = {}


@cache
def _parts(connection: str, vendor: str, time_zone: str, settings: str, entity: str, role: str) -> Mapping[str, str]:
    contract: Any = importlib.import_module(f"erp_sync.systems.{vendor}.contract")
    one = ConnectionSettings(
        name=connection,
        vendor=vendor,
        base_url="",
        credentials={},
        settings=msgspec.json.decode(settings),
        time_zone=time_zone,
    )
    served: Served = contract.SERVED.get((entity, role), Served())
    mappings: Mapping[str, RecordMapping] = importlib.import_module(f"erp_sync.systems.{vendor}.connector").mappings(
        one
    )
    parts = {f"{connection} {name}": mappings[name].version for name in served.mappings}
    if hasattr(contract, "written"):
        rows = {name: contract.written(name) for name in served.operations}
        parts |= {f"{connection} {name}": written_version(of_one) for name, of_one in rows.items() if of_one}
    parts[f"{connection} settings"] = _hash([settings, time_zone])
    parts[f"{vendor} code"] = _code(vendor)
    return parts


@cache
def _code(vendor: str) -> str:
    """Of the files that hold the declarations and what they compute."""
    module = importlib.import_module(f"erp_sync.systems.{vendor}.mapping")
    folder = Path(str(module.__file__)).parent
    return _hash(f"{path.name}\n{path.read_text(encoding='utf-8')}" for path in sorted(folder.glob("*.py")))


def _hash(texts: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for text in texts:
        digest.update(text.encode() + b"\0")
    return digest.hexdigest()[:_LENGTH]

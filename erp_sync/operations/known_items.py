"""Items that an ERP has, for likely SKUs: as the product flow read them last; else it has to be asked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from erp_sync.components.installation import Installation
from erp_sync.flows.state_extraction import snapshot_entity
from erp_sync.ledger import codec
from erp_sync.model.keys import Entity
from erp_sync.ports.raw import BadRecord, MappingProblem, RawRecord

_COLUMNS = ("native_id", "version", "payload")


def read_before(here: Installation, route: str) -> list[tuple[str, str]]:
    """SKUs with names from the last snapshot of the ERP's items and what was read of them since. Asks nobody; empty
    where no flow reads products. Raises DamagedFile."""
    erp = here.configuration.routes[route].erp
    files = here.lake.files(erp, snapshot_entity(Entity.PRODUCT))
    if not files:
        return []
    of_run = [one for one in files if one.run_id and one.run_id == files[-1].run_id] or files[-1:]
    since = min(one.earliest for one in of_run)
    records: dict[str, RawRecord] = {}
    for entity in (snapshot_entity(Entity.PRODUCT), Entity.PRODUCT):
        if not here.lake.files(erp, entity, since):
            continue
        for row in here.lake.table(erp, entity, since, columns=_COLUMNS).to_pylist():
            if row["payload"]:
                payload = codec.from_json(row["payload"])
                records[row["native_id"]] = RawRecord(
                    native_id=row["native_id"], version=row["version"], payload=payload
                )
    return list(_canonical(here, route, records.values()))


def asked(here: Installation, route: str) -> Iterator[tuple[str, str]]:
    """SKUs with names of all that the ERP has now. Raises CallFailed."""
    for page in _source(here, route).snapshot():
        yield from _canonical(here, route, page)


def _source(here: Installation, route: str) -> Any:
    return here.connector_for(here.configuration.routes[route], "erp").port(Entity.PRODUCT, "source")


def _canonical(here: Installation, route: str, records: Iterable[RawRecord]) -> Iterator[tuple[str, str]]:
    source, lookups = _source(here, route), here.lookups(here.configuration.routes[route])
    for record in records:
        try:
            product = source.to_canonical(record, lookups)
        except (BadRecord, MappingProblem):
            continue  # the product flow names it
        yield product.sku, product.name

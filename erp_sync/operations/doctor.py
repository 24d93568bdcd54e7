"""Is a route ready? Names each thing that is missing or wrong and how to mend it; changes nothing."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from erp_sync.components import events
from erp_sync.components.configuration import FromFile, Mode, RouteSpec, WrongConfiguration
from erp_sync.components.installation import Installation
from erp_sync.ledger.errors import BadLookupFile
from erp_sync.ledger.lookups import parse_csv
from erp_sync.operations.choosing import CannotDo, connector
from erp_sync.operations.mapping_document import mapping_document
from erp_sync.ports.diagnosis import Diagnosis, Verdict

Progress = Callable[[str, int, int], None]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One check. `where` is a connection, or ``installation`` or ``route``."""

    where: str
    check: str
    verdict: Verdict
    found: str
    mend: str = ""


class Examination(msgspec.Struct, frozen=True, kw_only=True):
    """All checks of a route, in the order in which they would be mended. `healthy`: no error."""

    route: str
    healthy: bool
    findings: list[Finding]


def doctor(here: Installation, route: RouteSpec, progress: Progress = lambda what, done, total: None) -> Examination:
    """Settings, secrets, look-up tables, then both systems. Never raises for what is wrong with them."""
    findings = [*_installation(here), *_route(here, route), *_lookups(here, route)]
    sides = ("store", "erp")
    for position, side in enumerate(sides):
        name = getattr(route, side)
        progress(name, position, len(sides))
        findings += _connection(here, route, side, name)
    progress("", len(sides), len(sides))
    here.exchanges.flush()
    healthy = not any(one.verdict is Verdict.ERROR for one in findings)
    return Examination(route=route.name, healthy=healthy, findings=findings)


def _installation(here: Installation) -> Iterator[Finding]:
    home = here.settings.home
    if os.access(home, os.W_OK):
        yield _ok("installation", "home", f"{home} can be written")
    else:
        yield _error("installation", "home", f"{home} cannot be written", "Give its owner's rights to this user.")
    here.ledger.now()  # opened: it is there, and of this version
    yield _ok("installation", "ledger", f"{here.ledger.database.place} is of this version")
    yield from _promises(here.ledger.database.promises())


_KEPT = "ledger's commits"


def _promises(settings: dict[str, str]) -> Iterator[Finding]:
    """Does PostgreSQL keep what it has confirmed? What it loses was sent all the same, and would be sent again."""
    weak = False
    for name, mend in _MEND_PROMISE.items():
        if settings.get(name) in ("off", "local", "remote_write"):
            weak = True
            yield _error(
                "installation",
                _KEPT,
                f"PostgreSQL's {name} is {settings[name]}: a crash of its machine may lose what it has confirmed, and "
                "documents that have arrived are sent again",
                mend,
            )
    if settings.get("full_page_writes") == "off":
        weak = True
        yield _warning(
            "installation",
            _KEPT,
            "PostgreSQL's full_page_writes is off: a crash of its machine may damage the ledger, unless its file "
            "system never writes half a page",
            "Where it may: ALTER SYSTEM SET full_page_writes = on; SELECT pg_reload_conf();",
        )
    if settings and not weak:
        yield _ok("installation", _KEPT, "outlast a crash of PostgreSQL's machine")


_MEND_PROMISE = {
    "fsync": "ALTER SYSTEM SET fsync = on; SELECT pg_reload_conf();",
    "synchronous_commit": "The ledger sets it for its own sessions, which does not reach the server: connect without "
    "the pooler between them, or ALTER DATABASE ... SET synchronous_commit = on;",
}


def _route(here: Installation, route: RouteSpec) -> Iterator[Finding]:
    working = [name for name, flow in route.flows.items() if flow.mode is not Mode.OFF]
    if working:
        yield _ok("route", "flows", f"{', '.join(working)} of {', '.join(route.flows)}")
    else:
        yield _warning("route", "flows", "every flow is off", "Set a flow's mode to shadow or on.")


def _lookups(here: Installation, route: RouteSpec) -> Iterator[Finding]:
    """Files that are wrong, files that were not imported, tables that a mapping asks and that are empty."""
    for file in sorted(Path(route.lookups).glob("*.csv")) if route.lookups else []:
        yield _file(here, route, file)
    try:
        used = _tables_used(here, route)
    except CannotDo as error:
        yield _error("route", "mapping", str(error), "Correct the YAML, or the function that it names.")
        return
    filled = set(here.lookups(route).tables)
    for table, fields in used.items():
        if table not in filled:
            yield _warning(
                "route",
                f"look-up table {table}",
                f"is empty; asked by {', '.join(sorted(fields)[:3])}",
                f"Import it: erp-sync lookups import {table} {table}.csv --route {route.name}",
            )


def _file(here: Installation, route: RouteSpec, file: Path) -> Finding:
    check = f"look-up table {file.stem}"
    try:
        wanted = parse_csv(file.read_text(encoding="utf-8"), str(file))
    except (BadLookupFile, UnicodeDecodeError) as error:
        return _error("route", check, str(error), "Correct the file, then: erp-sync init")
    rows = {(row.rule, row.key): row.value for row in wanted}
    in_force = {
        (one.row.rule, one.row.key): one.row.value
        for one in here.ledger.lookups.history(route.name, file.stem)
        if one.valid_to is None
    }
    if rows == in_force:
        return _ok("route", check, f"{len(rows)} rows, as in {file.name}")
    return _warning("route", check, f"in force are other rows than in {file}", "Import it: erp-sync init")


def _tables_used(here: Installation, route: RouteSpec) -> dict[str, set[str]]:
    """Tables that the mappings of flows in use ask, with the fields that do."""
    used: dict[str, set[str]] = {}
    for flow in mapping_document(here, route, traffic=False).flows:
        if flow.mode == Mode.OFF:
            continue
        for mapping in flow.mappings:
            for row in mapping.fields:
                for table in re.findall(r"lookup\((\w+)\)", row.rule):
                    used.setdefault(table, set()).add(f"{mapping.name}.{row.target}")
    return used


def _connection(here: Installation, route: RouteSpec, side: str, name: str) -> Iterator[Finding]:
    spec = here.configuration.connection(name)
    missing = [variable for variable in spec.variables() if not os.environ.get(variable)]
    for variable in missing:
        yield _error(
            name, f"environment variable {variable}", "is not set", f"Set it where erp-sync runs: export {variable}=..."
        )
    files = [value.file for value in (spec.base_url, *spec.credentials.values()) if isinstance(value, FromFile)]
    for file in files:
        if not os.access(file, os.R_OK):
            missing.append(file)
            yield _error(name, f"secret file {file}", "cannot be read", "Mount the secret, or correct the path.")
    if missing:
        return
    if spec.variables() or files:
        yield _ok(name, "secrets", f"all {len(spec.variables()) + len(files)} are there")
    window = here.ledger.maintenance.window(name)
    if window is not None:
        yield _warning(
            name,
            "maintenance",
            f"planned until {window.ends_at:%Y-%m-%d %H:%M} UTC: it is not asked",
            f"Wait, or open it: erp-sync maintenance end {name}.",
        )
        return
    breaker = here.ledger.breakers.state(name)
    if breaker.state != "closed":
        yield _warning(
            name,
            "circuit breaker",
            f"{breaker.state}: {breaker.why}",
            f"It tries again in {breaker.retry_after_seconds:.0f} s; what follows may fail until then.",
        )
    try:
        one: Any = connector(here, route, side)
    except (CannotDo, WrongConfiguration) as error:
        yield _error(name, "settings", str(error), "Correct the connection's YAML.")
        return
    if events.takes_any(spec):
        yield _events(here, name)
    from erp_sync.transport.context import call_context

    with call_context(run_id="doctor", lane="bulk", route=route.name):
        for diagnosis in one.examine():
            yield _of(name, diagnosis)


def _events(here: Installation, name: str) -> Finding:
    """Events are configured: do they come? Polling finds everything without them, later."""
    latest = max((event.received_at for event in here.ledger.inbox.latest(name)), default=None)
    if latest is None:
        mend = "Set up its subscription or script with this connection's address; is the event service reached from it?"
        return _warning(name, "events", "they can be verified, and none ever came", mend)
    return _ok(name, "events", f"the last one came {latest:%Y-%m-%d %H:%M:%SZ}")


def _of(where: str, one: Diagnosis) -> Finding:
    return Finding(where=where, check=one.check, verdict=one.verdict, found=one.found, mend=one.mend)


def _ok(where: str, check: str, found: str) -> Finding:
    return Finding(where=where, check=check, verdict=Verdict.OK, found=found)


def _warning(where: str, check: str, found: str, mend: str) -> Finding:
    return Finding(where=where, check=check, verdict=Verdict.WARNING, found=found, mend=mend)


def _error(where: str, check: str, found: str, mend: str) -> Finding:
    return Finding(where=where, check=check, verdict=Verdict.ERROR, found=found, mend=mend)

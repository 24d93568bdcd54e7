"""The mapping document for people (Markdown) and for spreadsheets (CSV)."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence

from erp_sync.operations.mapping_document import MEANINGS, FlowMapping, MappingDocument, MappingTold

NO_TARGET, NO_REASON = "no target", "**no reason declared**"

COLUMNS = (
    *("route", "flow", "part", "connection", "mapping", "source", "target", "rule", "default", "required"),
    *("validation", "guarantee", "note"),
)


def markdown(document: MappingDocument) -> str:
    """One chapter a flow: fields, operations with their guarantee, what is not mapped, what the target does not get."""
    lines = [f"# Mapping of route {document.route}", ""]
    for flow in document.flows:
        lines += _chapter(flow)
    lines += ["## Guarantee classes", ""]
    lines += [f"- **{name}**: {words}" for name, words in MEANINGS.items()]
    return "\n".join(lines) + "\n"


def _chapter(flow: FlowMapping) -> Iterator[str]:
    yield from (f"## {flow.title.capitalize()}: {flow.source} to {flow.target} (flow `{flow.flow}`, {flow.mode})", "")
    yield from (f"Version {flow.version}: what runs and documents say that they went by.", "")
    for one in flow.mappings:
        yield from _mapping(one)
    if flow.untargeted:
        yield from (f"### Canonical fields that {flow.target} does not get: {len(flow.untargeted)}", "")
        yield from _table(
            ("field", "filled from", "target", "why"),
            [(f"`{one.field}`", one.source, NO_TARGET, one.reason or NO_REASON) for one in flow.untargeted],
        )
    if flow.own:
        yield from ("### The company's own rules", "")
        yield from _table(
            ("kind", "name", "function", "types", "for"),
            [(one.kind, one.name, f"`{one.function}`", f"`{one.signature}`", one.words) for one in flow.own],
        )
    for side in flow.undeclared:
        yield from (f"The {side} has no declared mapping; its operations are below.", "")
    if flow.operations:
        yield from ("### Writes and how sure they are", "")
        yield from _table(
            ("operation", "class", "rows a call", "settles within", "moves besides", "source"),
            [
                (
                    one.name,
                    one.guarantee,
                    str(one.batch_size),
                    f"{one.settle_seconds:g} s ({one.settle_source})" if one.settle_seconds else "",
                    ", ".join(one.moves),
                    one.source,
                )
                for one in flow.operations
            ],
        )


def _mapping(one: MappingTold) -> Iterator[str]:
    there = "from" if one.direction == "to_canonical" else "to"
    version = f", version {one.version}" if one.version else ""
    yield from (f"### {there.capitalize()} {one.connection} ({one.vendor}): {one.name}{version}", "")
    yield from _table(
        ("source", "target", "rule", "default", "required", "must", "note"),
        [
            (row.source, row.target, row.rule, row.default, "yes" if row.required else "", row.validation, row.note)
            for row in one.fields
        ],
    )
    if one.contract:
        yield from (f"#### Not mapped: {len(one.unmapped)} fields of {one.contract}", "")
        required = [f"`{field.path}`" for field in one.unmapped if field.required]
        optional = [f"`{field.path}`" for field in one.unmapped if field.required is False]
        unsaid = [f"`{field.path}`" for field in one.unmapped if field.required is None]
        for words, paths in (("Required", required), ("Optional", optional), ("Requiredness not published", unsaid)):
            if paths:
                yield from (f"{words}: {', '.join(paths)}", "")
    else:
        yield from ("#### Not mapped", "", "The vendor publishes no contract of this record.", "")
    if one.looked_at:
        yield from (f"#### Came in the latest {one.looked_at} records and was dropped: {len(one.dropped)} fields", "")
        if one.dropped:
            yield from _table(
                ("field", "records", "e.g. in"),
                [(f"`{field.path}`", str(field.records), field.example) for field in one.dropped],
            )


def _table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield "| " + " | ".join(headers) + " |"
    yield "|" + " --- |" * len(headers)
    for row in rows:
        yield "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |"
    yield ""


def as_csv(document: MappingDocument) -> str:
    """One row a field, operation, unmapped, dropped or untargeted field; column ``part`` says which."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n", restval="")
    writer.writeheader()
    for flow in document.flows:
        for row in _rows(flow):
            writer.writerow({"route": document.route, "flow": flow.flow, **row})
    return out.getvalue()


def _rows(flow: FlowMapping) -> Iterator[dict[str, str]]:
    for one in flow.mappings:
        common = {"connection": one.connection, "mapping": one.name}
        side = "source" if one.direction == "to_canonical" else "target"
        for row in one.fields:
            yield common | {
                "part": "field",
                "source": row.source,
                "target": row.target,
                "rule": row.rule,
                "default": row.default,
                "required": "yes" if row.required else "",
                "validation": row.validation,
                "note": row.note,
            }
        for field in one.unmapped:
            required = {True: "yes", False: "no", None: "not published"}[field.required]
            yield common | {"part": "not mapped", side: field.path, "required": required, "note": one.contract}
        for dropped in one.dropped:
            words = f"in {dropped.records} of {one.looked_at} records, e.g. {dropped.example}"
            yield common | {"part": "dropped", side: dropped.path, "note": words}
    for one_field in flow.untargeted:
        yield {
            "part": NO_TARGET,
            "connection": flow.target,
            "source": one_field.source,
            "target": one_field.field,
            "note": one_field.reason or NO_REASON.strip("*"),
        }
    for own in flow.own:
        yield {
            "part": f"own {own.kind}",
            "target": own.name,
            "rule": f"function {own.function} ({own.signature})",
            "note": own.words,
        }
    for operation in flow.operations:
        yield {
            "part": "operation",
            "connection": flow.target,
            "target": operation.name,
            "guarantee": operation.guarantee,
            "rule": MEANINGS[operation.guarantee],
            "note": operation.source,
        }

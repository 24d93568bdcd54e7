"""Cut the operations in use out of Magento's published Swagger 2 file.

    python -m erp_sync.systems.magento.sandbox.contract.make PATH_TO_SWAGGER[.gz]

writes `rest-2.4.8.json` beside this file: the operations that the sandbox declares, and the definitions that
they reach. Descriptions are not in the source file and are not added.
"""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path
from typing import Any

ORIGIN = "AdobeDocs/commerce-webapi@e2275b562, Admin REST endpoints 2.4.8 (names, types and required fields only)"
TARGET = Path(__file__).with_name("rest-2.4.8.json")


def references(node: Any) -> set[str]:
    """Names of the definitions that a node refers to."""
    if isinstance(node, dict):
        found = {node["$ref"].rpartition("/")[2]} if isinstance(node.get("$ref"), str) else set()
        return found.union(*(references(part) for part in node.values()))
    if isinstance(node, list):
        return set().union(*(references(part) for part in node))
    return set()


def cut(swagger: dict[str, Any], operations: set[tuple[str, str]]) -> dict[str, Any]:
    """The contract of these (method, path) operations. Raises KeyError for one that it does not have."""
    paths: dict[str, dict[str, Any]] = {}
    for method, path in sorted(operations, key=lambda operation: (operation[1], operation[0])):
        paths.setdefault(path, {})[method.lower()] = swagger["paths"][path][method.lower()]
    wanted, todo = set(), references(paths)
    while todo:
        name = todo.pop()
        wanted.add(name)
        todo |= references(swagger["definitions"][name]) - wanted
    return {
        "swagger": swagger["swagger"],
        "info": {**swagger["info"], "x-origin": ORIGIN},
        "basePath": swagger.get("basePath", ""),
        "paths": paths,
        "definitions": {name: swagger["definitions"][name] for name in sorted(wanted)},
    }


def printed(contract: dict[str, Any]) -> str:
    """One operation or definition a line, so that a new version shows as a readable difference."""
    lines = ["{"]
    for part in ("swagger", "info", "basePath"):
        lines.append(f'"{part}": {json.dumps(contract[part], sort_keys=True)},')
    for part, end in (("paths", ","), ("definitions", "")):
        rows = [f" {json.dumps(name)}: {json.dumps(value, sort_keys=True)}" for name, value in contract[part].items()]
        lines += [f'"{part}": {{', ",\n".join(rows), "}" + end]
    return "\n".join([*lines, "}", ""])


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print("usage: python -m erp_sync.systems.magento.sandbox.contract.make PATH_TO_SWAGGER[.gz]", file=sys.stderr)
        return 2
    from erp_sync.systems.magento.sandbox import rooms

    source = Path(arguments[0])
    content = gzip.decompress(source.read_bytes()) if source.suffix == ".gz" else source.read_bytes()
    swagger = json.loads(content)
    operations = {(route.method, route.template) for route in rooms.routes()}
    absent = sorted(entry for entry in operations if entry[0].lower() not in swagger["paths"].get(entry[1], {}))
    for method, path in absent:
        print(f"not in the contract: {method} {path}", file=sys.stderr)
    if absent:
        return 1
    TARGET.write_text(printed(cut(swagger, operations)), encoding="utf-8")
    print(f"{TARGET}: {len(operations)} operations")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

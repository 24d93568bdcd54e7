"""Asynchronous requests: ``Prefer: respond-async``, jobs, tasks, results, idempotency keys.

Facts (Oracle help, REST Web Services Request Processing and its examples: subsect_161278579295,
subsect_161252896355, subsect_164494900632): 202 with a relative Location; a repeated key is a 400 titled Conflict
with the first job's Location; a batch holds at most 100 records of one type, which run in parallel.
Unconfirmed: one task per record, the progress "processing" and "failed", a result asked for too early is 404.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from erp_sync.sandbox.core import BadJson, Commit, Request, Response, json_response
from erp_sync.systems.netsuite.sandbox.errors import VendorError, not_found
from erp_sync.systems.netsuite.sandbox.rest import ROOT, SINGULAR
from erp_sync.systems.netsuite.sandbox.session import Session
from erp_sync.systems.netsuite.sandbox.store import Row
from erp_sync.systems.netsuite.sandbox.suiteql.service import COLLECTION_TYPE

PATH = "/services/rest/async/v1/job"
MAX_BATCH = 100
_COLLECTION = "type=collection"
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")

Execute = Callable[[Request], tuple[Response, list[Commit]]]


@dataclass(frozen=True)
class Planned:
    """One request of a job, to be carried out later."""

    method: str
    path: str
    body: Any

    def dump(self, headers: dict[str, str], origin: str) -> str:
        kept = {name: value for name, value in headers.items() if name.startswith("x-netsuite-property")}
        return json.dumps(
            {"method": self.method, "url": origin + self.path, "headers": kept, "body": self.body}, default=str
        )


def wanted(request: Request) -> bool:
    """Whether the request asks to be answered later."""
    return "respond-async" in request.headers.get("prefer", "") and request.method != "GET"


class Jobs:
    """The account's asynchronous jobs. `accept` and `answer` run inside the caller's transaction."""

    def accept(self, session: Session, request: Request, wall: datetime) -> Response:
        """Put a request into the queue. Raises VendorError when it repeats a key or is no batch."""
        store, now = session.store, wall.timestamp()
        key = request.headers.get("x-netsuite-idempotency-key")
        if key is not None:
            if not _UUID.match(key):
                raise VendorError("INVALID_HEADER", "The key must be a UUID.", header="X-NetSuite-Idempotency-Key")
            oldest = now - session.options.idempotency_hours * 3600
            store.run("UPDATE sandbox_job SET idempotency_key = NULL WHERE started_wall < ?", oldest)
            first = store.value("SELECT id FROM sandbox_job WHERE idempotency_key = ?", key.lower())
            if first is not None:
                raise VendorError(
                    "IDEMPOTENCY_ERROR",
                    "A request with the same idempotency key is already submitted. See the 'Location' header for a "
                    "link to the previously submitted job",
                    title="Conflict",
                    headers={"location": f"{PATH}/{first}", "preference-applied": "respond-async"},
                )
        planned = plan(request)
        job = store.insert(
            "sandbox_job",
            id=session.next_number("job", 101),
            idempotency_key=key.lower() if key else None,
            method=request.method,
            created=session.now,
            started_wall=now,
            collection="/".join(request.segments[len(ROOT) :][:1]),
        )
        seconds, parallel = session.options.async_seconds, session.options.async_parallel
        for index, one in enumerate(planned):
            store.insert(
                "sandbox_task",
                job=job,
                id=index + 1,
                request=one.dump(dict(request.headers), session.origin),
                due_wall=now + seconds * (index // parallel + 1),
                progress="pending",
            )
        headers = {
            "location": f"{PATH}/{job}",
            "preference-applied": "respond-async",
            "content-type": "application/json",
        }
        return Response(202, headers)

    def run_due(self, session: Session, wall: datetime, execute: Execute) -> list[Commit]:
        """Carry out the tasks that are due, each in its own transaction; answers what they wrote."""
        commits: list[Commit] = []
        due = session.store.all(
            "SELECT * FROM sandbox_task WHERE progress = 'pending' AND due_wall <= ? ORDER BY due_wall, job, id",
            wall.timestamp(),
        )
        for task in due:
            request = _request(json.loads(task["request"]))
            response, written = execute(request)
            commits += written
            with session.store.transaction():
                session.store.update(
                    "sandbox_task",
                    {"job": task["job"], "id": task["id"]},
                    progress="succeeded" if response.status < 400 else "failed",
                    started=session.now,
                    ended=session.now,
                    status=response.status,
                    headers=json.dumps(response.headers),
                    body=response.body.decode(),
                )
        return commits

    # --- polling -----------------------------------------------------------------------------------------

    def answer(self, session: Session, request: Request) -> Response:
        """Job, tasks, one task, or its result."""
        parts = request.segments[5:]
        if request.method != "GET" or not parts or not parts[0].isdigit() or len(parts) > 4:
            raise not_found(request.path)
        job = session.store.one("SELECT * FROM sandbox_job WHERE id = ?", int(parts[0]))
        tasks = session.store.all("SELECT * FROM sandbox_task WHERE job = ? ORDER BY id", int(parts[0]))
        if job is None or (len(parts) > 1 and parts[1] != "task"):
            raise not_found(request.path)
        href = f"{session.origin}{PATH}/{job['id']}"
        if len(parts) == 1:
            return self._job(job, tasks, href)
        if len(parts) == 2:
            items = [
                {"links": [{"rel": "self", "href": f"{href}/task/{task['id']}"}], "id": str(task["id"])}
                for task in tasks
            ]
            body = {
                "links": [{"rel": "self", "href": f"{href}/task"}],
                "count": len(items),
                "hasMore": False,
                "items": items,
                "offset": 0,
                "totalResults": len(items),
            }
            return json_response(body, content_type=COLLECTION_TYPE)
        task = next((task for task in tasks if str(task["id"]) == parts[2]), None)
        if task is None:
            raise not_found(request.path)
        if len(parts) == 3:
            return self._task(task, f"{href}/task/{task['id']}")
        if parts[3] != "result" or task["status"] is None:
            raise not_found(request.path)
        return Response(task["status"], json.loads(task["headers"]), task["body"].encode())

    def _job(self, job: Row, tasks: list[Row], href: str) -> Response:
        """A job succeeds when all is done, whatever became of its records."""
        done = [task["progress"] != "pending" for task in tasks]
        completed = all(done)
        body = {
            "links": [{"rel": "self", "href": href}],
            "completed": completed,
            "id": str(job["id"]),
            "progress": "succeeded" if completed else "processing" if any(done) else "pending",
            "task": {"links": [{"rel": "self", "href": f"{href}/task"}]},
        }
        return json_response(body, content_type=SINGULAR)

    def _task(self, task: Row, href: str) -> Response:
        completed = task["progress"] != "pending"
        links = [{"rel": "related", "href": f"{href}/result"}] if completed else []
        body = {
            "links": [*links, {"rel": "self", "href": href}],
            "completed": completed,
            "id": str(task["id"]),
            "progress": task["progress"],
        }
        if completed:
            body.update(startTime=task["started"], endTime=task["ended"])
        return json_response(body, content_type=SINGULAR)


def plan(request: Request) -> list[Planned]:
    """The single requests behind an asynchronous one. Raises VendorError for a batch that is none."""
    path = request.path.rstrip("/")
    parts = request.segments[len(ROOT) :]
    tail = f"?{request.url.partition('?')[2]}" if "?" in request.url else ""
    if request.method == "DELETE" and len(parts) == 1:
        ids = [part.strip() for part in (request.parameter("ids") or "").split(",") if part.strip()]
        _check_size(len(ids), "ids")
        return [Planned("DELETE", f"{path}/{key}", None) for key in ids]
    try:
        body = request.json() if request.body.strip() else None
    except BadJson as error:
        raise VendorError("INVALID_CONTENT", f"The request body is not valid JSON: {error}") from error
    if _COLLECTION not in request.headers.get("content-type", ""):
        if len(parts) == 1 and request.method != "POST":
            raise VendorError(
                "INVALID_HEADER", f"A batch needs a Content-Type with {_COLLECTION}.", header="Content-Type"
            )
        return [Planned(request.method, path + tail, body)]
    items = body.get("items") if isinstance(body, dict) else None
    if len(parts) != 1 or not isinstance(items, list):
        raise VendorError("INVALID_CONTENT", 'A batch is {"items": [...]} on a collection.', path="items")
    _check_size(len(items), "items")
    return [_one(request.method, path, tail, item, f"items[{index}]") for index, item in enumerate(items)]


def _one(method: str, path: str, tail: str, item: Any, at: str) -> Planned:
    if not isinstance(item, dict):
        raise VendorError("INVALID_CONTENT", "A record of the batch is not an object.", path=at)
    if method == "POST":
        return Planned("POST", path + tail, item)
    external = item.get("externalId")
    if method == "PUT":
        if not external:
            raise VendorError("INVALID_CONTENT", "PUT needs the externalId of every record.", path=f"{at}.externalId")
        return Planned("PUT", f"{path}/eid:{external}{tail}", item)
    key = item.get("id") or (f"eid:{external}" if external else None)  # the internal id wins
    if key is None:
        raise VendorError("INVALID_CONTENT", "PATCH needs the id or externalId of every record.", path=f"{at}.id")
    return Planned("PATCH", f"{path}/{key}{tail}", item)


def _check_size(count: int, name: str) -> None:
    if not 1 <= count <= MAX_BATCH:
        raise VendorError("INVALID_CONTENT", f"A batch has 1 to {MAX_BATCH} records.", path=name)


def _request(stored: dict[str, Any]) -> Request:
    body = b"" if stored["body"] is None else json.dumps(stored["body"]).encode()
    return Request.build(stored["method"], stored["url"], headers=stored["headers"], body=body)

"""Asynchronous requests: a 202 says nothing about records."""

from __future__ import annotations

import json

import pytest

from erp_sync_tests.systems.netsuite.sandbox.conftest import PERSON, RECORDS

BATCH = "application/vnd.oracle.resource+json; type=collection"
KEY = "cac827ea-3543-4cda-add2-bae634326c27"


def people(*names):
    return {"items": [{**PERSON, "externalId": name} for name in names]}


def submit(account, method, path, body, **headers):
    return account.call(method, f"{RECORDS}/{path}", body, prefer="respond-async", **headers)


def poll(account, path):
    return account.call("GET", path)


def test_a_batch_is_accepted_before_anything_is_written(account):
    answer = submit(account, "POST", "customer", people("c-1", "c-2"), content_type=BATCH)
    assert (answer.status, answer.body, answer.headers["preference-applied"]) == (202, None, "respond-async")
    job = answer.headers["location"]
    assert poll(account, job).body["progress"] == "pending"
    assert account.rows("SELECT id FROM customer") == []
    account.clock.advance(1)
    commits = account.core.tick()
    assert [commit.document for commit in commits] == ["c-1", "c-2"]
    assert (poll(account, job).body["completed"], poll(account, job).body["progress"]) == (True, "succeeded")


def test_results_are_per_record_and_replay_the_answer(account):
    job = submit(account, "POST", "customer", people("c-1", "c-1"), content_type=BATCH).headers["location"]
    account.clock.advance(10)
    account.core.tick()
    tasks = poll(account, f"{job}/task").body["items"]
    assert [task["id"] for task in tasks] == ["1", "2"]
    assert [poll(account, f"{job}/task/{task['id']}").body["progress"] for task in tasks] == ["succeeded", "failed"]
    first, second = (poll(account, f"{job}/task/{task['id']}/result") for task in tasks)
    assert (first.status, first.headers["location"].rpartition("/")[0][-9:]) == (204, "/customer")
    assert (second.status, second.error["detail"][-27:]) == (400, "This entity already exists.")


def test_a_result_before_its_time_is_not_there(account):
    job = submit(account, "POST", "customer", PERSON).headers["location"]
    assert poll(account, f"{job}/task/1/result").status == 404


def test_only_so_many_tasks_work_at_once(make_account):
    account = make_account(async_parallel=2, async_seconds=5)
    job = submit(account, "POST", "customer", people("a", "b", "c"), content_type=BATCH).headers["location"]
    account.clock.advance(5)
    account.core.tick()
    assert poll(account, job).body["progress"] == "processing"
    assert len(account.rows("SELECT id FROM customer")) == 2


def test_a_repeated_key_is_refused_with_the_first_jobs_address(account):
    first = submit(account, "POST", "customer", PERSON, x_netsuite_idempotency_key=KEY)
    again = submit(account, "POST", "customer", PERSON, x_netsuite_idempotency_key=KEY)
    assert (again.status, again.body["title"], again.error["o:errorCode"]) == (400, "Conflict", "IDEMPOTENCY_ERROR")
    assert again.headers["location"] == first.headers["location"]


def test_a_key_means_nothing_when_synchronous(account):
    for _ in range(2):
        answer = account.post("customer", PERSON, x_netsuite_idempotency_key=KEY)
        assert answer.status == 204
    assert len(account.rows("SELECT id FROM customer")) == 2


def test_the_internal_id_beats_the_external(account):
    ada, other = account.customer("c-1"), account.customer("c-2", email="x@example.org")
    body = {
        "items": [{"id": other, "externalId": "c-1", "lastName": "King"}, {"externalId": "c-2", "comments": "hello"}]
    }
    job = submit(account, "PATCH", "customer", body, content_type=BATCH).headers["location"]
    account.clock.advance(10)
    account.core.tick()
    assert poll(account, f"{job}/task/1/result").status == 400  # the other's id, and an external id that is taken
    assert account.get(f"customer/{ada}")["lastName"] == "Lovelace"
    assert account.get(f"customer/{other}")["comments"] == "hello"


def test_upsert_and_delete_in_bulk(account):
    submit(account, "PUT", "customer", people("c-1", "c-2"), content_type=BATCH)
    account.clock.advance(10)
    account.core.tick()
    ids = ",".join(row["id"] for row in account.rows("SELECT id FROM customer"))
    submit(account, "DELETE", f"customer?ids={ids}", None)
    account.clock.advance(10)
    account.core.tick()
    assert account.rows("SELECT id FROM customer") == []


@pytest.mark.parametrize(
    ("method", "body", "path"),
    [
        ("POST", {"items": [{}] * 101}, "items"),
        ("POST", {"items": []}, "items"),
        ("POST", [PERSON], "items"),
        ("PUT", {"items": [PERSON]}, "items[0].externalId"),
        ("PATCH", {"items": [{"lastName": "x"}]}, "items[0].id"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_batch_that_is_none_is_refused_at_once(account, method, body, path):
    answer = submit(account, method, "customer", body, content_type=BATCH)
    assert (answer.status, answer.error["o:errorPath"]) == (400, path)


def test_jobs_survive_a_restart(account):
    """What is due is in the database, not in the process."""
    submit(account, "POST", "customer", people("c-1"), content_type=BATCH)
    stored = account.core.store.value("SELECT request FROM sandbox_task")
    assert json.loads(stored)["body"]["externalId"] == "c-1"

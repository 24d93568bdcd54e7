"""Batches: parts in turn, change sets whole or not at all."""

from __future__ import annotations

import json
import re
from email import message_from_bytes

import pytest

from erp_sync_tests.systems.sap_b1.sandbox.conftest import order_body
from erp_sync_tests.systems.sap_b1.sandbox.test_approvals import BIG, LARGE

PARTNER = {"CardCode": "C9", "CardName": "Nine"}


def part(line, body=None, content_id="", **headers):
    head = "Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n"
    if content_id:
        head += f"Content-ID: {content_id}\r\n"
    inner = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    text = "" if body is None else json.dumps(body)
    return f"{head}\r\n{line}\r\n{inner}\r\n{text}\r\n"


def change_set(*parts):
    inside = "".join(f"--cs\r\n{one}" for one in parts)
    return f"Content-Type: multipart/mixed;boundary=cs\r\n\r\n{inside}--cs--\r\n"


def send(company, *parts, version="v2", boundary="b1", **headers):
    body = "".join(f"--b1\r\n{one}" for one in parts) + "--b1--\r\n"
    content_type = f"multipart/mixed;boundary={boundary}"
    return company.call("POST", "$batch", body.encode(), version=version, content_type=content_type, **headers)


def answers(answer):
    """Status and body of every inner response, change sets flattened."""
    head = f"Content-Type: {answer.headers['content-type']}\r\n\r\n".encode()
    whole = message_from_bytes(head + answer.body.encode())
    found = []
    for one in whole.walk():
        if one.get_content_type() == "application/http":
            text = one.get_payload()
            text = text if isinstance(text, str) else one.as_string().partition("\n\n")[2]
            status = int(re.search(r"HTTP/1.1 (\d+)", text)[1])
            body = text.replace("\r\n", "\n").partition("\n\n")[2].strip()
            found.append((status, json.loads(body) if body else None))
    return found


def test_parts_are_done_in_turn(company):
    answer = send(
        company,
        part("POST /b1s/v2/BusinessPartners HTTP/1.1", PARTNER),
        part("GET BusinessPartners('C9')?$select=CardName HTTP/1.1"),
        part("PATCH /b1s/v2/BusinessPartners('C9') HTTP/1.1", {"CardName": "Neun"}),
    )
    assert answer.status == 200
    found = answers(answer)
    assert [status for status, _ in found] == [201, 200, 204]
    assert found[1][1]["CardName"] == "Nine"
    assert company.get("BusinessPartners('C9')")["CardName"] == "Neun"
    assert answer.handled.committed


def test_the_older_version_answers_202(company):
    answer = send(company, part("GET /b1s/v1/Items('BOLT')"), version="v1")
    assert answer.status == 202
    assert answers(answer)[0][1]["ItemCode"] == "BOLT"


def test_the_first_failure_stops_it_and_what_was_done_stays(company):
    answer = send(
        company,
        part("POST BusinessPartners", PARTNER),
        part("PATCH Orders(7)", {"Comments": "x"}),
        part("POST BusinessPartners", {**PARTNER, "CardCode": "C10"}),
    )
    assert answer.status == 200  # whatever came of the parts
    assert [(status, body and body.get("error", {}).get("code")) for status, body in answers(answer)] == [
        (201, None),
        (404, "-2028"),
    ]
    assert company.get("BusinessPartners/$count") == "2"


def test_a_change_set_refers_to_what_it_made(company):
    answer = send(
        company,
        change_set(
            part("POST BusinessPartners", PARTNER, "1"),
            part("PATCH $1", {"CardName": "Neun"}, "2"),
            part("POST Orders", order_body(CardCode="C9"), "3"),
            part("POST $3/Cancel", None, "4"),
        ),
    )
    assert [status for status, _ in answers(answer)] == [201, 204, 201, 204]
    assert company.get("BusinessPartners('C9')")["CardName"] == "Neun"
    assert company.get("Orders(1)")["Cancelled"] == "tYES"


def test_a_change_set_that_fails_is_undone_and_has_one_answer(company):
    answer = send(
        company,
        change_set(
            part("POST BusinessPartners", PARTNER, "1"),
            part("POST Orders", order_body(CardCode="C9"), "2"),
            part("POST Orders", order_body(CardCode="NOBODY"), "3"),
        ),
        part("GET Items('BOLT')"),
    )
    assert answer.status == 200
    assert [status for status, _ in answers(answer)] == [404]
    assert company.get("BusinessPartners/$count") == "1"
    assert company.get("Orders/$count") == "0"
    assert company.stock("BOLT") == (50, 0)
    assert not answer.handled.committed


def test_an_inner_if_match_is_ignored(company):
    company.order()
    answer = send(company, part("PATCH Orders(1)", {"Comments": "x"}, If_Match='W/"stale"'))
    assert [status for status, _ in answers(answer)] == [204]


def test_an_order_that_waits_for_approval_stays_a_draft_in_a_part_of_its_own(make_company):
    company = make_company(approval_templates=[BIG])
    assert [status for status, _ in answers(send(company, part("POST Orders", order_body(LARGE))))] == [404]
    assert company.get("Drafts/$count") == "1"
    held = change_set(part("POST Orders", order_body(LARGE), "1"))
    assert [status for status, _ in answers(send(company, held))] == [404]
    assert company.get("Drafts/$count") == "1"  # in a change set the draft is rolled back too


@pytest.mark.parametrize(
    "parts",
    [
        (),
        (change_set(part("GET Items('BOLT')", None, "1")),),
        (change_set(part("POST BusinessPartners", PARTNER)),),  # v2 wants a Content-ID
        ("Content-Type: text/plain\r\n\r\nhello\r\n",),
        ("Content-Type: application/http\r\n\r\n\r\n",),
    ],
)
def test_what_is_no_batch_is_refused_whole(company, parts):
    answer = send(company, *parts)
    assert (answer.status, answer.code) == (400, "-1000")
    if not parts:
        assert answer.message == "Incomplete Batch Request Body!"
    assert company.get("BusinessPartners/$count") == "1"


def test_a_wrong_boundary_is_no_batch(company):
    assert send(company, part("GET Items('BOLT')"), boundary="other").code == "-1000"


def test_the_older_version_wants_no_content_id(company):
    answer = send(company, change_set(part("POST BusinessPartners", PARTNER)), version="v1")
    assert [status for status, _ in answers(answer)] == [201]


def test_errors_inside_a_batch_of_the_older_version_have_an_inner_error(company):
    ((status, body),) = answers(send(company, part("GET Orders(7)"), version="v1"))
    assert (status, sorted(body["error"])) == (404, ["code", "innererror", "message"])


GO_ON = {"prefer": "odata.continue-on-error"}


def test_past_a_failure_only_when_asked_to(company):
    failing, good = part("GET Orders(7)"), part("POST BusinessPartners", PARTNER)
    assert [status for status, _ in answers(send(company, failing, good))] == [404]
    assert [status for status, _ in answers(send(company, failing, good, **GO_ON))] == [404, 201]


def test_going_on_breaks_the_server_at_a_change_set_whose_last_request_fails(company):
    wrong = part("POST Orders", order_body(CardCode="NOBODY"), "2")
    made = part("POST BusinessPartners", {**PARTNER, "CardCode": "C8"})
    answer = send(company, made, change_set(part("POST BusinessPartners", PARTNER, "1"), wrong), **GO_ON)
    assert answer.status == 502
    assert company.get("BusinessPartners/$count") == "2"  # the part before it stays
    first = change_set(wrong, part("POST BusinessPartners", PARTNER, "1"))
    assert [status for status, _ in answers(send(company, first, **GO_ON))] == [404]

"""Contract prices over HTTP: what is written is what accounts pay by the shop's own rules, and what is read back."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest

from erp_sync.model.native_prices import native_key
from erp_sync.ports.documents import Requirement
from erp_sync.ports.outcomes import Again, Applied, Refused
from erp_sync.systems.shopware.contract import body
from erp_sync.systems.shopware.criteria import Criteria
from erp_sync.systems.shopware.mapping.orders import DEFAULT_CURRENCY
from erp_sync.systems.shopware.ports.contract_prices import ids
from erp_sync.systems.shopware.written import WRITTEN
from erp_sync.transport.calls import Call
from erp_sync_tests.systems.shopware.priced_shop import SEED, PricedShop, keyed, member, priced_shop, row, rule
from erp_sync_tests.systems.shopware.test_contract import answered, problems_of

D = Decimal
AA, BB = "shared 00000000000000aa", "shared 00000000000000bb"


@pytest.fixture
def shop() -> Iterator[PricedShop]:
    with priced_shop() as one:
        yield one


def product_id(shop, number="NUT"):
    return shop.connector.catalogue.ids([number])[number]


def records(shop, entity):
    return shop.connector.client.search(entity, Criteria().at_most(500), operation="test").rows


def euros(net):
    return [{"currencyId": DEFAULT_CURRENCY, "net": net, "gross": net, "linked": False}]


def test_a_rule_its_member_and_its_row_are_what_the_member_pays(shop):
    rows = [rule(AA), member(AA), row("80.5", rule=AA)]
    shop.put(*rows)
    assert (shop.paid("C-1"), shop.paid("C-2")) == ([D("80.5")], [D(100)])
    assert shop.held() == keyed(*rows)
    assert len(shop.calls("_action/sync")) == 1
    (kept,) = records(shop, "rule")
    assert (kept["name"], kept["priority"], kept["moduleTypes"]) == (f"Contract prices: {AA}", 10, {"types": ["price"]})


def test_one_changed_price_is_one_write_of_one_record(shop):
    shop.put(rule(AA), member(AA), *(row("9", rule=AA, quantity=start) for start in (1, 10, 20)))
    before = len(shop.calls("_action/sync"))
    shop.put(row("8.125", rule=AA, quantity=10))
    assert shop.paid("C-1", "NUT", 9, 10, 19, 20) == [9, D("8.125").quantize(D("0.01"), "ROUND_HALF_UP"), D("8.13"), 9]
    assert len(shop.calls("_action/sync")) == before + 1
    tiers = {one["quantityStart"]: one["updatedAt"] for one in records(shop, "product-price")}
    assert [start for start, updated in sorted(tiers.items()) if updated] == [10]


def test_a_tier_that_comes_or_goes_moves_its_neighbour_s_end(shop):
    shop.put(rule(AA), member(AA), row("9", rule=AA), row("7", rule=AA, quantity=20))
    shop.put(row("8", rule=AA, quantity=10))
    assert shop.paid("C-1", "NUT", 1, 9, 10, 19, 20, 99) == [9, 9, 8, 8, 7, 7]
    shop.take(row("7", rule=AA, quantity=20))
    assert shop.paid("C-1", "NUT", 9, 10, 99) == [9, 8, 8]
    shop.take(row("9", rule=AA), row("8", rule=AA, quantity=10))
    assert (shop.paid("C-1"), records(shop, "product-price")) == ([100], [])


def test_of_rules_with_equal_priority_the_first_name_wins(shop):
    names = [f"shared {digest:016x}" for digest in (0xF1, 0x0A, 0xB7)]
    shop.put(*(rule(one) for one in names), *(member(one) for one in names),
             *(row(str(price), rule=one) for price, one in enumerate(names, start=1)))  # fmt: skip
    assert shop.paid("C-1") == [names.index(min(names)) + 1]
    shop.put(rule(names[0], priority=11))
    assert shop.paid("C-1") == [1]


def test_an_account_s_own_rows_go_before_all_rules_and_leave_with_nothing_behind(shop):
    own = [row("50", account="C-1"), row("45", account="C-1", quantity=5)]
    shop.put(rule(AA), member(AA), row("80", rule=AA), *own)
    assert (shop.paid("C-1", "NUT", 1, 4, 5), shop.paid("C-2")) == ([50, 50, 45], [100])
    assert len(shop.calls("_action/sync")) == 1
    shop.put(row("44", account="C-1", quantity=5))
    assert shop.paid("C-1", "NUT", 4, 5) == [50, 44]
    assert shop.held() == keyed(rule(AA), member(AA), row("80", rule=AA), own[0], row("44", account="C-1", quantity=5))
    shop.take(*own)
    assert (shop.paid("C-1"), records(shop, "custom-price")) == ([80], [])


def test_a_member_who_leaves_pays_what_others_do_and_a_rule_goes_after_its_rows(shop):
    rows = [rule(AA), member(AA), member(AA, "C-2"), row("80", rule=AA)]
    shop.put(*rows)
    shop.take(member(AA, "C-1"))
    assert (shop.paid("C-1"), shop.paid("C-2")) == ([100], [80])
    (kept,) = shop.target.remove([rule(AA)])
    assert isinstance(kept, Refused)
    assert (kept.code, kept.again) == ("in_use", Again.LATER)
    shop.take(row("80", rule=AA), member(AA, "C-2"), rule(AA))
    assert (shop.held(), records(shop, "rule"), records(shop, "tag")) == ({}, [], [])
    shop.take(rule(AA), member(AA, "C-2"), row("80", rule=AA))


def test_a_base_price_is_the_product_s_own_and_stays(shop):
    shop.put(row("90"), row("200", currency="USD"), row("91", item="A/B 100%"))
    assert (shop.paid("C-1"), shop.paid("C-1", currency="USD"), shop.paid("C-1", "A/B 100%")) == ([90], [200], [91])
    assert shop.held(base=True) == keyed(
        row("100", item="BOLT"), row("90"), row("200", currency="USD"), row("91", item="A/B 100%")
    )
    (stays,) = shop.target.remove([row("90")])
    assert (stays.code, stays.again) == ("base_price_stays", Again.NEVER)
    shop.take(row("200", currency="USD"))
    assert shop.paid("C-1", currency="USD") == [180]


def test_a_rule_s_prices_in_two_currencies_have_tiers_of_their_own(shop):
    rows = [row("80", rule=AA), row("70", rule=AA, quantity=10), row("150", rule=AA, currency="USD", quantity=5)]
    shop.put(rule(AA), member(AA), *rows)
    assert shop.paid("C-1", "NUT", 1, 9, 10) == [80, 80, 70]
    assert shop.paid("C-1", "NUT", 1, 9, 10, currency="USD") == [150, 150, 150]
    assert shop.held() == keyed(rule(AA), member(AA), *rows)


def test_a_rule_s_prices_in_another_currency_alone_have_a_price_of_the_shop_s_own_beside_them(shop):
    rows = [rule(AA), member(AA), row("150", rule=AA, currency="USD")]
    shop.put(*rows)
    assert (shop.paid("C-1", currency="USD"), shop.paid("C-1")) == ([150], [75])
    assert shop.held() == keyed(*rows)


def test_what_people_made_is_left_alone(shop):
    numbers = {"type": "customerCustomerNumber", "value": {"operator": "=", "numbers": ["C-1"]}}
    theirs = {"id": "f" * 32, "name": "Ours by hand", "priority": 99, "conditions": [numbers]}
    price = {"id": "e" * 32, "productId": product_id(shop), "ruleId": "f" * 32, "quantityStart": 1,
             "price": euros(1)}  # fmt: skip
    body = [{"entity": "rule", "action": "upsert", "payload": [theirs]},
            {"entity": "product_price", "action": "upsert", "payload": [price]}]  # fmt: skip
    shop.connector.client.write("POST", "_action/sync", body, operation="test")
    rows = [rule(AA), member(AA), row("80", rule=AA)]
    shop.put(*rows)
    assert shop.held() == keyed(*rows)
    shop.take(*rows[::-1])
    assert ([one["id"] for one in records(shop, "rule")], shop.paid("C-1")) == (["f" * 32], [1])


def test_a_rule_of_ours_that_somebody_changed_is_missed_and_written_as_it_was(shop):
    rows = [rule(AA), member(AA), row("80", rule=AA)]
    shop.put(*rows)
    everybody = {"id": "d" * 32, "type": "alwaysValid", "ruleId": ids.rule_id(AA)}
    shop.connector.client.write("DELETE", f"rule-condition/{ids.condition_id(ids.rule_id(AA), 'or')}", operation="test")
    shop.connector.client.write("POST", "rule-condition", everybody, operation="test")
    assert shop.paid("C-2") == [80]
    assert shop.held() == keyed(*rows[1:])
    shop.put(rule(AA))
    assert (shop.paid("C-1"), shop.paid("C-2"), shop.held()) == ([80], [100], keyed(*rows))


def test_a_row_that_somebody_adds_to_a_rule_of_ours_is_ours(shop):
    shop.put(rule(AA), member(AA), row("80", rule=AA))
    price = {"id": "e" * 32, "productId": product_id(shop), "ruleId": ids.rule_id(AA), "quantityStart": 3,
             "price": euros(5)}  # fmt: skip
    shop.connector.client.write("POST", "product-price", price, operation="test")
    stranger = row("5", rule=AA, quantity=3)
    assert native_key(stranger) in shop.held()
    shop.take(stranger)
    assert (shop.held(), shop.paid("C-1", "NUT", 3)) == (keyed(rule(AA), member(AA), row("80", rule=AA)), [80])


@pytest.mark.parametrize(
    ("bad", "code", "again"),
    [
        (row("1", item="NOTHING"), "unknown_sku", Again.AFTER_DEPENDENCY),
        (row("1", account="C-9"), "unknown_account", Again.AFTER_DEPENDENCY),
        (member(AA, "C-9"), "unknown_account", Again.AFTER_DEPENDENCY),
        (row("1", rule=BB), "unknown_price_rule", Again.LATER),
        (row("1", rule=AA, quantity=0), "quantity_not_whole", Again.NEVER),
        (row("1", quantity=2), "unsupported_price_kind", Again.NEVER),
        (row("-1"), "negative_price", Again.NEVER),
        (row("1", currency="JPY"), "wrong_currency", Again.NEVER),
        (row("1", unit="BOX"), "unit_of_another", Again.NEVER),
        (row("1", gross=True), "price_side", Again.NEVER),
        (row("80", rule=AA), "twice_in_batch", Again.NEVER),
    ],
)
def test_what_cannot_go_is_refused_alone_and_what_comes_again_keeps_what_it_belongs_to(shop, bad, code, again):
    good = [rule(AA), member(AA), row("80", rule=AA)]
    *outcomes, refused = shop.target.submit([*good, bad])
    assert all(isinstance(one, Applied) for one in outcomes)
    assert (refused.code, refused.again) == (code, again)
    assert shop.paid("C-1") == [80]
    first, second = shop.target.submit_together([row("70", rule=AA), bad], [])
    if code == "twice_in_batch":
        return
    assert second.code == code
    if again is Again.LATER:
        assert (first.code, first.again, shop.paid("C-1")) == ("belongs_to_refused", Again.LATER, [80])
    else:
        assert (type(first), shop.paid("C-1")) == (Applied, [70])


def test_a_rule_that_is_gone_is_looked_up_anew(shop):
    shop.put(rule(AA), row("80", rule=AA))
    shop.take(row("80", rule=AA))
    shop.connector.client.write("DELETE", f"rule/{ids.rule_id(AA)}", operation="test")
    (first,), (second,) = (shop.target.submit([row("80", rule=AA)]) for _ in range(2))
    assert [(one.code, one.again) for one in (first, second)] == [
        ("unknown_reference", Again.LATER), ("unknown_price_rule", Again.LATER),
    ]  # fmt: skip


def test_a_rule_stays_where_its_rows_did_not_get_away(shop):
    rows = [rule(AA), member(AA), row("80", rule=AA)]
    shop.put(*rows)
    shop.sandbox.fault("drop_connection", "sync", times=1)
    outcomes = shop.target.submit_together([], rows)
    assert [type(one).__name__ for one in outcomes] == ["Refused", "Unknown", "Unknown"]
    assert (outcomes[0].code, outcomes[0].again) == ("belongs_to_refused", Again.LATER)
    assert shop.held() == keyed(*rows)


def test_a_price_that_somebody_else_gave_the_customer_is_not_written_over(shop):
    (customer,) = shop.target.resolve([Requirement("customer", "C-1")]).values()
    tier = {"quantityStart": 1, "quantityEnd": None,
            "price": euros(5)}  # fmt: skip
    theirs = {"id": "c" * 32, "productId": product_id(shop), "customerId": customer, "price": [tier]}
    body = [{"action": "upsert", "payload": [theirs]}]
    shop.connector.client.write("POST", "_action/custom-price", body, operation="test")
    refused, applied = shop.target.submit([row("50", account="C-1"), row("50", account="C-1", item="BOLT")])
    assert (refused.code, type(applied)) == ("price_of_others", Applied)
    assert shop.held() == keyed(row("50", account="C-1", item="BOLT"))


def test_moves_go_in_one_transaction(shop):
    shop.put(rule(AA), member(AA), row("80", rule=AA))
    before = len(shop.calls("_action/sync"))
    outcomes = shop.target.submit_together(
        [rule(BB, 20), member(BB), row("75", rule=BB), row("60", account="C-2")], [row("80", rule=AA), member(AA)]
    )
    assert [type(one) for one in outcomes] == [Applied] * 6
    assert (shop.paid("C-1"), shop.paid("C-2")) == ([75], [60])
    assert len(shop.calls("_action/sync")) == before + 1


def test_so_many_changed_rows_are_so_many_writes_as_they_fill():
    with priced_shop(batch_size={"contract_prices.write": 5}) as shop:
        tiers = [(item, start) for item in ("NUT", "BOLT") for start in range(1, 5)]
        rows = [*(row("9", rule=AA, item=item, quantity=start) for item, start in tiers),
                *(row("50", account=f"C-{number}") for number in (1, 2, 3)), row("90"), rule(AA)]  # fmt: skip
        shop.put(rule(AA))
        before = len(shop.calls("_action/sync"))
        shop.put(*rows)
        assert len(shop.calls("_action/sync")) == before + 3  # 13 rows
        assert shop.paid("C-2") == [50]
        for one in rows:
            shop.put(one)
        assert len(shop.calls("_action/sync")) == before + 3 + len(rows)


def test_a_lost_answer_is_unknown_and_a_repeat_changes_nothing(shop):
    rows = [rule(AA), member(AA), row("80", rule=AA), row("50", account="C-2")]
    shop.sandbox.fault("drop_connection", "sync", times=1, when="after")
    assert {type(one).__name__ for one in shop.target.submit(rows)} == {"Unknown"}
    assert shop.held() == keyed(*rows)
    shop.put(*rows)
    assert shop.held() == keyed(*rows)


def test_what_the_shop_refuses_is_refused_as_a_whole_and_looked_up_anew(shop):
    rows = [rule(AA), member(AA), row("80", rule=AA)]
    (customer,) = shop.target.resolve([Requirement("customer", "C-1")]).values()
    shop.connector.client.write("DELETE", f"customer/{customer}", operation="test")
    outcomes = shop.target.submit(rows)
    assert {(one.code, one.whole_batch, one.again) for one in outcomes} == {("unknown_reference", True, Again.LATER)}
    assert shop.held() == {}
    assert [getattr(one, "code", "") for one in shop.target.submit(rows)] == ["", "unknown_account", ""]
    assert shop.held() == keyed(rows[0], rows[2])


def test_read_tells_the_rows_of_products_and_on_demand_rules_and_members(shop):
    rows = [rule(AA), member(AA), row("80", rule=AA), row("50", account="C-1")]
    shop.put(*rows, row("3", rule=AA, item="BOLT"))

    def read(*skus):
        return keyed(*(one for page in shop.target.read(skus) for one in page))

    assert read("NUT") == keyed(*rows[2:], row("100"))
    assert read("NUT", "", "NOTHING") == keyed(*rows, row("100"))
    assert [shop.target.sku(native_key(one)) for one in (*rows, row("1", item="A/B 100%"))] == [
        "", "", "NUT", "NUT", "A/B 100%",
    ]  # fmt: skip
    wanted = [need for one in rows for need in shop.target.requirements(one)]
    assert set(shop.target.resolve([*wanted, Requirement("product", "NO")])) == set(wanted)


def test_a_shop_whose_erp_has_prices_with_tax():
    with priced_shop(price_amounts="gross") as shop:
        rows = [
            rule(AA),
            member(AA),
            row("119", rule=AA, gross=True),
            row("59.5", account="C-1", gross=True, item="BOLT"),
        ]
        shop.put(*rows)
        assert (shop.paid("C-1"), shop.paid("C-1", "BOLT")) == ([100], [50])
        assert shop.held() == keyed(*rows)


def test_without_prices_of_customers_an_account_has_a_rule_of_its_own():
    with priced_shop(options={"commercial": False}, account_prices="rule") as shop:
        rows = [row("50", account="C-1"), row("45", account="C-1", quantity=5)]
        shop.put(rule(AA), member(AA), row("80", rule=AA), *rows)
        assert (shop.paid("C-1", "NUT", 1, 5), shop.paid("C-2")) == ([50, 45], [100])
        assert shop.held() == keyed(rule(AA), member(AA), row("80", rule=AA), *rows)
        shop.take(*rows)
        assert shop.paid("C-1") == [80]


def test_customers_who_share_a_number_share_its_prices(shop):
    twin = {**SEED["customers"][0], "email": "twin@example.com"}
    shop.sandbox.control("POST", "seed", {"customers": [twin]})
    rows = [rule(AA), member(AA), row("50", account="C-1")]
    shop.put(*rows)
    assert shop.held() == keyed(*rows)
    assert (len(records(shop, "custom-price")), shop.paid("C-2")) == (2, [100])
    third = {**SEED["customers"][0], "email": "third@example.com"}
    shop.sandbox.control("POST", "seed", {"customers": [third]})
    assert shop.held() == keyed(rule(AA)), "the third has none of it"


def test_what_is_sent_is_what_the_mapping_document_and_the_published_schemas_say(shop):
    sent: list[Call] = []
    really = shop.connector.client._sender.send
    shop.connector.client._sender.send = lambda call: sent.append(call) or really(call)
    rows = [rule(AA), member(AA), row("80", rule=AA), row("50", account="C-1"), row("90")]
    shop.put(*rows)
    shop.take(*rows[:4])
    for call in sent:
        path = call.path.removeprefix("/api")
        assert problems_of(path, "post", call.json) == []
    puts = [one for call in sent if call.path.endswith("sync") for one in call.json if one["action"] == "upsert"]
    schemas = dict(WRITTEN["contract_prices.write"].entities) | {"product": "Product"}
    for one in puts:
        if one["entity"] in schemas:
            for record in one["payload"]:
                # The contract calls the tiers of a custom price an object; they are a list (fact sheet, section 4).
                record = {
                    name: value for name, value in record.items() if (one["entity"], name) != ("custom_price", "price")
                }
                assert answered(record, schemas[one["entity"]]) == []
    names = {f"{one['entity']}.{name}" for one in puts for record in one["payload"] for name in record}
    names = {"customer_tag" if name.startswith("customer_tag.") else name for name in names}
    declared = {target.removesuffix("[]") for _, target, _ in WRITTEN["contract_prices.write"].fields}
    assert names == declared
    published = {one.path for one in body("contract_prices.write").fields}
    assert {target for _, target, _ in WRITTEN["contract_prices.write"].fields} - published <= {
        "customer_tag", "product.id", "product.price[]", "rule.conditions[]",
    }  # fmt: skip

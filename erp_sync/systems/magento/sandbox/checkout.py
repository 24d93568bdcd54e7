"""Placing the order of a cart: the last stock check, reservations, the order's rows, the payment."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from erp_sync.systems.magento.sandbox import cart, inventory, invoices, mails, orders, payments
from erp_sync.systems.magento.sandbox.cart_lines import collect, customer_group
from erp_sync.systems.magento.sandbox.cart_totals import PAYMENT_TITLES, payment_methods
from erp_sync.systems.magento.sandbox.database import Row
from erp_sync.systems.magento.sandbox.errors import InputException, LocalizedException
from erp_sync.systems.magento.sandbox.routing import ANONYMOUS, SELF, Call, route
from erp_sync.systems.magento.sandbox.shop import ZERO, Shop, from_json, json_text
from erp_sync.systems.magento.sandbox.totals import CARRIERS, Line, Totals


def _payment_information(call: Call) -> Any:
    """Set payment and billing address, and place the order; answers the order's entity id."""
    quote = cart.of_call(call)
    fields: dict[str, Any] = {}
    if call.body.get("email"):
        fields["customer_email"] = call.body["email"]
    if call.body.get("billingAddress"):
        fields["billing_address"] = json_text(cart.address_of(call.shop, call.body["billingAddress"]))
    if fields:
        call.shop.database.update("quote", {"entity_id": quote["entity_id"]}, fields)
    return _place(call, {**quote, **fields}, call.body["paymentMethod"])


route("POST", "/V1/guest-carts/{cartId}/payment-information", resource=ANONYMOUS)(_payment_information)
route("POST", "/V1/carts/mine/payment-information", resource=SELF)(_payment_information)


def _order_cart(call: Call) -> Any:
    quote = cart.of_call(call)
    payment = call.body.get("paymentMethod") or from_json(quote["payment_method"])
    if not payment:
        raise InputException("Enter a valid payment method and try again.")
    return _place(call, quote, payment)


route("PUT", "/V1/guest-carts/{cartId}/order", resource=ANONYMOUS, kind="create")(_order_cart)
route("PUT", "/V1/carts/mine/order", resource=SELF, kind="create")(_order_cart)


def _set_payment_information(call: Call) -> Any:
    quote = cart.of_call(call)
    fields = {"payment_method": json_text(call.body["paymentMethod"])}
    if call.body.get("email"):
        fields["customer_email"] = call.body["email"]
    if call.body.get("billingAddress"):
        fields["billing_address"] = json_text(cart.address_of(call.shop, call.body["billingAddress"]))
    call.shop.database.update("quote", {"entity_id": quote["entity_id"]}, fields)
    return True


route("POST", "/V1/guest-carts/{cartId}/set-payment-information", resource=ANONYMOUS, kind="update")(
    _set_payment_information
)
route("POST", "/V1/carts/mine/set-payment-information", resource=SELF, kind="update")(_set_payment_information)


def _place(call: Call, quote: Row, payment: dict[str, Any]) -> int:
    order = place(call.shop, quote, payment)
    call.document = str(order["increment_id"])
    return int(order["entity_id"])


def place(shop: Shop, quote: Row, payment: dict[str, Any]) -> Row:
    """Turn a cart into an order. Raises LocalizedException when it cannot be one; then nothing is kept."""
    found = collect(shop, quote)
    _check(shop, quote, found, payment)
    store = shop.store(quote["store_id"])
    stock = inventory.stock_of_website(shop, store["website_code"])
    wanted: dict[str, Decimal] = {}
    for line in found.lines:
        if not line.children and line.product["type_id"] in inventory.STOCKED_TYPES:
            sku = line.product["sku"]
            wanted[sku] = wanted.get(sku, ZERO) + line.quantity
    for sku, quantity in wanted.items():
        problem = inventory.check(shop, sku, stock, quantity)
        if problem:
            raise LocalizedException(problem)
    order = _order(shop, quote, store, found)
    identity = order["entity_id"] = shop.database.insert("sales_order", order)
    inventory.reserve(shop, stock, {sku: -quantity for sku, quantity in wanted.items()}, "order_placed", order)
    _addresses(shop, quote, order, found)
    item_ids = _items(shop, order, found)
    _tax_rows(shop, identity, found, item_ids)
    _use_balances(shop, quote, order, found)
    _count_coupon(shop, quote, found)
    shop.database.update(
        "quote",
        {"entity_id": quote["entity_id"]},
        {"is_active": 0, "reserved_order_id": order["increment_id"], "converted_at": shop.now()},
    )
    _pay(shop, order, payment)
    kept = orders.row(shop, identity)
    shop.wrote("sales_order", kept["increment_id"])
    mails.order_placed(shop, kept)
    return kept


def _check(shop: Shop, quote: Row, found: Totals, payment: dict[str, Any]) -> None:
    if not found.lines:
        raise LocalizedException(
            "A server error stopped your order from being placed. Please try to place your order again."
        )
    if not quote["customer_email"]:
        raise LocalizedException("Email has a wrong format")
    if not quote["billing_address"]:
        raise LocalizedException("Please check the billing address information.")
    if not found.virtual:
        if not quote["shipping_address"]:
            raise LocalizedException("Some addresses can't be used due to the configurations for specific countries.")
        if not quote["shipping_method"]:
            raise LocalizedException("The shipping method is missing. Select the shipping method and try again.")
    method = payment.get("method")
    if method not in {entry["code"] for entry in payment_methods(shop, found)}:
        raise LocalizedException("The requested Payment Method is not available.")
    if method == "purchaseorder" and not payment.get("po_number"):
        raise LocalizedException("Purchase order number is a required field.")


def _order(shop: Shop, quote: Row, store: Row, found: Totals) -> dict[str, Any]:
    now = shop.now()
    order: dict[str, Any] = {
        "increment_id": shop.next_number("order", store["store_id"]),
        "state": "new",
        "status": "pending",
        "created_at": now,
        "updated_at": now,
        "store_id": store["store_id"],
        "website_id": store["website_id"],
        "store_name": f"{store['website_name']}\n{store['group_name']}\n{store['name']}",
        "quote_id": quote["entity_id"],
        "protect_code": shop.token(),
        "remote_ip": "127.0.0.1",
        "is_virtual": int(found.virtual),
        "email_sent": 0,
        "customer_note_notify": 1,
        "total_item_count": len([line for line in found.lines if line.parent is None]),
        "total_qty_ordered": sum((line.quantity for line in found.lines if line.parent is None), ZERO),
        "weight": sum((_row_weight(line) for line in found.lines if not line.children), ZERO),
        "applied_rule_ids": ",".join(str(rule["rule_id"]) for rule in found.rules) or None,
        "base_currency_code": store["base_currency"],
        "global_currency_code": store["base_currency"],
        "store_currency_code": store["currency"],
        "order_currency_code": store["currency"],
        "base_to_global_rate": Decimal(1),
        "base_to_order_rate": found.rate,
        "store_to_base_rate": ZERO,
        "store_to_order_rate": ZERO,
        "gift_cards": json_text(found.gift_cards),
    }
    order |= _customer(shop, quote)
    for prefix, amounts in found.amounts():
        order |= {
            f"{prefix}grand_total": amounts.grand_total,
            f"{prefix}subtotal": amounts.subtotal,
            f"{prefix}subtotal_incl_tax": amounts.subtotal_incl_tax,
            f"{prefix}discount_amount": -amounts.discount,
            f"{prefix}shipping_amount": amounts.shipping,
            f"{prefix}shipping_discount_amount": amounts.shipping_discount,
            f"{prefix}shipping_incl_tax": amounts.shipping_incl_tax,
            f"{prefix}shipping_tax_amount": amounts.shipping_tax,
            f"{prefix}tax_amount": amounts.tax,
            f"{prefix}total_due": amounts.grand_total,
            f"{prefix}discount_tax_compensation_amount": ZERO,
            f"{prefix}gift_cards_amount": amounts.gift_cards,
            f"{prefix}customer_balance_amount": amounts.store_credit,
        }
    order["shipping_discount_tax_compensation_amount"] = ZERO
    order["base_shipping_discount_tax_compensation_amnt"] = ZERO
    if not found.virtual:
        order["shipping_method"] = quote["shipping_method"]
        order["shipping_description"] = " - ".join(CARRIERS[quote["shipping_method"]])
    coupon = next((rule for rule in found.rules if rule.get("coupon")), None)
    if coupon:
        order["coupon_code"] = quote["coupon_code"]
        order["discount_description"] = coupon["store_label"] or quote["coupon_code"]
    elif found.order.discount:
        labels = [rule["store_label"] or rule["name"] for rule in found.rules]
        order["discount_description"] = ", ".join(dict.fromkeys(labels))
    return order


def _customer(shop: Shop, quote: Row) -> dict[str, Any]:
    group = customer_group(shop, quote)["customer_group_id"]
    fields = {"customer_email": quote["customer_email"], "customer_group_id": group, "customer_is_guest": 1}
    if not quote["customer_id"]:
        billing = from_json(quote["billing_address"], {})
        return {**fields, "customer_firstname": billing.get("firstname"), "customer_lastname": billing.get("lastname")}
    customer = shop.database.row("SELECT * FROM customer_entity WHERE entity_id = ?", [quote["customer_id"]])
    assert customer is not None
    names = ("prefix", "firstname", "middlename", "lastname", "suffix", "dob", "gender", "taxvat")
    return {
        **fields,
        "customer_is_guest": 0,
        "customer_id": customer["entity_id"],
        "customer_email": customer["email"],
        **{f"customer_{name}": customer[name] for name in names},
    }


def _row_weight(line: Line) -> Decimal:
    return Decimal((line.product["weight"] or ZERO) * line.quantity)


def _addresses(shop: Shop, quote: Row, order: dict[str, Any], found: Totals) -> None:
    kinds = ["billing"] if found.virtual else ["billing", "shipping"]
    for kind in kinds:
        address = from_json(quote[f"{kind}_address"], {})
        identity = shop.database.insert(
            "sales_order_address",
            {
                **address,
                "street": json_text(address.get("street") or []),
                "parent_id": order["entity_id"],
                "address_type": kind,
                "email": address.get("email") or order["customer_email"],
            },
        )
        order[f"{kind}_address_id"] = identity
        shop.database.update("sales_order", {"entity_id": order["entity_id"]}, {f"{kind}_address_id": identity})


def _items(shop: Shop, order: dict[str, Any], found: Totals) -> dict[int, int]:
    """Insert the order's rows; returns order item id by quote item id."""
    ids: dict[int, int] = {}
    for line in found.lines:
        row: dict[str, Any] = {
            "order_id": order["entity_id"],
            "quote_item_id": line.item["item_id"],
            "parent_item_id": ids.get(line.item["parent_item_id"] or 0),
            "store_id": order["store_id"],
            "created_at": order["created_at"],
            "updated_at": order["updated_at"],
            "product_id": line.product["entity_id"],
            "product_type": line.product["type_id"],
            "product_options": json_text(_product_options(line)),
            "weight": line.product["weight"],
            "row_weight": _row_weight(line),
            "is_virtual": int(line.virtual),
            "sku": line.item["sku"],
            "name": line.item["name"],
            "applied_rule_ids": ",".join(map(str, line.rule_ids)) or None,
            "free_shipping": 0,
            "is_qty_decimal": 0,
            "no_discount": 0,
            "qty_ordered": line.quantity,
            "qty_canceled": ZERO,
            "qty_invoiced": ZERO,
            "qty_refunded": ZERO,
            "qty_shipped": ZERO,
            "base_cost": line.product["cost"],
            "tax_percent": line.tax_percent,
            "discount_percent": line.discount_percent,
            "amount_refunded": ZERO,
            "base_amount_refunded": ZERO,
        }
        for prefix, figures in line.figures():
            row |= {
                f"{prefix}price": figures.price,
                f"{prefix}original_price": figures.original_price,
                f"{prefix}row_total": figures.row_total,
                f"{prefix}row_invoiced": ZERO,
                f"{prefix}tax_amount": figures.tax,
                f"{prefix}tax_invoiced": ZERO,
                f"{prefix}discount_amount": figures.discount,
                f"{prefix}discount_invoiced": ZERO,
                f"{prefix}price_incl_tax": figures.price_incl_tax,
                f"{prefix}row_total_incl_tax": figures.row_total_incl_tax,
                f"{prefix}discount_tax_compensation_amount": ZERO,
            }
        ids[line.item["item_id"]] = shop.database.insert("sales_order_item", row)
    return ids


def _product_options(line: Line) -> dict[str, Any]:
    """What was chosen, and how a composite product is calculated and shipped."""
    options: dict[str, Any] = {}
    chosen = from_json(line.item["options"])
    if chosen:
        options["extension_attributes"] = chosen
    if line.product["type_id"] == "bundle":
        options["product_calculations"] = int(line.product["price_type"] == 0)
        options["shipment_type"] = int(line.product["shipment_type"] or 0)
    if line.product["type_id"] == "configurable":
        options |= {"simple_sku": line.item["sku"], "simple_name": line.children[0].item["name"]}
    return options


def _tax_rows(shop: Shop, order_id: int, found: Totals, item_ids: dict[int, int]) -> None:
    """One `sales_order_tax` per rate, and one `sales_order_tax_item` per rate and row (or the shipping)."""
    applied: dict[str, Any] = {}
    sums: dict[str, list[Decimal]] = {}
    parts: list[tuple[str, int | None, Decimal, Decimal]] = []
    sources: list[tuple[int | None, Any, list[Decimal], list[Decimal]]] = [
        (item_ids[line.item["item_id"]], line.taxes, line.base.tax_amounts, line.order.tax_amounts)
        for line in found.lines
        if line.carries
    ]
    if not found.virtual:
        shipping = (found.base.shipping_tax_amounts, found.order.shipping_tax_amounts)
        sources.append((None, found.shipping_taxes, *shipping))
    for item_id, taxes, base_amounts, amounts in sources:
        for tax, base_amount, amount in zip(taxes, base_amounts, amounts, strict=True):
            applied[tax.identity] = tax
            kept = sums.setdefault(tax.identity, [ZERO, ZERO])
            kept[0] += base_amount
            kept[1] += amount
            parts.append((tax.identity, item_id, base_amount, amount))
    for identity, tax in applied.items():
        base_sum, amount_sum = sums[identity]
        if not amount_sum and not base_sum:
            continue
        for rate in tax.rates:
            share = rate.percent / tax.percent
            tax_id = shop.database.insert(
                "sales_order_tax",
                {
                    "order_id": order_id,
                    "code": rate.code,
                    "title": rate.title,
                    "percent": rate.percent,
                    "amount": amount_sum,
                    "priority": tax.priority,
                    "position": tax.position,
                    "base_amount": base_sum,
                    "process": tax.process,
                    "base_real_amount": base_sum * share,
                },
            )
            for of_tax, item_id, base_amount, amount in parts:
                if of_tax == identity:
                    shop.database.insert(
                        "sales_order_tax_item",
                        {
                            "tax_id": tax_id,
                            "item_id": item_id,
                            "tax_percent": rate.percent,
                            "amount": amount,
                            "base_amount": base_amount,
                            "real_amount": amount * share,
                            "real_base_amount": base_amount * share,
                            "taxable_item_type": "shipping" if item_id is None else "product",
                        },
                    )


def _use_balances(shop: Shop, quote: Row, order: dict[str, Any], found: Totals) -> None:
    for card in found.gift_cards:
        balance = shop.database.value(
            "SELECT balance FROM magento_giftcardaccount WHERE giftcardaccount_id = ?", [card["id"]]
        )
        shop.database.update(
            "magento_giftcardaccount", {"giftcardaccount_id": card["id"]}, {"balance": balance - card["base_amount"]}
        )
    if found.base.store_credit:
        payments.add_credit(shop, order, -found.base.store_credit)


def _count_coupon(shop: Shop, quote: Row, found: Totals) -> None:
    for rule in found.rules:
        shop.database.run("UPDATE salesrule SET times_used = times_used + 1 WHERE rule_id = ?", [rule["rule_id"]])
        if rule.get("coupon"):
            shop.database.run(
                "UPDATE salesrule_coupon SET times_used = times_used + 1 WHERE code = ?", [quote["coupon_code"]]
            )


def _pay(shop: Shop, order: dict[str, Any], payment: dict[str, Any]) -> None:
    title = PAYMENT_TITLES.get(payment["method"], payment["method"])
    taken = payments.take(shop, order, payment, title)
    fields = {
        **taken.fields,
        "parent_id": order["entity_id"],
        "method": payment["method"],
        "additional_information": json_text(taken.fields["additional_information"]),
    }
    for prefix in ("base_", ""):
        fields[f"{prefix}amount_ordered"] = order[f"{prefix}grand_total"]
        fields[f"{prefix}shipping_amount"] = order[f"{prefix}shipping_amount"]
    identity = shop.database.insert("sales_order_payment", fields)
    kept = orders.row(shop, order["entity_id"])
    if taken.fields.get("amount_authorized"):
        payments.transaction(shop, kept, identity, "authorization", taken.fields["last_trans_id"])
        orders.touch(shop, kept, state=taken.state, status=orders.DEFAULT_STATUS[taken.state])
        words = f"Authorized amount of ${order['base_grand_total']:.2f}."
        comment = f'{words} Transaction ID: "{taken.fields["last_trans_id"]}"'
        orders.add_history(shop, kept, comment, notified=0)
    elif taken.capture:
        orders.touch(shop, kept, state="processing", status="processing")
        invoices.create(shop, kept, None, capture=True)
    else:
        orders.touch(shop, kept, status=orders.DEFAULT_STATUS[taken.state])
    # Placing is one write for readers: what the steps above recorded as updates belongs to it.
    shop.commits = [commit for commit in shop.commits if commit.entity != "sales_order"]

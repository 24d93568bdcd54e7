"""What an order would amount to, without making it: ``OrdersService_Preview {"Document": {…}}``.

A hidden action that the manual names ([SL]); it is published for Orders, ReturnRequest and GoodsReturnRequest only.
LineTotal and DocTotal come back (obs.); approval procedures and add-ons are not asked (unconfirmed).
"""

from __future__ import annotations

from typing import Any

from erp_sync.sandbox.core import Response, json_response
from erp_sync.systems.sap_b1.sandbox import rows
from erp_sync.systems.sap_b1.sandbox.context import Context
from erp_sync.systems.sap_b1.sandbox.document_building import ORDER, build
from erp_sync.systems.sap_b1.sandbox.entities import SETS
from erp_sync.systems.sap_b1.sandbox.errors import JSON, malformed, not_found
from erp_sync.systems.sap_b1.sandbox.masterdata import partner
from erp_sync.systems.sap_b1.sandbox.pricing import item_price, units
from erp_sync.systems.sap_b1.sandbox.pricing.question import Question
from erp_sync.systems.sap_b1.sandbox.values import decimal, normalised, number, rendered


def preview(context: Context, body: Any) -> Response:
    """The document as it would be. Raises ServiceLayerError."""
    document = body.get("Document") if isinstance(body, dict) else None
    if document is None:
        raise malformed("Property 'Document' is mandatory")
    sent = normalised("Document", document, context.user_fields)
    sent = {name: value for name, value in sent.items() if name not in SETS["Orders"].read_only}
    found = build(context, ORDER, sent, sent, None)
    lines = [{**line, "DocEntry": None} for line in found["DocumentLines"]]
    # Without keys, and the type by its number: as the manual shows (v1.29, section 3.5).
    found |= {"DocEntry": None, "DocNum": None, "DocObjectCode": ORDER.number, "DocumentLines": lines}
    return json_response(_annotated(context, "Document", found), 200, content_type=JSON)


def get_item_price(context: Context, body: Any) -> Response:
    """``CompanyService_GetItemPrice {"ItemPriceParams": {…}}``: Price, Currency, Discount of one item; no source.

    Without CardCode the named price list alone counts (unconfirmed). No price is 0 (obs.).
    Raises ServiceLayerError.
    """
    given = body.get("ItemPriceParams") if isinstance(body, dict) else None
    if given is None:
        raise malformed("Property 'ItemPriceParams' is mandatory")
    sent = normalised("ItemPriceParams", given, context.user_fields)
    item = rows.read(context.store, "Items", sent.get("ItemCode") or "")
    if item is None:
        raise not_found()
    local = context.options.local_currency
    if sent.get("CardCode"):
        owner = partner(context, sent["CardCode"])
    else:
        owner = {"CardCode": "", "Currency": local, "PriceListNum": context.options.default_price_list,
                 "NoDiscounts": "tYES"}  # fmt: skip
    own = owner.get("Currency")
    uom = sent["UoMEntry"] if sent.get("UoMEntry") is not None else units.sales_unit(context, item)
    quantity = sent.get("UoMQuantity")
    if quantity is None and sent.get("InventoryQuantity") is not None:
        quantity = decimal(sent["InventoryQuantity"]) / units.factor(context, item, uom)
    question = Question(
        owner,
        item,
        sent.get("Date") or context.today,
        decimal(1 if quantity is None else quantity),
        uom,
        sent.get("PriceList") or owner.get("PriceListNum") or context.options.default_price_list,
        sent.get("Currency") or (own if own not in (None, "##") else local),
        sent.get("BlanketAgreementNumber"),
        sent.get("BlanketAgreementLine"),
    )
    offer = item_price.price(context, question)
    after = context.options.item_price_is == "after"
    price = offer.net(context.options.price) if after else offer.unit_price
    answer = {"Price": number(price), "Currency": offer.currency, "Discount": number(offer.discount)}
    return json_response(_annotated(context, "ItemPriceReturnParams", answer), 200, content_type=JSON)


def _annotated(context: Context, type_name: str, data: dict[str, Any]) -> dict[str, Any]:
    mark = "odata.metadata" if context.version == "v1" else "@odata.context"
    return {
        mark: f"{context.origin}{context.root}/$metadata#SAPB1.{type_name}",
        **rendered(type_name, data, context.version, context.user_fields),
    }

"""Number ranges: the next number of orders, customers, products.

Facts: the fact sheet, section 4 (``GET /api/_action/number-range/reserve/{type}/{salesChannel}``); pattern {n} and
starts as src/Core/Migration/V6_3/Migration1536233560BasicData.php installs them (order and customer from 10000,
product SW10000).
"""

from __future__ import annotations

from erp_sync.sandbox.core import Response
from erp_sync.systems.shopware.sandbox import errors
from erp_sync.systems.shopware.sandbox.routing import Call, Route, answer
from erp_sync.systems.shopware.sandbox.shop import Shop

RANGES = {"order": ("{n}", 10000), "customer": ("{n}", 10000), "product": ("SW{n}", 10000)}


def routes() -> list[Route]:
    return [Route("number-range.reserve", "GET", "/api/_action/number-range/reserve/{type}/{saleschannel}", "create",
                  reserve, True)]  # fmt: skip


def reserve(call: Call) -> Response:
    kind = call.path["type"]
    if kind not in RANGES:
        raise errors.failure(
            "CONTENT__NUMBER_RANGE_CONFIGURATION_NOT_FOUND", f"No number range configuration found for {kind}."
        )
    preview = call.request.parameter("preview") in ("1", "true")
    return answer({"number": following(call.shop, kind, preview=preview)})


def following(shop: Shop, kind: str, *, preview: bool = False) -> str:
    """The next number of a range; taken unless it is a preview. A number taken is never given again."""
    pattern, start = RANGES[kind]
    row = shop.database.row('SELECT id, "lastValue" AS last FROM number_range WHERE "technicalName" = ?', [kind])
    assert row is not None
    number = start if row["last"] is None else row["last"] + 1
    if not preview:
        shop.database.update("number_range", {"id": row["id"]}, {"lastValue": number})
    return pattern.replace("{n}", str(number))

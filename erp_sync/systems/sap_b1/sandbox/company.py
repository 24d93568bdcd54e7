"""What the company says of itself: CompanyService's settings, as far as this sandbox has them.

EnableWebhook is newer than the published contract (fact sheet, section 7); it is the one setting that can be changed.
"""

from __future__ import annotations

from typing import Any

from erp_sync.sandbox.core import Response, json_response
from erp_sync.systems.sap_b1.sandbox.context import Context
from erp_sync.systems.sap_b1.sandbox.errors import JSON, malformed
from erp_sync.systems.sap_b1.sandbox.sessions import SERVICE_VERSION

WEBHOOKS = "EnableWebhook"


def _flag(value: Any) -> str:
    return "tYES" if value else "tNO"


def company_info(context: Context, body: Any) -> Response:
    """``CompanyService_GetCompanyInfo``."""
    found = {
        "CompanyName": context.options.company_db,
        "Version": int(SERVICE_VERSION),
        "BlockStockNegativeQuantity": _flag(not context.setting("negative_stock")),
        "EnableTransactionNotification": "tYES",
    }
    return json_response(found, 200, content_type=JSON)


def admin_info(context: Context, body: Any) -> Response:
    """``CompanyService_GetAdminInfo``: currency and decimals, among others."""
    found = {
        "CompanyName": context.options.company_db,
        "LocalCurrency": context.options.local_currency,
        "SystemCurrency": context.options.local_currency,
        "PriceAccuracy": context.options.price_decimals,
        "TotalsAccuracy": context.options.amount_decimals,
        "DefaultCustomerPriceList": context.options.default_price_list,
        "BlockStockNegativeQuantity": _flag(not context.setting("negative_stock")),
        "CreditRestriction": _flag(context.setting("credit_restriction") == "refused"),
        WEBHOOKS: _flag(context.setting("webhooks")),
    }
    return json_response(found, 200, content_type=JSON)


def update_admin_info(context: Context, body: Any) -> Response:
    """``CompanyService_UpdateAdminInfo``: the company's other settings are options of the sandbox."""
    info = body.get("AdminInfo") if isinstance(body, dict) else None
    if not isinstance(info, dict) or set(info) != {WEBHOOKS} or info[WEBHOOKS] not in ("tYES", "tNO"):
        raise malformed("AdminInfo of this sandbox takes EnableWebhook")
    context.store.keep("setting webhooks", info[WEBHOOKS] == "tYES")
    return Response(204)

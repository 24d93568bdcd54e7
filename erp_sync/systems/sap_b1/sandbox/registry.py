"""Which entity sets and services there are, and who answers for each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from erp_sync.sandbox.core import Request, Response
from erp_sync.systems.sap_b1.sandbox import company, exchange_rates, pick_lists, preview, webhooks
from erp_sync.systems.sap_b1.sandbox.approvals import ApprovalRequests, Approvals
from erp_sync.systems.sap_b1.sandbox.context import Context
from erp_sync.systems.sap_b1.sandbox.courier import Courier
from erp_sync.systems.sap_b1.sandbox.documents import Orders
from erp_sync.systems.sap_b1.sandbox.drafts import Drafts, save_to_document
from erp_sync.systems.sap_b1.sandbox.entities import SETS
from erp_sync.systems.sap_b1.sandbox.errors import unsupported
from erp_sync.systems.sap_b1.sandbox.goods_movements import ISSUE, RECEIPT, GoodsMovements
from erp_sync.systems.sap_b1.sandbox.kind import Kind
from erp_sync.systems.sap_b1.sandbox.masterdata import BusinessPartners, Items, UserFieldsMD
from erp_sync.systems.sap_b1.sandbox.paths import Resource
from erp_sync.systems.sap_b1.sandbox.pick_lists import PickLists
from erp_sync.systems.sap_b1.sandbox.posted_documents import (
    CreditNotes,
    DeliveryNotes,
    Invoices,
    PurchaseDeliveryNotes,
    Returns,
)
from erp_sync.systems.sap_b1.sandbox.price_lists import PriceLists
from erp_sync.systems.sap_b1.sandbox.pricing.agreements import BlanketAgreements
from erp_sync.systems.sap_b1.sandbox.pricing.discount_groups import DiscountGroups
from erp_sync.systems.sap_b1.sandbox.pricing.special_prices import SpecialPrices
from erp_sync.systems.sap_b1.sandbox.product_trees import ProductTrees
from erp_sync.systems.sap_b1.sandbox.service import Entities, body_of
from erp_sync.systems.sap_b1.sandbox.sql_queries import SQLQueries, list_rows
from erp_sync.systems.sap_b1.sandbox.stock_transfers import StockTransfers
from erp_sync.systems.sap_b1.sandbox.webhooks import Subscriptions

CATALOG = "EventSubscriptionsService_GetEventCatalog"
Service = Callable[[Context, Any], Response]


class Registry:
    """Every resource of the service root."""

    def __init__(self, courier: Courier) -> None:
        self.subscriptions = Subscriptions(courier)
        self.kinds: dict[str, Kind] = {name: Kind(entity) for name, entity in SETS.items()}
        self.kinds |= {
            "Items": Items(SETS["Items"]),
            "BusinessPartners": BusinessPartners(SETS["BusinessPartners"]),
            "UserFieldsMD": UserFieldsMD(SETS["UserFieldsMD"]),
            "PriceLists": PriceLists(SETS["PriceLists"]),
            "SpecialPrices": SpecialPrices(SETS["SpecialPrices"]),
            "SQLQueries": SQLQueries(SETS["SQLQueries"]),
            "EnhancedDiscountGroups": DiscountGroups(SETS["EnhancedDiscountGroups"]),
            "BlanketAgreements": BlanketAgreements(SETS["BlanketAgreements"]),
        }
        self.entities = entities = Entities(self.kinds)
        approvals = Approvals(entities)
        self.kinds |= {
            "Orders": Orders(SETS["Orders"], entities, approvals),
            "Drafts": Drafts(entities, approvals),
            "DeliveryNotes": DeliveryNotes(entities),
            "Invoices": Invoices(entities),
            "Returns": Returns(entities),
            "CreditNotes": CreditNotes(entities),
            "PurchaseDeliveryNotes": PurchaseDeliveryNotes(entities),
            "StockTransfers": StockTransfers(entities),
            "ProductTrees": ProductTrees(SETS["ProductTrees"]),
            "InventoryGenEntries": GoodsMovements(entities, "InventoryGenEntries", RECEIPT, 1),
            "InventoryGenExits": GoodsMovements(entities, "InventoryGenExits", ISSUE, -1),
            "PickLists": PickLists(),
            "ApprovalRequests": ApprovalRequests(entities),
        }
        self.services: dict[str, Service] = {
            "OrdersService_Preview": preview.preview,
            "CompanyService_GetItemPrice": preview.get_item_price,
            "SBOBobService_GetCurrencyRate": exchange_rates.get_rate,
            "SBOBobService_SetCurrencyRate": exchange_rates.set_rate,
            "SBOBobService_GetLocalCurrency": exchange_rates.local_currency,
            "SBOBobService_GetSystemCurrency": exchange_rates.local_currency,
            "CompanyService_GetCompanyInfo": company.company_info,
            "CompanyService_GetAdminInfo": company.admin_info,
            "CompanyService_UpdateAdminInfo": company.update_admin_info,
            "DraftsService_SaveDraftToDocument": lambda context, body: save_to_document(
                context, entities, approvals, body
            ),
            "PickListsService_Close": lambda context, body: pick_lists.close(context, entities, body),
        }

    def handle(self, context: Context, request: Request, resource: Resource) -> Response:
        """Raises ServiceLayerError."""
        service = self.services.get(resource.name)
        if service is not None:
            if request.method != "POST":
                raise unsupported()
            return service(context, body_of(request) if request.body else None)
        if resource.name == "EventSubscriptions":
            return self.subscriptions.handle(context, request, resource)
        if resource.name == CATALOG and request.method == "GET":
            return webhooks.catalog(context, request, resource)
        if resource.name == "SQLQueries" and resource.tail == "List":
            return list_rows(context, request, resource)
        return self.entities.handle(context, request, resource)

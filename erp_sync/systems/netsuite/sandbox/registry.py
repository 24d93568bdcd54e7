"""Which records there are, and which become which."""

from __future__ import annotations

from erp_sync.systems.netsuite.sandbox.adjustment import InventoryAdjustment
from erp_sync.systems.netsuite.sandbox.billing import CashSale, Invoice
from erp_sync.systems.netsuite.sandbox.customer import Customer
from erp_sync.systems.netsuite.sandbox.deposit import CustomerDeposit
from erp_sync.systems.netsuite.sandbox.fulfillment import ItemFulfillment
from erp_sync.systems.netsuite.sandbox.items import items
from erp_sync.systems.netsuite.sandbox.masterdata import master_data
from erp_sync.systems.netsuite.sandbox.record_type import RecordType
from erp_sync.systems.netsuite.sandbox.rest import Transform
from erp_sync.systems.netsuite.sandbox.returns import CreditMemo, CustomerRefund, ItemReceipt, ReturnAuthorization
from erp_sync.systems.netsuite.sandbox.sales_order import SalesOrder


def record_types() -> tuple[dict[str, RecordType], dict[tuple[str, str], Transform]]:
    """Records by their name in the URL, and transforms by (source, target)."""
    fulfillment, invoice, cash_sale = ItemFulfillment(), Invoice(), CashSale()
    returns = ReturnAuthorization()
    receipt, credit, refund = ItemReceipt(returns), CreditMemo(returns), CustomerRefund()
    found: list[RecordType] = [
        Customer(), SalesOrder(), CustomerDeposit(), InventoryAdjustment(), fulfillment, invoice, cash_sale, returns,
        receipt, credit, refund, *items(), *master_data(),
    ]  # fmt: skip
    transforms: dict[tuple[str, str], Transform] = {
        ("salesOrder", "itemFulfillment"): fulfillment.from_order,
        ("salesOrder", "invoice"): invoice.from_order,
        ("salesOrder", "cashSale"): cash_sale.from_order,
        ("salesOrder", "returnAuthorization"): returns.from_source,
        ("invoice", "returnAuthorization"): returns.from_source,
        ("cashSale", "returnAuthorization"): returns.from_source,
        ("returnAuthorization", "itemReceipt"): receipt.from_return,
        ("returnAuthorization", "creditMemo"): credit.from_source,
        ("invoice", "creditMemo"): credit.from_source,
        ("creditMemo", "customerRefund"): refund.from_credit,
    }
    return {record.name: record for record in found}, transforms

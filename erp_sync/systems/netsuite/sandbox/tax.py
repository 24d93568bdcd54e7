"""Tax of transactions: SuiteTax with its engine or overridden details, and legacy tax set by scripts.

SuiteTax (Oracle help, SuiteTax; REST API Browser 2026.1): with ``taxDetailsOverride`` the lines of
``taxDetails`` are the tax, each bound to a line by ``taxDetailsReference``; without it the account's tax
engine calculates from the ship-to address and what was sent in ``taxDetails`` does not count. Shipping and
handling are referred to as SHIPPING and HANDLING (Commerce API; in REST unconfirmed).
Legacy: REST writes no tax; a script may set tax item, rate and an amount that overrides (US accounts).
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from erp_sync.systems.netsuite.sandbox.errors import VendorError, invalid_reference, invalid_value, user_error
from erp_sync.systems.netsuite.sandbox.fields import Field, parse
from erp_sync.systems.netsuite.sandbox.options import Options
from erp_sync.systems.netsuite.sandbox.session import Session
from erp_sync.systems.netsuite.sandbox.store import AMOUNT, ZERO, Row, decimal, json_number, text_of

# Properties of accounts with legacy tax, and of those with SuiteTax; of a sales transaction and of its lines.
LEGACY_ONLY = frozenset(
    {
        *("taxItem", "taxRate", "tax2Total", "shippingTaxCode", "handlingTaxCode", "shippingTax1Rate"),
        *("shippingTax2Rate", "handlingTax1Rate", "handlingTax2Rate", "isTaxable"),
    }
)
SUITETAX_ONLY = frozenset(
    {
        *("taxDetailsOverride", "taxRegOverride", "taxDetails", "taxPointDate", "taxPointDateOverride", "nexus"),
        *("entityTaxRegNum", "subsidiaryTaxRegNum", "totalAfterTaxes"),
    }
)
LEGACY_ONLY_LINE = frozenset({"taxCode", "taxRate1", "taxRate2", "tax1Amt", "isTaxable"})
SUITETAX_ONLY_LINE = frozenset({"taxDetailsReference"})
# What REST refuses in an account with legacy tax: Oracle calls these features unsupported there.
LEGACY_REFUSED = LEGACY_ONLY | SUITETAX_ONLY | {"taxTotal"}
LEGACY_REFUSED_LINE = LEGACY_ONLY_LINE | SUITETAX_ONLY_LINE | {"taxAmount", "grossAmt"}
WHOLE_ORDER = {"SHIPPING": "Shipping", "HANDLING": "Handling"}

_DETAIL = (
    Field("taxDetailsReference", "taxdetailsreference"),
    Field("taxCode", "taxcode", "reference", "salestaxitem"),
    Field("taxType", "taxtype"),
    Field("taxBasis", "taxbasis", "amount"),
    Field("taxRate", "taxrate", "percent"),
    Field("taxAmount", "taxamount", "amount"),
    Field("netAmount", "netamount", "amount"),
    Field("lineName", "linename"),
    Field("lineType", "linetype"),
    Field("calcDetail", "calcdetail"),
)


def hidden(options: Options) -> tuple[frozenset[str], frozenset[str]]:
    """Properties of sales transactions and of their lines that this account does not have."""
    if options.tax == "legacy":
        return SUITETAX_ONLY, SUITETAX_ONLY_LINE
    return LEGACY_ONLY, LEGACY_ONLY_LINE


def refuse_in_legacy(session: Session, body: dict[str, Any]) -> None:
    """Refuse tax properties over REST in an account without SuiteTax (code and wording unconfirmed)."""
    if session.options.tax != "legacy" or session.restlet:
        return
    for name in body:
        if name in LEGACY_REFUSED:
            raise _unsupported(name, name)
    for index, line in enumerate((body.get("item") or {}).get("items", [])):
        for name in line:
            if name in LEGACY_REFUSED_LINE:
                raise _unsupported(name, f"item.items[{index}].{name}")


def _unsupported(name: str, path: str) -> VendorError:
    return user_error(f"Legacy tax features are not supported in REST web services. Field: {name}.", path)


def write_details(session: Session, transaction: int, body: dict[str, Any], replace: bool) -> None:
    """Keep the tax details that were sent; they count only under taxDetailsOverride. Lines have no key: they add up."""
    if "taxDetails" not in body:
        return
    if replace:
        session.store.delete("transactiontaxdetail", transaction=transaction)
    first = session.store.value(
        'SELECT COALESCE(MAX(line), 0) FROM transactiontaxdetail WHERE "transaction" = ?', transaction
    )
    for index, line in enumerate(body["taxDetails"]["items"]):
        path = f"taxDetails.items[{index}]"
        given = dict(line)
        reference = given.get("taxDetailsReference")
        if isinstance(reference, dict):  # the browser calls it {id}, public code sends the text
            given["taxDetailsReference"] = reference.get("id")
        kind = given.get("taxType")
        if isinstance(kind, dict):
            given["taxType"] = kind.get("id")
        columns = parse(session, _DETAIL, given, f"{path}.")
        for column, name in (("taxdetailsreference", "taxDetailsReference"), ("taxcode", "taxCode")):
            if columns.get(column) is None:
                raise invalid_value(name, f"{path}.{name}")
        session.store.insert("transactiontaxdetail", transaction=transaction, line=first + index + 1, **columns)


def apply(session: Session, transaction: Row, lines: list[Row]) -> Decimal:
    """Set the tax of the lines and answer the transaction's tax.

    Raises VendorError when overridden details name no line of this transaction.
    """
    if session.options.tax == "legacy":
        return _legacy(session, transaction, lines)
    if transaction["taxdetailsoverride"] == "T":
        return _overridden(session, transaction, lines)
    return _engine(session, transaction, lines)


def _overridden(session: Session, transaction: Row, lines: list[Row]) -> Decimal:
    by_reference: dict[str, Decimal] = {}
    known = {line["taxdetailsreference"] for line in lines if line["taxdetailsreference"]} | set(WHOLE_ORDER)
    for index, detail in enumerate(details(session, transaction["id"])):
        reference = detail["taxdetailsreference"]
        if reference not in known:
            raise invalid_reference(reference, "taxDetailsReference", f"taxDetails.items[{index}].taxDetailsReference")
        by_reference[reference] = by_reference.get(reference, ZERO) + decimal(detail["taxamount"])
    for line in lines:
        _set_line_tax(session, line, by_reference.get(line["taxdetailsreference"], ZERO))
    return sum(by_reference.values(), ZERO)


def _engine(session: Session, transaction: Row, lines: list[Row]) -> Decimal:
    """The account's tax engine: rates by the ship-to state, per line, rounded half up."""
    session.store.delete("transactiontaxdetail", transaction=transaction["id"])
    address = session.store.one("SELECT * FROM transactionaddress WHERE nkey = ?", transaction["shippingaddress"])
    code = None
    if address is not None:
        code = session.store.one(
            "SELECT * FROM salestaxitem WHERE country = ? AND (state = ? OR state IS NULL) AND isinactive = 'F' "
            "ORDER BY state IS NULL, id",
            address["country"], address["state"],
        )  # fmt: skip
    total, number = ZERO, 0
    for line in lines:
        taxable = session.store.value("SELECT istaxable FROM item WHERE id = ?", line["item"]) != "F"
        if code is None or not taxable:
            _set_line_tax(session, line, ZERO)
            continue
        number += 1
        basis = -decimal(line["foreignamount"])
        amount = _round(basis * decimal(code["rate"]) / 100)
        reference = line["taxdetailsreference"] or f"line_{line['id']}"
        session.store.insert(
            "transactiontaxdetail", transaction=transaction["id"], line=number, taxdetailsreference=reference,
            linetype="Item", taxcode=code["id"], taxtype=code["taxtype"], taxbasis=text_of(basis, AMOUNT),
            taxrate=code["rate"], taxamount=text_of(amount, AMOUNT), netamount=text_of(basis, AMOUNT),
        )  # fmt: skip
        session.store.update(
            "transactionline", {"transaction": line["transaction"], "id": line["id"]}, taxdetailsreference=reference
        )
        _set_line_tax(session, line, amount)
        total += amount
    return total


def _legacy(session: Session, transaction: Row, lines: list[Row]) -> Decimal:
    if transaction["taxamountoverride"] is not None:
        return decimal(transaction["taxamountoverride"])
    if transaction["istaxable"] == "F" or transaction["taxitem"] is None:
        return ZERO
    rate = transaction["taxrate"]
    if rate is None:
        rate = session.store.value("SELECT rate FROM salestaxitem WHERE id = ?", transaction["taxitem"])
    taxable = sum((-decimal(line["foreignamount"]) for line in lines if line["istaxable"] != "F"), ZERO)
    return _round((taxable + decimal(transaction["discounttotal"])) * decimal(rate) / 100)


def _set_line_tax(session: Session, line: Row, amount: Decimal) -> None:
    text = text_of(amount, AMOUNT)
    if line["taxamount"] != text:
        session.store.update("transactionline", {"transaction": line["transaction"], "id": line["id"]}, taxamount=text)


def _round(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)


def details(session: Session, transaction: int) -> list[Row]:
    return session.store.all('SELECT * FROM transactiontaxdetail WHERE "transaction" = ? ORDER BY line', transaction)


def print_details(session: Session, transaction: int) -> list[dict[str, Any]]:
    """Lines of the taxDetails sublist as GET answers them."""
    lines = []
    for row in details(session, transaction):
        line = {
            "taxDetailsReference": row["taxdetailsreference"],
            "lineType": row["linetype"],
            "lineName": row["linename"],
            "taxCode": None if row["taxcode"] is None else {"id": str(row["taxcode"])},
            "taxType": row["taxtype"],
            "taxBasis": json_number(row["taxbasis"]),
            "taxRate": json_number(row["taxrate"]),
            "taxAmount": json_number(row["taxamount"]),
            "netAmount": json_number(row["netamount"]),
            "calcDetail": row["calcdetail"],
        }
        lines.append({name: value for name, value in line.items() if value is not None})
    return lines

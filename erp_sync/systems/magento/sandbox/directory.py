"""What a fresh installation holds: regions, tax rates, customer groups, attributes, stores.

Region ids follow magento/magento2 `Directory/Setup/Patch/Data/InitializeDirectoryData`; state rates are the
general sales tax rates that the states publish, local rates a sample of counties and cities (rates change;
nothing depends on their being current).
"""

from __future__ import annotations

from decimal import Decimal

from erp_sync.systems.magento.sandbox.shop import Shop

# region id, code, name, state rate in percent (None: no state of the Union)
US_REGIONS: tuple[tuple[int, str, str, str | None], ...] = (
    (1, "AL", "Alabama", "4"), (2, "AK", "Alaska", "0"), (3, "AS", "American Samoa", None),
    (4, "AZ", "Arizona", "5.6"), (5, "AR", "Arkansas", "6.5"), (6, "AE", "Armed Forces Africa", None),
    (7, "AA", "Armed Forces Americas", None), (11, "AP", "Armed Forces Pacific", None),
    (12, "CA", "California", "7.25"), (13, "CO", "Colorado", "2.9"), (14, "CT", "Connecticut", "6.35"),
    (15, "DE", "Delaware", "0"), (16, "DC", "District of Columbia", "6"),
    (17, "FM", "Federated States Of Micronesia", None), (18, "FL", "Florida", "6"), (19, "GA", "Georgia", "4"),
    (20, "GU", "Guam", None), (21, "HI", "Hawaii", "4"), (22, "ID", "Idaho", "6"), (23, "IL", "Illinois", "6.25"),
    (24, "IN", "Indiana", "7"), (25, "IA", "Iowa", "6"), (26, "KS", "Kansas", "6.5"), (27, "KY", "Kentucky", "6"),
    (28, "LA", "Louisiana", "5"), (29, "ME", "Maine", "5.5"), (30, "MH", "Marshall Islands", None),
    (31, "MD", "Maryland", "6"), (32, "MA", "Massachusetts", "6.25"), (33, "MI", "Michigan", "6"),
    (34, "MN", "Minnesota", "6.875"), (35, "MS", "Mississippi", "7"), (36, "MO", "Missouri", "4.225"),
    (37, "MT", "Montana", "0"), (38, "NE", "Nebraska", "5.5"), (39, "NV", "Nevada", "6.85"),
    (40, "NH", "New Hampshire", "0"), (41, "NJ", "New Jersey", "6.625"), (42, "NM", "New Mexico", "4.875"),
    (43, "NY", "New York", "4"), (44, "NC", "North Carolina", "4.75"), (45, "ND", "North Dakota", "5"),
    (46, "MP", "Northern Mariana Islands", None), (47, "OH", "Ohio", "5.75"), (48, "OK", "Oklahoma", "4.5"),
    (49, "OR", "Oregon", "0"), (50, "PW", "Palau", None), (51, "PA", "Pennsylvania", "6"),
    (52, "PR", "Puerto Rico", None), (53, "RI", "Rhode Island", "7"), (54, "SC", "South Carolina", "6"),
    (55, "SD", "South Dakota", "4.2"), (56, "TN", "Tennessee", "7"), (57, "TX", "Texas", "6.25"),
    (58, "UT", "Utah", "4.85"), (59, "VT", "Vermont", "6"), (60, "VI", "Virgin Islands", None),
    (61, "VA", "Virginia", "4.3"), (62, "WA", "Washington", "6.5"), (63, "WV", "West Virginia", "6"),
    (64, "WI", "Wisconsin", "5"), (65, "WY", "Wyoming", "4"),
)  # fmt: skip

CANADIAN_REGIONS = (
    (66, "AB", "Alberta"), (67, "BC", "British Columbia"), (68, "MB", "Manitoba"),
    (69, "NL", "Newfoundland and Labrador"), (70, "NB", "New Brunswick"), (71, "NS", "Nova Scotia"),
    (72, "NT", "Northwest Territories"), (73, "NU", "Nunavut"), (74, "ON", "Ontario"),
    (75, "PE", "Prince Edward Island"), (76, "QC", "Quebec"), (77, "SK", "Saskatchewan"), (78, "YT", "Yukon Territory"),
)  # fmt: skip

# state, postcode pattern, jurisdiction, rate in percent on top of the state's
LOCAL_RATES = (
    ("CA", "90*", "Los Angeles County", "2.25"), ("CA", "941*", "San Francisco County", "1.375"),
    ("CA", "92*", "San Diego County", "0.5"), ("NY", "100*", "New York City", "4.875"),
    ("NY", "112*", "Kings County", "4.875"), ("TX", "770*", "Houston City", "2"),
    ("TX", "752*", "Dallas City", "2"), ("IL", "606*", "Chicago City", "4"), ("WA", "981*", "Seattle City", "3.85"),
    ("FL", "331*", "Miami-Dade County", "1"), ("GA", "303*", "Fulton County", "4.9"),
    ("CO", "802*", "Denver City", "5.91"), ("OH", "432*", "Franklin County", "1.75"),
    ("PA", "191*", "Philadelphia City", "2"), ("AZ", "850*", "Phoenix City", "3"),
    ("TN", "372*", "Davidson County", "2.25"), ("NC", "282*", "Mecklenburg County", "2.5"),
    ("MO", "631*", "Saint Louis City", "5.454"), ("NV", "891*", "Clark County", "1.525"),
    ("MN", "554*", "Hennepin County", "2.15"),
)  # fmt: skip

PRODUCT_TAX_CLASS = 2  # Taxable Goods
CUSTOMER_TAX_CLASS = 3  # Retail Customer
PRODUCT_ENTITY_TYPE = 4

# id, code, input, label, backend type, scope
ATTRIBUTES = (
    (73, "name", "text", "Product Name", "varchar", "store"),
    (74, "sku", "text", "SKU", "static", "global"),
    (75, "description", "textarea", "Description", "text", "store"),
    (76, "short_description", "textarea", "Short Description", "text", "store"),
    (77, "price", "price", "Price", "decimal", "global"),
    (78, "special_price", "price", "Special Price", "decimal", "global"),
    (79, "special_from_date", "date", "Special Price From Date", "datetime", "global"),
    (80, "special_to_date", "date", "Special Price To Date", "datetime", "global"),
    (81, "cost", "price", "Cost", "decimal", "global"),
    (82, "weight", "weight", "Weight", "decimal", "global"),
    (83, "manufacturer", "select", "Manufacturer", "int", "global"),
    (84, "meta_title", "text", "Meta Title", "varchar", "store"),
    (93, "color", "select", "Color", "int", "global"),
    (97, "status", "select", "Enable Product", "int", "website"),
    (99, "visibility", "select", "Visibility", "int", "store"),
    (114, "country_of_manufacture", "select", "Country of Manufacture", "varchar", "website"),
    (121, "url_key", "text", "URL Key", "varchar", "store"),
    (133, "tax_class_id", "select", "Tax Class", "int", "website"),
    (135, "gtin", "text", "GTIN", "varchar", "global"),
    (136, "restock_date", "date", "Restock Date", "datetime", "global"),
    (137, "unit_of_measure", "text", "Unit of Measure", "varchar", "global"),
    (144, "size", "select", "Size", "int", "global"),
)

CONFIGURATION = {
    "carriers/flatrate/price": "5.95",
    "carriers/flatrate/type": "O",  # per order; I = per item
    "carriers/tablerate/price": "12.50",
    "carriers/freeshipping/free_shipping_subtotal": "75",
    "payment/methods": "checkmo,banktransfer,cashondelivery,purchaseorder,braintree,paypal_express",
}


def install(shop: Shop, currency: str = "USD") -> None:
    """Fill an empty database with what the installer and the first administrator set up."""
    database = shop.database
    database.run("INSERT INTO store_website VALUES (0, 'admin', 'Admin', 0, ?)", [currency])
    database.run("INSERT INTO store_website VALUES (1, 'base', 'Main Website', 1, ?)", [currency])
    database.run("INSERT INTO store_group VALUES (1, 1, 'main_website_store', 'Main Website Store', 2, 1)")
    database.run(
        "INSERT INTO store VALUES (1, 'default', 1, 1, 'Default Store View', 1, ?, 'en_US', 'UTC')", [currency]
    )
    for identity, code, tax_class in (
        (0, "NOT LOGGED IN", 3),
        (1, "General", 3),
        (2, "Wholesale", 3),
        (3, "Retailer", 3),
    ):
        database.run("INSERT INTO customer_group VALUES (?, ?, ?)", [identity, code, tax_class])
    for identity, code, name, _ in US_REGIONS:
        database.run("INSERT INTO directory_country_region VALUES (?, 'US', ?, ?)", [identity, code, name])
    for identity, code, name in CANADIAN_REGIONS:
        database.run("INSERT INTO directory_country_region VALUES (?, 'CA', ?, ?)", [identity, code, name])
    database.run("INSERT INTO eav_attribute_set VALUES (4, 'Default', 1, ?)", [PRODUCT_ENTITY_TYPE])
    for attribute in ATTRIBUTES:
        database.run(
            "INSERT INTO eav_attribute (attribute_id, attribute_code, frontend_input, frontend_label, backend_type, "
            "scope, is_user_defined) VALUES (?, ?, ?, ?, ?, ?, ?)",
            [*attribute, int(attribute[1] in ("manufacturer", "color", "size", "gtin"))],
        )
    database.run("INSERT INTO catalog_category_entity VALUES (1, 0, 'Root Catalog', '1', 0, 0, 1)")
    database.run("INSERT INTO catalog_category_entity VALUES (2, 1, 'Default Category', '1/2', 1, 1, 1)")
    database.run("INSERT INTO inventory_source (source_code, name, country_id, postcode) VALUES (?, ?, 'US', ?)",
                 ["default", "Default Source", "00000"])  # fmt: skip
    database.run("INSERT INTO inventory_stock VALUES (1, 'Default Stock')")
    database.run("INSERT INTO inventory_source_stock_link (stock_id, source_code, priority) VALUES (1, 'default', 1)")
    database.run("INSERT INTO inventory_stock_sales_channel VALUES ('website', 'base', 1)")
    for path, value in CONFIGURATION.items():
        database.run("INSERT INTO core_config_data VALUES (?, ?)", [path, value])
    _taxes(shop)


def _taxes(shop: Shop) -> None:
    """Two rules: the state's rate, and beside it (calculated off the subtotal too) the local one."""
    database = shop.database
    rules = {
        name: database.insert(
            "tax_calculation_rule", {"code": name, "priority": priority, "position": 0, "calculate_subtotal": priority}
        )
        for name, priority in (("US State Sales Tax", 0), ("US Local Sales Tax", 1))
    }
    regions = {code: (identity, name) for identity, code, name, _ in US_REGIONS}
    rates = [
        ("US State Sales Tax", code, "*", f"US-{code}-*-State", f"{name} State Tax", rate)
        for _, code, name, rate in US_REGIONS
        if rate and Decimal(rate)
    ] + [
        ("US Local Sales Tax", code, postcode, f"US-{code}-{postcode}-{name}", f"{name} Tax", rate)
        for code, postcode, name, rate in LOCAL_RATES
    ]
    for rule, state, postcode, code, title, rate in rates:
        add_rate(shop, rules[rule], "US", regions[state][0], postcode, code, title, Decimal(rate))


def add_rate(
    shop: Shop, rule_id: int, country: str, region_id: int, postcode: str, code: str, title: str, rate: Decimal
) -> None:
    """A rate of a rule for retail customers and taxable goods; region 0 is any."""
    rate_id = shop.database.insert(
        "tax_calculation_rate",
        {
            "tax_country_id": country,
            "tax_region_id": region_id,
            "tax_postcode": postcode,
            "code": code,
            "title": title,
            "rate": rate,
        },
    )
    shop.database.run(
        "INSERT INTO tax_calculation VALUES (?, ?, ?, ?)", [rate_id, rule_id, CUSTOMER_TAX_CLASS, PRODUCT_TAX_CLASS]
    )


def region(shop: Shop, country: str, *, code: str = "", name: str = "", region_id: int = 0) -> dict[str, object]:
    """A region by id, code or name, as an address carries it; what is not in the directory stays text."""
    row = shop.database.row(
        "SELECT * FROM directory_country_region WHERE country_id = ? AND "
        "(region_id = ? OR code = ? OR default_name = ? OR default_name = ?)",
        [country, region_id, code, name, code],
    )
    if row:
        return {"region_id": row["region_id"], "region_code": row["code"], "region": row["default_name"]}
    return {"region_id": region_id, "region_code": code, "region": name or code}

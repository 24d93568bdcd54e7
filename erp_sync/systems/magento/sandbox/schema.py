"""Tables of the installation, with Magento's names.

Tables of sales documents carry the scalar properties of their data interface as columns, as Magento's do;
the rest is written out. Flattened against Magento: product attributes (EAV there) are columns of
`catalog_product_entity` for the default values, and rows of `catalog_product_attribute_value` for custom
attributes and values of a store view.
"""

from __future__ import annotations

from erp_sync.systems.magento.sandbox.contract.definitions import Contract
from erp_sync.systems.magento.sandbox.database import DECIMAL

_SQL_TYPES = {"number": DECIMAL, "integer": "INTEGER", "string": "TEXT", "boolean": "INTEGER"}

# table: (interface, primary key, further columns)
_DOCUMENTS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "sales_order": (
        "sales-data-order-interface",
        "entity_id",
        (
            f"gift_cards_amount {DECIMAL}",
            f"base_gift_cards_amount {DECIMAL}",
            f"gift_cards_invoiced {DECIMAL}",
            f"base_gift_cards_invoiced {DECIMAL}",
            f"gift_cards_refunded {DECIMAL}",
            f"base_gift_cards_refunded {DECIMAL}",
            f"customer_balance_amount {DECIMAL}",
            f"base_customer_balance_amount {DECIMAL}",
            f"customer_balance_invoiced {DECIMAL}",
            f"base_customer_balance_invoiced {DECIMAL}",
            f"customer_balance_refunded {DECIMAL}",
            f"base_customer_balance_refunded {DECIMAL}",
            "gift_cards TEXT",
            "shipping_method TEXT",
            "shipping_address_id INTEGER",
            "website_id INTEGER",
            "coupon_codes TEXT",
        ),
    ),
    "sales_order_item": ("sales-data-order-item-interface", "item_id", ("product_options TEXT",)),
    "sales_order_address": ("sales-data-order-address-interface", "entity_id", ("street TEXT",)),
    "sales_order_payment": ("sales-data-order-payment-interface", "entity_id", ("additional_information TEXT",)),
    "sales_order_status_history": ("sales-data-order-status-history-interface", "entity_id", ()),
    "sales_shipment": ("sales-data-shipment-interface", "entity_id", ("packages TEXT", "source_code TEXT")),
    "sales_shipment_item": ("sales-data-shipment-item-interface", "entity_id", ()),
    "sales_shipment_track": ("sales-data-shipment-track-interface", "entity_id", ()),
    "sales_shipment_comment": ("sales-data-shipment-comment-interface", "entity_id", ()),
    "sales_invoice": (
        "sales-data-invoice-interface",
        "entity_id",
        (
            f"gift_cards_amount {DECIMAL}",
            f"base_gift_cards_amount {DECIMAL}",
            f"customer_balance_amount {DECIMAL}",
            f"base_customer_balance_amount {DECIMAL}",
        ),
    ),
    "sales_invoice_item": ("sales-data-invoice-item-interface", "entity_id", ()),
    "sales_invoice_comment": ("sales-data-invoice-comment-interface", "entity_id", ()),
    "sales_creditmemo": (
        "sales-data-creditmemo-interface",
        "entity_id",
        (
            f"gift_cards_amount {DECIMAL}",
            f"base_gift_cards_amount {DECIMAL}",
            f"customer_balance_amount {DECIMAL}",
            f"base_customer_balance_amount {DECIMAL}",
        ),
    ),
    "sales_creditmemo_item": ("sales-data-creditmemo-item-interface", "entity_id", ()),
    "sales_creditmemo_comment": ("sales-data-creditmemo-comment-interface", "entity_id", ()),
}

_DIRECTORY = """
CREATE TABLE store_website (website_id INTEGER PRIMARY KEY, code TEXT NOT NULL UNIQUE, name TEXT NOT NULL,
  default_group_id INTEGER NOT NULL, base_currency TEXT NOT NULL);
CREATE TABLE store_group (group_id INTEGER PRIMARY KEY, website_id INTEGER NOT NULL, code TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL, root_category_id INTEGER NOT NULL, default_store_id INTEGER NOT NULL);
CREATE TABLE store (store_id INTEGER PRIMARY KEY, code TEXT NOT NULL UNIQUE, website_id INTEGER NOT NULL,
  group_id INTEGER NOT NULL, name TEXT NOT NULL, is_active INTEGER NOT NULL DEFAULT 1, currency TEXT NOT NULL,
  locale TEXT NOT NULL DEFAULT 'en_US', timezone TEXT NOT NULL DEFAULT 'UTC');
CREATE TABLE directory_currency_rate (currency_from TEXT NOT NULL, currency_to TEXT NOT NULL,
  rate DECIMAL_TEXT NOT NULL, PRIMARY KEY (currency_from, currency_to));
CREATE TABLE directory_country_region (region_id INTEGER PRIMARY KEY, country_id TEXT NOT NULL, code TEXT NOT NULL,
  default_name TEXT NOT NULL, UNIQUE (country_id, code));
CREATE TABLE core_config_data (path TEXT PRIMARY KEY, value TEXT);
CREATE TABLE sequence (entity_type TEXT NOT NULL, store_id INTEGER NOT NULL, value INTEGER NOT NULL,
  PRIMARY KEY (entity_type, store_id));
CREATE TABLE customer_group (customer_group_id INTEGER PRIMARY KEY, customer_group_code TEXT NOT NULL UNIQUE,
  tax_class_id INTEGER NOT NULL);
CREATE TABLE customer_entity (entity_id INTEGER PRIMARY KEY AUTOINCREMENT, website_id INTEGER NOT NULL,
  email TEXT NOT NULL COLLATE NOCASE, group_id INTEGER NOT NULL, store_id INTEGER NOT NULL, created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL, created_in TEXT, prefix TEXT, firstname TEXT NOT NULL, middlename TEXT,
  lastname TEXT NOT NULL, suffix TEXT, dob TEXT, gender INTEGER, taxvat TEXT, confirmation TEXT,
  default_billing INTEGER, default_shipping INTEGER, disable_auto_group_change INTEGER NOT NULL DEFAULT 0,
  password TEXT, is_subscribed INTEGER NOT NULL DEFAULT 0, custom_attributes TEXT, UNIQUE (website_id, email));
CREATE TABLE customer_address_entity (entity_id INTEGER PRIMARY KEY AUTOINCREMENT, parent_id INTEGER NOT NULL
  REFERENCES customer_entity ON DELETE CASCADE, firstname TEXT, lastname TEXT, middlename TEXT, prefix TEXT,
  suffix TEXT, company TEXT, street TEXT, city TEXT, region TEXT, region_id INTEGER, region_code TEXT, postcode TEXT,
  country_id TEXT, telephone TEXT, fax TEXT, vat_id TEXT, custom_attributes TEXT);
CREATE INDEX customer_address_parent ON customer_address_entity (parent_id);
"""

_CATALOGUE = """
CREATE TABLE eav_attribute_set (attribute_set_id INTEGER PRIMARY KEY, attribute_set_name TEXT NOT NULL,
  sort_order INTEGER NOT NULL, entity_type_id INTEGER NOT NULL);
CREATE TABLE eav_attribute (attribute_id INTEGER PRIMARY KEY, attribute_code TEXT NOT NULL UNIQUE,
  frontend_input TEXT NOT NULL, frontend_label TEXT NOT NULL, backend_type TEXT NOT NULL, scope TEXT NOT NULL,
  is_required INTEGER NOT NULL DEFAULT 0, is_user_defined INTEGER NOT NULL DEFAULT 0, is_unique INTEGER NOT NULL
  DEFAULT 0);
CREATE TABLE eav_attribute_option (option_id INTEGER PRIMARY KEY, attribute_id INTEGER NOT NULL, label TEXT NOT NULL,
  sort_order INTEGER NOT NULL DEFAULT 0, UNIQUE (attribute_id, label));
CREATE TABLE catalog_category_entity (entity_id INTEGER PRIMARY KEY, parent_id INTEGER NOT NULL, name TEXT NOT NULL,
  path TEXT NOT NULL, level INTEGER NOT NULL, position INTEGER NOT NULL DEFAULT 0, is_active INTEGER NOT NULL
  DEFAULT 1);
CREATE TABLE catalog_product_entity (entity_id INTEGER PRIMARY KEY AUTOINCREMENT, sku TEXT NOT NULL UNIQUE
  COLLATE NOCASE, attribute_set_id INTEGER NOT NULL, type_id TEXT NOT NULL, name TEXT NOT NULL, price DECIMAL_TEXT,
  cost DECIMAL_TEXT, status INTEGER NOT NULL, visibility INTEGER NOT NULL, weight DECIMAL_TEXT,
  tax_class_id INTEGER NOT NULL DEFAULT 2, price_type INTEGER, sku_type INTEGER, shipment_type INTEGER,
  url_key TEXT, created_at TEXT NOT NULL, updated_at TEXT NOT NULL);
CREATE INDEX catalog_product_url ON catalog_product_entity (url_key);
CREATE INDEX catalog_product_updated ON catalog_product_entity (updated_at);
CREATE TABLE catalog_product_attribute_value (entity_id INTEGER NOT NULL REFERENCES catalog_product_entity
  ON DELETE CASCADE, store_id INTEGER NOT NULL, attribute_code TEXT NOT NULL, value TEXT,
  PRIMARY KEY (entity_id, store_id, attribute_code)) WITHOUT ROWID;
CREATE TABLE catalog_product_website (product_id INTEGER NOT NULL REFERENCES catalog_product_entity
  ON DELETE CASCADE, website_id INTEGER NOT NULL, PRIMARY KEY (product_id, website_id)) WITHOUT ROWID;
CREATE TABLE catalog_category_product (category_id INTEGER NOT NULL, product_id INTEGER NOT NULL REFERENCES
  catalog_product_entity ON DELETE CASCADE, position INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (product_id, category_id)) WITHOUT ROWID;
CREATE TABLE catalog_product_special_price (entity_id INTEGER NOT NULL REFERENCES catalog_product_entity
  ON DELETE CASCADE, store_id INTEGER NOT NULL, price DECIMAL_TEXT NOT NULL, price_from TEXT, price_to TEXT,
  PRIMARY KEY (entity_id, store_id, price_from));
CREATE TABLE catalog_product_entity_tier_price (value_id INTEGER PRIMARY KEY AUTOINCREMENT, entity_id INTEGER NOT NULL
  REFERENCES catalog_product_entity ON DELETE CASCADE, all_groups INTEGER NOT NULL, customer_group_id INTEGER NOT NULL,
  qty DECIMAL_TEXT NOT NULL, value DECIMAL_TEXT NOT NULL, website_id INTEGER NOT NULL, percentage_value DECIMAL_TEXT,
  UNIQUE (entity_id, all_groups, customer_group_id, qty, website_id));
CREATE TABLE catalog_product_super_attribute (product_super_attribute_id INTEGER PRIMARY KEY AUTOINCREMENT,
  product_id INTEGER NOT NULL REFERENCES catalog_product_entity ON DELETE CASCADE, attribute_id INTEGER NOT NULL,
  position INTEGER NOT NULL, label TEXT, UNIQUE (product_id, attribute_id));
CREATE TABLE catalog_product_super_link (link_id INTEGER PRIMARY KEY AUTOINCREMENT, product_id INTEGER NOT NULL
  REFERENCES catalog_product_entity ON DELETE CASCADE, parent_id INTEGER NOT NULL REFERENCES catalog_product_entity
  ON DELETE CASCADE, UNIQUE (product_id, parent_id));
CREATE INDEX catalog_product_super_link_parent ON catalog_product_super_link (parent_id);
CREATE TABLE catalog_product_bundle_option (option_id INTEGER PRIMARY KEY AUTOINCREMENT, parent_id INTEGER NOT NULL
  REFERENCES catalog_product_entity ON DELETE CASCADE, required INTEGER NOT NULL, position INTEGER NOT NULL,
  type TEXT NOT NULL, title TEXT NOT NULL);
CREATE TABLE catalog_product_bundle_selection (selection_id INTEGER PRIMARY KEY AUTOINCREMENT, option_id INTEGER
  NOT NULL REFERENCES catalog_product_bundle_option ON DELETE CASCADE, parent_product_id INTEGER NOT NULL,
  product_id INTEGER NOT NULL REFERENCES catalog_product_entity ON DELETE CASCADE, position INTEGER NOT NULL,
  is_default INTEGER NOT NULL, selection_price_type INTEGER NOT NULL, selection_price_value DECIMAL_TEXT NOT NULL,
  selection_qty DECIMAL_TEXT NOT NULL, selection_can_change_qty INTEGER NOT NULL);
CREATE TABLE catalog_product_link (link_id INTEGER PRIMARY KEY AUTOINCREMENT, product_id INTEGER NOT NULL REFERENCES
  catalog_product_entity ON DELETE CASCADE, linked_product_id INTEGER NOT NULL, link_type TEXT NOT NULL,
  position INTEGER NOT NULL DEFAULT 0, qty DECIMAL_TEXT);
CREATE TABLE cataloginventory_stock_item (item_id INTEGER PRIMARY KEY AUTOINCREMENT, product_id INTEGER NOT NULL
  UNIQUE REFERENCES catalog_product_entity ON DELETE CASCADE, qty DECIMAL_TEXT NOT NULL DEFAULT '0.0000',
  is_in_stock INTEGER NOT NULL DEFAULT 1, min_qty DECIMAL_TEXT NOT NULL DEFAULT '0.0000', use_config_min_qty INTEGER
  NOT NULL DEFAULT 1, backorders INTEGER NOT NULL DEFAULT 0, use_config_backorders INTEGER NOT NULL DEFAULT 1,
  manage_stock INTEGER NOT NULL DEFAULT 1, use_config_manage_stock INTEGER NOT NULL DEFAULT 1,
  min_sale_qty DECIMAL_TEXT NOT NULL DEFAULT '1.0000', max_sale_qty DECIMAL_TEXT NOT NULL DEFAULT '10000.0000',
  is_qty_decimal INTEGER NOT NULL DEFAULT 0);
"""

_INVENTORY = """
CREATE TABLE inventory_source (source_code TEXT PRIMARY KEY, name TEXT NOT NULL, enabled INTEGER NOT NULL DEFAULT 1,
  description TEXT, email TEXT, contact_name TEXT, latitude TEXT, longitude TEXT, country_id TEXT, region_id INTEGER,
  region TEXT, city TEXT, street TEXT, postcode TEXT, phone TEXT, fax TEXT, use_default_carrier_config INTEGER NOT NULL
  DEFAULT 1, is_pickup_location_active INTEGER NOT NULL DEFAULT 0, frontend_name TEXT, frontend_description TEXT);
CREATE TABLE inventory_stock (stock_id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL);
CREATE TABLE inventory_stock_sales_channel (type TEXT NOT NULL, code TEXT NOT NULL, stock_id INTEGER NOT NULL
  REFERENCES inventory_stock ON DELETE CASCADE, PRIMARY KEY (type, code));
CREATE TABLE inventory_source_stock_link (link_id INTEGER PRIMARY KEY AUTOINCREMENT, stock_id INTEGER NOT NULL
  REFERENCES inventory_stock ON DELETE CASCADE, source_code TEXT NOT NULL REFERENCES inventory_source,
  priority INTEGER NOT NULL DEFAULT 1, UNIQUE (stock_id, source_code));
CREATE TABLE inventory_source_item (source_item_id INTEGER PRIMARY KEY AUTOINCREMENT, source_code TEXT NOT NULL
  REFERENCES inventory_source, sku TEXT NOT NULL COLLATE NOCASE, quantity DECIMAL_TEXT NOT NULL, status INTEGER
  NOT NULL, UNIQUE (source_code, sku));
CREATE INDEX inventory_source_item_sku ON inventory_source_item (sku);
CREATE TABLE inventory_reservation (reservation_id INTEGER PRIMARY KEY AUTOINCREMENT, stock_id INTEGER NOT NULL,
  sku TEXT NOT NULL COLLATE NOCASE, quantity DECIMAL_TEXT NOT NULL, metadata TEXT NOT NULL);
CREATE INDEX inventory_reservation_sku ON inventory_reservation (stock_id, sku);
CREATE TABLE inventory_stock_index (stock_id INTEGER NOT NULL, sku TEXT NOT NULL COLLATE NOCASE,
  quantity DECIMAL_TEXT NOT NULL, is_salable INTEGER NOT NULL, PRIMARY KEY (stock_id, sku)) WITHOUT ROWID;
CREATE TABLE inventory_index_changelog (version_id INTEGER PRIMARY KEY AUTOINCREMENT, sku TEXT NOT NULL,
  due_at TEXT NOT NULL);
"""

_MARKETING = """
CREATE TABLE salesrule (rule_id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, description TEXT,
  from_date TEXT, to_date TEXT, is_active INTEGER NOT NULL DEFAULT 1, sort_order INTEGER NOT NULL DEFAULT 0,
  stop_rules_processing INTEGER NOT NULL DEFAULT 0, simple_action TEXT NOT NULL, discount_amount DECIMAL_TEXT NOT NULL,
  discount_qty DECIMAL_TEXT, discount_step INTEGER NOT NULL DEFAULT 0, apply_to_shipping INTEGER NOT NULL DEFAULT 0,
  coupon_type TEXT NOT NULL, simple_free_shipping TEXT, website_ids TEXT NOT NULL, customer_group_ids TEXT NOT NULL,
  uses_per_coupon INTEGER NOT NULL DEFAULT 0, times_used INTEGER NOT NULL DEFAULT 0, store_label TEXT,
  minimum_subtotal DECIMAL_TEXT, skus TEXT, category_ids TEXT);
CREATE TABLE salesrule_coupon (coupon_id INTEGER PRIMARY KEY AUTOINCREMENT, rule_id INTEGER NOT NULL REFERENCES
  salesrule ON DELETE CASCADE, code TEXT NOT NULL UNIQUE COLLATE NOCASE, usage_limit INTEGER, times_used INTEGER
  NOT NULL DEFAULT 0, expiration_date TEXT, is_primary INTEGER NOT NULL DEFAULT 1, created_at TEXT NOT NULL,
  type INTEGER NOT NULL DEFAULT 0);
CREATE TABLE tax_calculation_rate (tax_calculation_rate_id INTEGER PRIMARY KEY AUTOINCREMENT, tax_country_id TEXT
  NOT NULL, tax_region_id INTEGER NOT NULL, tax_postcode TEXT NOT NULL, code TEXT NOT NULL UNIQUE, title TEXT NOT NULL,
  rate DECIMAL_TEXT NOT NULL);
CREATE TABLE tax_calculation_rule (tax_calculation_rule_id INTEGER PRIMARY KEY AUTOINCREMENT, code TEXT NOT NULL UNIQUE,
  priority INTEGER NOT NULL, position INTEGER NOT NULL, calculate_subtotal INTEGER NOT NULL);
CREATE TABLE tax_calculation (tax_calculation_rate_id INTEGER NOT NULL, tax_calculation_rule_id INTEGER NOT NULL,
  customer_tax_class_id INTEGER NOT NULL, product_tax_class_id INTEGER NOT NULL);
CREATE TABLE magento_giftcardaccount (giftcardaccount_id INTEGER PRIMARY KEY AUTOINCREMENT, code TEXT NOT NULL UNIQUE,
  status INTEGER NOT NULL DEFAULT 1, date_created TEXT, date_expires TEXT, website_id INTEGER NOT NULL,
  balance DECIMAL_TEXT NOT NULL);
CREATE TABLE magento_customerbalance (customer_id INTEGER NOT NULL, website_id INTEGER NOT NULL,
  amount DECIMAL_TEXT NOT NULL, PRIMARY KEY (customer_id, website_id));
"""

_CHECKOUT = """
CREATE TABLE quote (entity_id INTEGER PRIMARY KEY AUTOINCREMENT, store_id INTEGER NOT NULL, created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL, is_active INTEGER NOT NULL, customer_id INTEGER, customer_email TEXT, coupon_code TEXT,
  reserved_order_id TEXT, shipping_method TEXT, gift_cards TEXT, use_customer_balance INTEGER NOT NULL DEFAULT 0,
  payment_method TEXT, converted_at TEXT, masked_id TEXT UNIQUE, billing_address TEXT, shipping_address TEXT);
CREATE INDEX quote_customer ON quote (customer_id, is_active);
CREATE TABLE quote_item (item_id INTEGER PRIMARY KEY AUTOINCREMENT, quote_id INTEGER NOT NULL REFERENCES quote
  ON DELETE CASCADE, product_id INTEGER NOT NULL, parent_item_id INTEGER, sku TEXT NOT NULL, name TEXT NOT NULL,
  product_type TEXT NOT NULL, qty DECIMAL_TEXT NOT NULL, options TEXT);
CREATE INDEX quote_item_quote ON quote_item (quote_id);
"""

_SALES = """
CREATE UNIQUE INDEX sales_order_increment ON sales_order (increment_id COLLATE NOCASE, store_id);
CREATE INDEX sales_order_updated ON sales_order (updated_at);
CREATE INDEX sales_order_created ON sales_order (created_at);
CREATE INDEX sales_order_item_order ON sales_order_item (order_id);
CREATE INDEX sales_order_address_parent ON sales_order_address (parent_id);
CREATE INDEX sales_order_payment_parent ON sales_order_payment (parent_id);
CREATE INDEX sales_order_status_history_parent ON sales_order_status_history (parent_id);
CREATE INDEX sales_shipment_order ON sales_shipment (order_id);
CREATE INDEX sales_shipment_item_parent ON sales_shipment_item (parent_id);
CREATE INDEX sales_shipment_track_parent ON sales_shipment_track (parent_id);
CREATE INDEX sales_invoice_order ON sales_invoice (order_id);
CREATE INDEX sales_invoice_item_parent ON sales_invoice_item (parent_id);
CREATE INDEX sales_creditmemo_order ON sales_creditmemo (order_id);
CREATE INDEX sales_creditmemo_item_parent ON sales_creditmemo_item (parent_id);
CREATE TABLE sales_order_tax (tax_id INTEGER PRIMARY KEY AUTOINCREMENT, order_id INTEGER NOT NULL, code TEXT,
  title TEXT, percent DECIMAL_TEXT, amount DECIMAL_TEXT, priority INTEGER NOT NULL, position INTEGER NOT NULL,
  base_amount DECIMAL_TEXT, process INTEGER NOT NULL, base_real_amount DECIMAL_TEXT);
CREATE INDEX sales_order_tax_order ON sales_order_tax (order_id);
CREATE TABLE sales_order_tax_item (tax_item_id INTEGER PRIMARY KEY AUTOINCREMENT, tax_id INTEGER NOT NULL,
  item_id INTEGER, tax_percent DECIMAL_TEXT NOT NULL, amount DECIMAL_TEXT NOT NULL, base_amount DECIMAL_TEXT NOT NULL,
  real_amount DECIMAL_TEXT NOT NULL, real_base_amount DECIMAL_TEXT NOT NULL, associated_item_id INTEGER,
  taxable_item_type TEXT NOT NULL);
CREATE INDEX sales_order_tax_item_tax ON sales_order_tax_item (tax_id);
CREATE TABLE sales_payment_transaction (transaction_id INTEGER PRIMARY KEY AUTOINCREMENT, parent_id INTEGER,
  order_id INTEGER NOT NULL, payment_id INTEGER NOT NULL, txn_id TEXT NOT NULL, parent_txn_id TEXT, txn_type TEXT
  NOT NULL, is_closed INTEGER NOT NULL, additional_information TEXT, created_at TEXT NOT NULL);
CREATE TABLE magento_rma (entity_id INTEGER PRIMARY KEY AUTOINCREMENT, increment_id TEXT NOT NULL, order_id INTEGER
  NOT NULL, order_increment_id TEXT NOT NULL, store_id INTEGER NOT NULL, customer_id INTEGER, status TEXT NOT NULL,
  date_requested TEXT NOT NULL, customer_custom_email TEXT);
CREATE TABLE magento_rma_item_entity (entity_id INTEGER PRIMARY KEY AUTOINCREMENT, rma_entity_id INTEGER NOT NULL,
  order_item_id INTEGER NOT NULL, qty_requested INTEGER NOT NULL, qty_authorized INTEGER, qty_approved INTEGER,
  qty_returned INTEGER, reason TEXT, condition TEXT, resolution TEXT, status TEXT NOT NULL);
"""

_SYSTEM = """
CREATE TABLE oauth_nonce (nonce TEXT NOT NULL, consumer_id INTEGER NOT NULL, timestamp INTEGER NOT NULL,
  PRIMARY KEY (nonce, timestamp, consumer_id)) WITHOUT ROWID;
CREATE TABLE oauth_token (token TEXT PRIMARY KEY, user_kind TEXT NOT NULL, user_id INTEGER NOT NULL,
  created_at TEXT NOT NULL, expires_at TEXT, revoked INTEGER NOT NULL DEFAULT 0);
CREATE TABLE magento_bulk (uuid TEXT PRIMARY KEY, user_id INTEGER NOT NULL, user_type INTEGER NOT NULL,
  description TEXT NOT NULL, operation_count INTEGER NOT NULL, start_time TEXT NOT NULL);
CREATE TABLE magento_operation (id INTEGER PRIMARY KEY AUTOINCREMENT, bulk_uuid TEXT NOT NULL, operation_key INTEGER
  NOT NULL, topic_name TEXT NOT NULL, serialized_data TEXT NOT NULL, result_serialized_data TEXT, status INTEGER
  NOT NULL, error_code INTEGER, result_message TEXT, due_at TEXT NOT NULL,
  sandbox_call TEXT NOT NULL DEFAULT '{}', UNIQUE (bulk_uuid, operation_key));
CREATE INDEX magento_operation_open ON magento_operation (status, due_at);
CREATE TABLE sandbox_mail (mail_id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, order_id INTEGER NOT NULL,
  order_increment_id TEXT NOT NULL, document_id INTEGER, recipient TEXT NOT NULL, subject TEXT NOT NULL,
  tracks TEXT NOT NULL DEFAULT '[]', created_at TEXT NOT NULL, wall_at TEXT NOT NULL);
CREATE TABLE sandbox_event (event_id INTEGER PRIMARY KEY AUTOINCREMENT, uuid TEXT NOT NULL UNIQUE, event_code TEXT
  NOT NULL, payload TEXT NOT NULL, created_at TEXT NOT NULL,
  due_at TEXT NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, delivered_at TEXT,
  given_up INTEGER NOT NULL DEFAULT 0);
CREATE TABLE sandbox_report (report_id TEXT PRIMARY KEY, message TEXT NOT NULL, created_at TEXT NOT NULL);
"""

_REST = (_DIRECTORY, _CATALOGUE, _INVENTORY, _MARKETING, _CHECKOUT, _SALES, _SYSTEM)


def statements(contract: Contract) -> list[str]:
    """The statements that create every table, in order."""
    result = []
    for table, (interface, key, further) in _DOCUMENTS.items():
        columns = [f"{key} INTEGER PRIMARY KEY AUTOINCREMENT"]
        columns += [f'"{name}" {_SQL_TYPES[kind]}' for name, kind in contract.scalars(interface).items() if name != key]
        result.append(f"CREATE TABLE {table} ({', '.join([*columns, *further])})")
    for group in _REST:
        result += [statement.strip() for statement in group.split(";") if statement.strip()]
    return result

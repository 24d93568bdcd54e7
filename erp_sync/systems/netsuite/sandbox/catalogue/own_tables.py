"""What is the sandbox's own: its state, and indexes; nothing of the vendor's."""

from __future__ import annotations

OWN = """
CREATE TABLE IF NOT EXISTS sandbox_state (name TEXT PRIMARY KEY, value TEXT);
CREATE TABLE IF NOT EXISTS sandbox_number (name TEXT PRIMARY KEY, next INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS sandbox_customer_currency (customer INTEGER, currency INTEGER,
  PRIMARY KEY (customer, currency)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sandbox_nonce (consumer TEXT, token TEXT, nonce TEXT, at INTEGER,
    PRIMARY KEY (consumer, token, nonce, at)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sandbox_assertion (digest TEXT PRIMARY KEY, expires INTEGER) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sandbox_bearer (digest TEXT PRIMARY KEY, scope TEXT, expires INTEGER) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sandbox_job (id INTEGER PRIMARY KEY, idempotency_key TEXT, method TEXT, created TEXT,
    started_wall REAL, finished_wall REAL, collection TEXT);
CREATE TABLE IF NOT EXISTS sandbox_task (job INTEGER, id INTEGER, request TEXT, due_wall REAL, progress TEXT,
    started TEXT, ended TEXT, status INTEGER, headers TEXT, body TEXT, PRIMARY KEY (job, id));
CREATE UNIQUE INDEX IF NOT EXISTS sandbox_job_key ON sandbox_job (idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX IF NOT EXISTS transaction_changed ON "transaction" (type, lastmodifieddate);
CREATE INDEX IF NOT EXISTS transaction_external ON "transaction" (externalid);
CREATE INDEX IF NOT EXISTS transaction_number ON "transaction" (tranid);
CREATE INDEX IF NOT EXISTS transaction_reference ON "transaction" (otherrefnum);
CREATE INDEX IF NOT EXISTS transaction_created_from ON "transaction" (createdfrom);
CREATE INDEX IF NOT EXISTS transaction_entity ON "transaction" (entity);
CREATE INDEX IF NOT EXISTS transactionline_backorder ON transactionline (item, location)
    WHERE quantitybackordered <> '0.00000' AND quantitybackordered IS NOT NULL;
CREATE INDEX IF NOT EXISTS transactionline_item ON transactionline (item, location);
CREATE INDEX IF NOT EXISTS transactionline_created_from ON transactionline (createdfrom);
CREATE INDEX IF NOT EXISTS link_next ON nexttransactionlink (nextdoc);
CREATE INDEX IF NOT EXISTS linelink_next ON nexttransactionlinelink (nextdoc);
CREATE INDEX IF NOT EXISTS package_of ON fulfillmentpackage ("transaction");
CREATE INDEX IF NOT EXISTS customer_external ON customer (externalid);
CREATE INDEX IF NOT EXISTS customer_email ON customer (email);
CREATE INDEX IF NOT EXISTS customer_address ON customer (LOWER(email));
CREATE INDEX IF NOT EXISTS customer_changed ON customer (lastmodifieddate);
CREATE INDEX IF NOT EXISTS addressbook_of ON customeraddressbook (entity);
CREATE INDEX IF NOT EXISTS item_name ON item (itemid);
CREATE INDEX IF NOT EXISTS item_external ON item (externalid);
CREATE INDEX IF NOT EXISTS item_parent ON item (parent) WHERE parent IS NOT NULL;
CREATE INDEX IF NOT EXISTS item_changed ON item (lastmodifieddate);
CREATE INDEX IF NOT EXISTS member_of ON itemmember (item);
CREATE INDEX IF NOT EXISTS stock_changed ON aggregateitemlocation (lastquantityavailablechange);
CREATE INDEX IF NOT EXISTS tracking_of ON trackingnumber (trackingnumber)
"""

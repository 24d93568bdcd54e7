"""Mapping between Magento's records and the canonical entities, one module per entity."""

"""The shop's records and the canonical entities, field by field."""

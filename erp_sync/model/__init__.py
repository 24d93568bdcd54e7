"""Canonical entities. No I/O."""

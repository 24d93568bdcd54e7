"""The demo: one real shopping day through the whole product, in about three minutes."""

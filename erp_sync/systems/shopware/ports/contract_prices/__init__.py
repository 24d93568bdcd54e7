"""Contract prices: rules, their members, and price rows of rules, accounts and products, as one target."""

"""SuiteQL: parsed by sqlglot, checked against what NetSuite allows, run by SQLite over the sandbox's tables."""

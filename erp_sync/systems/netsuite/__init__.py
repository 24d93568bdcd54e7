"""NetSuite: records by REST, reads by SuiteQL. Facts are cited from Oracle's NetSuite help and the
REST API Browser 2026.1; what neither confirms is marked "unconfirmed"."""

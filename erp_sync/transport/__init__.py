"""One HTTP client for all systems: authentication, paging, retry, limits, circuit breaker, exchange log,
redaction. Knows no vendor: what an answer means is told by the connector's `outcome` function."""

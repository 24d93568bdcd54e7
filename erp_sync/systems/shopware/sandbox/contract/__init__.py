"""The parts in use of Shopware's published Admin API contract (OpenAPI 3.1, 6.7.10.1), cut by `make`."""

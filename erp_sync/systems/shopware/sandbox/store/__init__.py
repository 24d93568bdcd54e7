"""The Store API: what shoppers use. Facts: shopware/store-api-reference@55d001a and shopware/shopware src/Core."""

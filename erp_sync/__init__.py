"""erp_sync keeps ecommerce systems and ERPs in step."""

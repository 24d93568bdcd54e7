"""Order number, status and cancellation, from an ERP back to the store."""

"""The commands of `erp-sync`, by what a person is about; each is thin over `erp_sync.operations`."""

"""What makes Dagster quick and crash-proof here: warm run launcher, daemon, storage set-up, services."""

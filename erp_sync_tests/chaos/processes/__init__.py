"""The chaos harness, tier two: real processes of Dagster and of the sandboxes, killed for real (`make chaos`)."""

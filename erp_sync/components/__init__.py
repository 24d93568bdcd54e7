"""Component types that turn a route in YAML into assets, checks, jobs, schedules and sensors."""

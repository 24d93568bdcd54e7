"""What holds for all tests: properties have no time limit per example, machines differ."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("everywhere", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("everywhere")

"""Chaos: a route's own code under seeded faults and crashes, judged by what its two systems hold afterwards."""

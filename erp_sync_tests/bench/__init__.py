"""Benches: `make bench NAME=orders`. Each prints one JSON object as its last line."""

"""Writes through the data abstraction layer: checked row by row, carried out together."""

"""What flows may ask of a shop."""

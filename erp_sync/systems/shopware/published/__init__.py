"""The published Admin API, cut down to what is in use (`make.py`): data, for the mapping document and for tests."""

"""Pure logic of the flows, over ports. Knows nothing of Dagster, of vendors or of HTTP.

A document flow delivers (`delivery.py`), a state flow converges (`convergence.py`); each flow's
folder holds what is its own.
"""

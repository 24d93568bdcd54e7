"""Pure logic of the flows, over ports. Knows nothing of Dagster, of vendors or of HTTP.

A document flow delivers (`delivery/`), a state flow converges (`convergence/`); each flow's
folder holds what is its own.
"""

"""Four disasters that happened to others, on a virtual clock: the old way first, then erp_sync.

`erp-sync demo disaster NAME` runs them; the old way is in `naive`. Figures are counted by the sandboxes' checker and
from their databases and journals.
"""

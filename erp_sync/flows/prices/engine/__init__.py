"""The price engine: what a customer pays by an ERP's terms, and the smallest set of a store's rows that says the same.

Pure: Arrow in, Arrow out. `question` answers one question and says why; `schedules` does all of them at once in
DuckDB; `factoring` makes rows of the store of them; `evaluation` reads such rows as the store does; `plan` is the
difference to what the store has.
"""

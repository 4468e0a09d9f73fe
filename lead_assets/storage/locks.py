"""The advisory locks in PostgreSQL, each number once. It is the first key; the second is a hash of what is locked."""

CAMPAIGN = 0x1EAD
"""Whoever writes a campaign."""
EVALUATION = 0x1EAE
"""A living evaluation, by its campaign's id."""
START = 0x1EAF
"""Whoever is about to ask Dagster for a run of a campaign."""
REQUEST_BUDGET = 0x1EB0
"""Whoever takes requests from the budget of a Reddit client."""
MIGRATION = 0x1EAD5C
"""One key alone, for all: two processes that migrate at once do it one after the other."""
DELIVERY = 0x1EB1
"""Whoever sends alerts to one receiver."""

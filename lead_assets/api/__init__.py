"""The HTTP API: campaigns, their leads, and runs of Dagster's. Who may ask is in ``access``, what in ``routes``."""

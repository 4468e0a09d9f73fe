"""What a run reports in Dagster's metadata.

Ids, links and numbers only: texts stay in the store, where they can be deleted.
"""

"""Reports: what assets say about a run in Dagster's metadata, and rejections in CSV files.

Texts stay in the store, where they can be deleted: metadata and pictures have ids, links and observed values only.
"""

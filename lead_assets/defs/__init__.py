"""All that imports Dagster, and nothing else: assets, checks, jobs, sensors, resources, and what they report."""

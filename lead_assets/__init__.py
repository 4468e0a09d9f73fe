"""lead_assets: a Dagster asset graph that finds sales leads on Reddit, one partition per campaign."""

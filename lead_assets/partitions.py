"""The one partitioning: a partition is a campaign, its key the campaign's id."""

import dagster as dg

campaigns = dg.DynamicPartitionsDefinition(name="campaigns")

"""The asset graph, written out; and definitions that load with an empty environment."""

from pathlib import Path

import dagster as dg
import pytest

from lead_assets.definitions import defs
from lead_assets.defs.celery import STAGES

CRAWL_GATES = [
    "author_karma",
    "deduplication",
    "nsfw",
    "post_age",
    "subreddit_activity",
    "subreddit_subscribers",
    "upvote_ratio",
]
RANK_GATES = ["cosine_similarity", "engagement", "fused_score", "keyword_hits"]

# asset: (queue, what it depends on, its checks)
GRAPH = {
    "crawled_documents": ("crawl", [], sorted([*CRAWL_GATES, "source_complete", "every_match_accounted_for"])),
    "typesense_index": ("index", ["crawled_documents"], ["index_matches_documents"]),
    "document_embeddings": ("embed", ["crawled_documents"], ["embeddings_complete"]),
    "lead_stubs": ("embed", ["document_embeddings"], []),
    "ranked_candidates": ("rank", ["document_embeddings", "typesense_index"], RANK_GATES),
    "extracted_leads": ("llm", ["ranked_candidates"], ["extractions_grounded"]),
    "leads": ("persist", ["extracted_leads", "lead_stubs"], ["leads_complete"]),
    "announced_leads": ("announce", ["leads"], ["every_lead_announced_once"]),
    "qualified_leads": (None, ["leads"], []),  # a view: nothing materializes it
}


def test_the_graph_is_the_one_of_the_design() -> None:
    graph = defs.resolve_asset_graph()
    found = {
        key.to_user_string(): (
            sorted(parent.to_user_string() for parent in graph.get(key).parent_keys),
            sorted(check.name for check in graph.get_check_keys_for_assets({key})),
        )
        for key in graph.get_all_asset_keys()
    }
    assert found == {name: (depends, checks) for name, (_, depends, checks) in GRAPH.items()}


def test_every_asset_has_its_queue_group_partitions_and_a_description_for_strangers() -> None:
    for assets in defs.get_repository_def().assets_defs_by_key.values():
        for spec in assets.specs:
            name = spec.key.to_user_string()
            assert spec.owners
            if assets.is_executable:
                assert assets.op.tags["dagster-celery/queue"] == GRAPH[name][0]
                assert GRAPH[name][0] in STAGES, "no worker would listen to it"
                assert spec.code_version
            assert spec.group_name == "leads"
            assert isinstance(spec.partitions_def, dg.DynamicPartitionsDefinition)
            assert spec.description is not None
            assert len(spec.description) > 100


def test_every_check_is_partitioned_and_gates_block() -> None:
    graph = defs.resolve_asset_graph()
    for key in graph.asset_check_keys:
        node = graph.get(key)
        assert node.partitions_def is not None, key
        assert node.blocking == (key.name in [*CRAWL_GATES, *RANK_GATES, "source_complete"])


@pytest.mark.parametrize("name", ["campaign_job", "campaign_backfill"])
def test_a_job_runs_all_of_it_in_one_process(name: str) -> None:
    job = defs.resolve_job_def(name)
    assert {key.to_user_string() for key in job.asset_layer.executable_asset_keys} == set(GRAPH) - {"qualified_leads"}
    assert job.executor_def.name == "in_process"


def test_runs_of_a_backfill_take_its_config_and_say_what_the_campaigns_file_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dagster gives them the backfill's config only where the partition has none of its own."""
    monkeypatch.setenv("LEAD_ASSETS_CAMPAIGNS", str(tmp_path))
    file = tmp_path / "crm.yaml"
    file.write_text("name: x\nproduct: y\nkeywords: [crm]\n")
    config = defs.resolve_job_def("campaign_backfill").partitioned_config
    assert config is not None
    assert not config.get_run_config_for_partition_key("crm")
    before = config.get_tags_for_partition_key("crm")["lead_assets/content"]
    file.write_text("name: x\nproduct: y\nkeywords: [crm, invoices]\n")
    assert config.get_tags_for_partition_key("crm")["lead_assets/content"] != before
    file.write_text("name: [\n")
    assert "lead_assets/content" not in config.get_tags_for_partition_key("crm"), "the run says what is wrong with it"


def test_the_launchpad_shows_every_setting_with_its_meaning_and_default() -> None:
    from lead_assets.domain.settings import NAMES

    fields = defs.get_repository_def().get_top_level_resources()["run_settings"].config_schema.config_type.fields
    assert {*NAMES, "source", "archive_path", "as_of"} == set(fields)
    for name, field in fields.items():
        assert not field.is_required
        assert "efault" in (field.description or "") or name in ("source", "archive_path")

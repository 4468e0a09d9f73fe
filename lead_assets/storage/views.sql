-- The one definition of "current". Every reader selects from these views: funnel, checks, API, commands, row counts.
-- Dropped and made again whenever the schema changes (storage/migrate.py).
DROP VIEW IF EXISTS lead_assets.campaign_stats, lead_assets.qualified_leads, lead_assets.current_extractions,
    lead_assets.current_candidates;

-- Candidates that were ranked on the text that is stored now. `is_readable`: the extractor reads it, because it is kept
-- and no repost of another, and its author is still there to be answered.
CREATE VIEW lead_assets.current_candidates AS
SELECT candidates.*, candidates.kept AND candidates.duplicate_of IS NULL AND NOT documents.author_left AS is_readable
FROM lead_assets.candidates
JOIN lead_assets.documents USING (campaign_id, reddit_id)
WHERE candidates.text_hash = documents.text_hash;

-- The answer that counts for each readable candidate: that of the best reader whose answer the run's extractor accepts.
-- Where there is none yet (another product, another model, a cap), the newest good answer about the same text stays,
-- and is `stale`: it is read again when the caps allow it, and nothing vanishes meanwhile.
CREATE VIEW lead_assets.current_extractions AS
SELECT DISTINCT ON (campaign_id, reddit_id)
    extractions.*,
    NOT coalesce(extractions.request_key = ANY (candidates.accepted_keys), false) AS stale
FROM lead_assets.current_candidates AS candidates
JOIN lead_assets.extractions USING (campaign_id, reddit_id)
WHERE candidates.is_readable AND extractions.status = 'ok' AND extractions.text_hash = candidates.text_hash
ORDER BY campaign_id, reddit_id, array_position(candidates.accepted_keys, extractions.request_key),
    extractions.extracted_at DESC, extractions.request_key;

-- What people read: leads that carry a good answer about the stored text of a readable candidate. It is the answer that
-- was persisted, so that a lead does not vanish between its reading and its persisting in the same run.
CREATE VIEW lead_assets.qualified_leads AS
SELECT
    leads.*,
    NOT coalesce(extractions.request_key = ANY (candidates.accepted_keys), false) AS stale
FROM lead_assets.leads
JOIN lead_assets.current_candidates AS candidates USING (campaign_id, reddit_id)
JOIN lead_assets.extractions
    ON extractions.campaign_id = leads.campaign_id AND extractions.reddit_id = leads.reddit_id
    AND extractions.request_key = leads.extracted_data ->> 'request_key'
WHERE candidates.is_readable
    AND extractions.status = 'ok'
    AND extractions.text_hash = candidates.text_hash
    AND (leads.extracted_data ->> 'is_lead')::boolean;

CREATE VIEW lead_assets.campaign_stats AS
WITH campaigns AS (
    SELECT campaign_id FROM lead_assets.stage_runs
    UNION SELECT campaign_id FROM lead_assets.documents
    UNION SELECT campaign_id FROM lead_assets.rejections
)
SELECT
    campaigns.campaign_id,
    (SELECT count(*) FROM lead_assets.documents d WHERE d.campaign_id = campaigns.campaign_id) AS documents,
    (SELECT coalesce(jsonb_object_agg(gate, rejected), '{}') FROM (
        SELECT gate, count(*) AS rejected FROM lead_assets.rejections r
        WHERE r.campaign_id = campaigns.campaign_id GROUP BY gate) gates) AS rejected_by_gate,
    (SELECT count(*) FROM lead_assets.current_candidates c WHERE c.campaign_id = campaigns.campaign_id) AS candidates,
    (SELECT count(*) FROM lead_assets.current_candidates c
        WHERE c.campaign_id = campaigns.campaign_id AND c.kept) AS kept_candidates,
    (SELECT count(*) FROM lead_assets.qualified_leads q WHERE q.campaign_id = campaigns.campaign_id) AS leads_found,
    last_run.run_id AS last_run_id,
    last_run.finished_at AS last_run_at
FROM campaigns
LEFT JOIN LATERAL (
    SELECT run_id, finished_at FROM lead_assets.stage_runs s
    WHERE s.campaign_id = campaigns.campaign_id ORDER BY finished_at DESC LIMIT 1
) last_run ON true;

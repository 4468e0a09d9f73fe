-- The one definition of "current". Every reader selects from these views: funnel, checks, API, commands, row counts.
-- Dropped and made again whenever the schema changes (storage/migrate.py).
--
-- Rows are joined by their keys; a further equality stands in `coalesce(… = …, false)`. PostgreSQL would else multiply
-- the selectivities of both, expect a single row, and go through a whole view for each row of another: quadratic.
DROP VIEW IF EXISTS lead_assets.lead_states, lead_assets.lead_decisions, lead_assets.lead_marks,
    lead_assets.campaign_stats, lead_assets.qualified_leads, lead_assets.current_extractions, lead_assets.current_candidates;

-- Candidates that were ranked on the text that is stored now. `is_readable`: the extractor reads it, because it is kept
-- and no repost of another, and its author is still there to be answered.
CREATE VIEW lead_assets.current_candidates AS
SELECT candidates.*, candidates.kept AND candidates.duplicate_of IS NULL AND NOT documents.author_left AS is_readable
FROM lead_assets.candidates
JOIN lead_assets.documents USING (campaign_id, reddit_id)
WHERE coalesce(candidates.text_hash = documents.text_hash, false);

-- The answer that counts for each readable candidate: that of the best reader whose answer the run's extractor accepts.
-- Where there is none yet (another product, another model, a cap), the newest good answer about the same text stays,
-- and is `stale`: it is read again when the caps allow it, and nothing vanishes meanwhile.
CREATE VIEW lead_assets.current_extractions AS
SELECT DISTINCT ON (campaign_id, reddit_id)
    extractions.*,
    NOT coalesce(extractions.request_key = ANY (candidates.accepted_keys), false) AS stale
FROM lead_assets.current_candidates AS candidates
JOIN lead_assets.extractions USING (campaign_id, reddit_id)
WHERE candidates.is_readable AND extractions.status = 'ok' AND coalesce(extractions.text_hash = candidates.text_hash, false)
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
    AND coalesce(extractions.request_key = leads.extracted_data ->> 'request_key', false)
WHERE candidates.is_readable
    AND extractions.status = 'ok'
    AND coalesce(extractions.text_hash = candidates.text_hash, false)
    AND leads.qualifies;

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

-- What somebody has decided about a document last. A snooze that has ended is new again.
CREATE VIEW lead_assets.lead_decisions AS
SELECT DISTINCT ON (campaign_id, reddit_id)
    campaign_id,
    reddit_id,
    CASE WHEN value = 'snoozed' AND until <= now() THEN 'new' ELSE value END AS status,
    reason,
    CASE WHEN value = 'snoozed' THEN until END AS snoozed_until,
    actor AS status_by,
    happened_at AS status_at
FROM lead_assets.lead_events WHERE event = 'status'
ORDER BY campaign_id, reddit_id, event_id DESC;

-- Where each lead stands: what qualifies now, and what somebody has decided about, whether it still qualifies or not.
CREATE VIEW lead_assets.lead_states AS
SELECT
    leads.campaign_id,
    leads.reddit_id,
    coalesce(found.happened_at, leads.created_at) AS found_at,
    coalesce(decided.status, 'new') AS status,
    decided.reason,
    decided.snoozed_until,
    decided.status_by,
    decided.status_at,
    qualified.reddit_id IS NOT NULL AS qualifies,
    coalesce(qualified.stale, false) AS stale
FROM lead_assets.leads
LEFT JOIN lead_assets.qualified_leads AS qualified USING (campaign_id, reddit_id)
LEFT JOIN lead_assets.lead_events AS found
    ON found.campaign_id = leads.campaign_id AND found.reddit_id = leads.reddit_id AND found.event = 'found'
LEFT JOIN lead_assets.lead_decisions AS decided
    ON decided.campaign_id = leads.campaign_id AND decided.reddit_id = leads.reddit_id
WHERE qualified.reddit_id IS NOT NULL OR coalesce(decided.status, 'new') <> 'new';

-- What a person has said of a document: it is a lead, or it is not. The newer of a status that says so and a mark counts;
-- a status that says nothing of the text (open, snoozed, dismissed as too old) leaves an earlier mark as it is.
CREATE VIEW lead_assets.lead_marks AS
WITH decided AS (
    SELECT DISTINCT ON (campaign_id, reddit_id) campaign_id, reddit_id, event_id, reason, actor, happened_at,
        CASE WHEN value IN ('contacted', 'won') THEN 'lead'
            WHEN value = 'dismissed' AND reason IN ('not buying', 'wrong product', 'seller or spam') THEN 'no lead'
        END AS mark
    FROM lead_assets.lead_events WHERE event = 'status'
    ORDER BY campaign_id, reddit_id, event_id DESC
), said AS (
    SELECT DISTINCT ON (campaign_id, reddit_id) campaign_id, reddit_id, event_id, value AS mark, reason, actor,
        happened_at
    FROM lead_assets.lead_events WHERE event = 'mark'
    ORDER BY campaign_id, reddit_id, event_id DESC
), newest AS (
    SELECT DISTINCT ON (campaign_id, reddit_id) *
    FROM (SELECT campaign_id, reddit_id, event_id, mark, reason, actor, happened_at FROM decided WHERE mark IS NOT NULL
        UNION ALL SELECT campaign_id, reddit_id, event_id, mark, reason, actor, happened_at FROM said) marks
    ORDER BY campaign_id, reddit_id, event_id DESC
)
SELECT campaign_id, reddit_id, mark, reason, actor, happened_at AS marked_at FROM newest
WHERE mark IN ('lead', 'no lead');

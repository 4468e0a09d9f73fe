"""Announce: what is new and good enough goes into the outbox, once for each receiver."""

from lead_assets.domain.notify import next_moment
from lead_assets.pipeline.step import Step, StepContext, StepReport
from lead_assets.storage.outbox import queue_leads, read_channels, read_outbox_state


def run(context: StepContext) -> StepReport:
    """Queue new leads for the receivers in the campaign's file; without any, there is nothing to do."""
    campaign, now = context.run.campaign, context.run.clock()
    queued = 0
    with context.session.transaction() as connection:
        known = read_channels(connection, campaign.id)
        for notify in campaign.notify:
            if notify.channel in known:
                queued += queue_leads(
                    connection,
                    campaign.id,
                    notify.channel,
                    min_probability=notify.min_probability,
                    max_age=notify.max_age,
                    due_at=next_moment(notify, now, campaign.timezone),
                )
        state = read_outbox_state(connection, campaign.id)
    oldest = state["oldest"]
    details = {
        "receivers": len(campaign.notify),
        "waiting": state["waiting"],
        "oldest_waiting_hours": round((now - oldest).total_seconds() / 3600, 1) if oldest else 0.0,
        "sent": state["sent"],
        "dropped": state["dropped"],
        "undelivered": state["undelivered"],
    }
    warnings = [f"{label} is switched off: {because}" for label, because in state["switched_off"].items()]
    return StepReport(
        row_count=state["waiting"] + state["sent"] + state["dropped"] + state["undelivered"],
        counts={"announced": queued},
        details=details,
        warnings=warnings,
    )


STEP = Step("announced_leads", "announce", run)

"""What people do with leads: statuses, marks and notes, as append-only events, and alerts through an outbox."""

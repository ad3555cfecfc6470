"""Who else is told: CRM records, dead letters, Redis, telemetry."""

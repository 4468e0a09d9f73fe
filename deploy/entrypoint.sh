#!/bin/sh
# Secrets come as files: what of the environment holds one is made here, so that no command line and no image has it.
set -eu
secrets=/run/secrets
set -a
if [ -s "$secrets/env" ]; then . "$secrets/env"; fi
set +a
export DATABASE_URL="postgresql://lead_assets:$(cat "$secrets/postgres_password")@postgres:5432/lead_assets"
export CELERY_BROKER_URL="redis://:$(cat "$secrets/redis_password")@redis:6379/0"
export TYPESENSE_API_KEY="$(cat "$secrets/typesense_api_key")"
exec "$@"

#!/bin/sh
# Make the secrets that are missing; those that are there stay.
set -eu
cd "$(dirname "$0")"
umask 077
mkdir -p secrets
for name in postgres_password redis_password typesense_api_key; do
    [ -s "secrets/$name" ] || python3 -c 'import secrets; print(secrets.token_hex(24), end="")' >"secrets/$name"
done
[ -e secrets/env ] || : >secrets/env

"""How we speak with Dagster from outside of it: its web server over GraphQL, and the `lead-assets dev` of this home."""

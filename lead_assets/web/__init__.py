"""The page: the inbox for people, beside the HTTP API and behind the same guards. It works without JavaScript."""

"""How Reddit fails, by what is to be done about it."""

from lead_assets.domain.errors import LookUpFailed, SourceFailed


class RedditUnavailable(SourceFailed):
    """Reddit did not answer properly within the time for retries."""


class RedditRefused(SourceFailed):
    """Reddit refuses us whatever we ask: credentials, the app, or the user agent."""


class NotReachable(SourceFailed):
    """A subreddit that is private, banned, or not there."""


class QueryRejected(SourceFailed):
    """A query that Reddit does not take."""


class RunBudgetSpent(LookUpFailed):
    """The run has made the requests that it may make."""

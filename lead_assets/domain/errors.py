"""What can go wrong, as one exception tree. Each message is one sentence: what, where, what to do.

LeadAssetsError
├── InvalidInput            a user's file, option or setting; commands exit with 2
│   ├── CampaignInvalid     a campaign file that cannot be read or does not validate
│   │   └── CampaignUnknown there is no file of this name
│   ├── SettingInvalid      a setting with a bad name or value, and where it was set
│   ├── BackupInvalid       a backup that is damaged, of another schema, or none at all
│   └── SourceNotFound      a source that lacks what it needs: an archive, credentials, subreddits
├── Unavailable             a server that is not there, refuses us, or is of the wrong version
│   ├── DatabaseUnavailable
│   ├── SchemaOutOfDate
│   ├── SearchUnavailable
│   ├── EndpointUnavailable OpenAI, or a server like it: no key, no credit, no such model, no answer
│   ├── DagsterUnavailable  Dagster's web server
│   └── LocalServerFailed   an embedded server that did not start
├── DagsterRefused          Dagster answers, but does not do what it was asked
├── CampaignBusy            another run holds the campaign's lock
├── SourceFailed            a crawl that could not go on
│   └── LookUpFailed        facts that could not be read: the batch is left unjudged
├── RejectionLogFailed      a CSV file of rejections that could not be read or rewritten
├── EmbeddingFailed
├── BackupFailed            a backup that could not be written, or whose campaign files could not
├── RunFailed               a run of the graph failed
├── RunInterrupted          the user ended a run
├── EvaluationFailed        a step of an evaluation failed
└── ExtractionFailed        one document's extraction; recorded, never blocking the others
"""

from lead_assets.domain.plain_text import printable


class LeadAssetsError(Exception):
    """Base of all errors that are told to a person in one sentence, in which others may have written."""

    def __str__(self) -> str:
        """The sentence, without what a terminal would obey."""
        return printable(super().__str__())


class InvalidInput(LeadAssetsError):
    """Something the user wrote is wrong; the message says where and how to mend it."""


class CampaignInvalid(InvalidInput):
    """A campaign file that is missing, unreadable, or does not validate."""


class CampaignUnknown(CampaignInvalid):
    """There is no campaign file of this name."""


class SettingInvalid(InvalidInput):
    """A setting with an unknown name or a value outside its bounds."""


class SourceNotFound(InvalidInput):
    """A source that does not exist, or that lacks what it needs: an archive file, credentials, subreddits."""


class BackupInvalid(InvalidInput):
    """A file that is not a whole backup, or one that this version cannot restore."""


class BackupFailed(LeadAssetsError):
    """A backup, or a campaign file of one, could not be written."""


class Unavailable(LeadAssetsError):
    """A server is not reachable, refuses our key, or is of a version we cannot use."""


class DatabaseUnavailable(Unavailable):
    """PostgreSQL does not answer, refuses us, or lacks the pgvector extension."""


class SchemaOutOfDate(Unavailable):
    """The schema in PostgreSQL is not the one this version needs."""


class SearchUnavailable(Unavailable):
    """Typesense does not answer, refuses our key, or is of a version we cannot use."""


class EndpointUnavailable(Unavailable):
    """OpenAI, or a server like it, does not serve us at all: trying the next document would not help."""


class DagsterUnavailable(Unavailable):
    """Dagster's web server does not answer, or something else answers in its place."""


class DagsterRefused(LeadAssetsError):
    """Dagster's web server answers, and refuses; the message has its own words."""


class LocalServerFailed(Unavailable):
    """An embedded server could not be started or stopped."""


class CampaignBusy(LeadAssetsError):
    """Another run holds the campaign's advisory lock."""


class SourceFailed(LeadAssetsError):
    """A crawl cannot go on; what was stored before stays."""


class LookUpFailed(SourceFailed):
    """Facts about subreddits or authors could not be read: the documents stay unjudged and without a sighting."""


class RejectionLogFailed(LeadAssetsError):
    """A CSV file of rejections could not be rewritten without what was deleted."""


class RunFailed(LeadAssetsError):
    """A run of the graph failed; the message is the failed asset's."""


class RunInterrupted(LeadAssetsError):
    """The user ended the run."""


class EvaluationFailed(LeadAssetsError):
    """A step of an evaluation failed; nothing of it stays."""


class EmbeddingFailed(LeadAssetsError):
    """Texts could not be embedded."""


class ReadingFailed(LeadAssetsError):
    """Not one of a run's candidates could be read; what came is stored."""


class ExtractionFailed(LeadAssetsError):
    """One document could not be read by the extractor."""

"""Which embedder and extractor a run works with, and that ``auto`` never goes back from a model to less."""

import contextlib
from collections.abc import Iterator

import sqlalchemy as sa

from lead_assets.defs.resources import Brief, EmbedderOpener, ExtractorOpener
from lead_assets.domain.errors import SettingInvalid
from lead_assets.models.local_embedder import Embedder
from lead_assets.models.rules_extractor import Extractor
from lead_assets.storage.extractions import has_read_by
from lead_assets.storage.vectors import foreign_model

LOCAL_MODELS = "all-MiniLM-L6-v2-int8-"
"""How the names of the local embedder's models begin."""
OPENAI = "openai"


@contextlib.contextmanager
def opened_embedder(connection: sa.Connection, brief: Brief, opener: EmbedderOpener) -> Iterator[Embedder]:
    """The run's embedder, closed at the end; ``connection`` is used for one query of its own transaction.

    Raises:
        SettingInvalid: nobody chose it, and the campaign has vectors of a model that cannot be asked now.
    """
    with contextlib.closing(opener(brief)) as embedder:
        if brief.settings.embedder == "auto" and embedder.name == "local":
            with _reading(connection):
                model = foreign_model(connection, brief.campaign.id, LOCAL_MODELS)
            if model is not None:
                raise SettingInvalid(
                    f"Campaign {brief.campaign.id} has vectors of {model}, but neither OPENAI_API_KEY nor a base URL "
                    "is set; set it again, or EMBEDDER=local to embed and rank with the local model from now on."
                )
        yield embedder


@contextlib.contextmanager
def opened_extractor(connection: sa.Connection, brief: Brief, opener: ExtractorOpener) -> Iterator[Extractor]:
    """The run's extractor, closed at the end; ``connection`` is used for one query of its own transaction.

    Raises:
        SettingInvalid: nobody chose it, and the campaign was read by a model that cannot be asked now.
    """
    with contextlib.closing(opener(brief)) as extractor:
        if brief.settings.extractor == "auto" and extractor.name == "rules":
            with _reading(connection):
                by_model = has_read_by(connection, brief.campaign.id, OPENAI)
            if by_model:
                raise SettingInvalid(
                    f"Campaign {brief.campaign.id} was read by a language model, but neither OPENAI_API_KEY nor a base "
                    "URL is set; set it again, or EXTRACTOR=rules to read what is new by rules from now on."
                )
        yield extractor


@contextlib.contextmanager
def _reading(connection: sa.Connection) -> Iterator[None]:
    """A transaction of its own, unless one is open."""
    with contextlib.nullcontext() if connection.in_transaction() else connection.begin():
        yield

"""Lead models as files: those that ship, and one's own."""

import json
from functools import lru_cache
from pathlib import Path

from pydantic import ValidationError

from lead_assets.domain.errors import InvalidInput
from lead_assets.domain.lead_model import LeadModel
from lead_assets.domain.settings import Settings
from lead_assets.files import PUBLIC, expanded, write_whole

SHIPPED = Path(__file__).parent.parent / "lead_model"
WITHOUT_VECTORS = "any_embedder.json"
MAX_FILE_BYTES = 2**22


def lead_model_for(settings: Settings, embedder_model: str) -> LeadModel:
    """The model for vectors of ``embedder_model``: the file of LEAD_MODEL, else the one that ships for it, else the one
    that reads no vectors.

    Raises:
        InvalidInput: the file of LEAD_MODEL is not a lead model, or was trained with another embedder.
    """
    if settings.lead_model:
        model = read_lead_model(expanded(settings.lead_model))
        if model.embedder not in (None, embedder_model):
            raise InvalidInput(
                f"The lead model {settings.lead_model} was trained with {model.embedder}, not with {embedder_model}. "
                "Train one with this embedder, or unset LEAD_MODEL."
            )
        return model
    shipped = _shipped()
    return next((each for each in shipped if each.embedder == embedder_model), shipped[-1])


@lru_cache(maxsize=1)
def _shipped() -> tuple[LeadModel, ...]:
    """The models that ship; the one without vectors comes last."""
    paths = sorted(SHIPPED.glob("*.json"), key=lambda path: (path.name == WITHOUT_VECTORS, path.name))
    return tuple(map(read_lead_model, paths))


def read_lead_model(path: Path) -> LeadModel:
    """The model in the file ``path``.

    Raises:
        InvalidInput: it cannot be read, or is not a lead model.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise InvalidInput(f"{path} is larger than {MAX_FILE_BYTES // 2**20} MiB, so it is not a lead model.")
        return LeadModel.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise InvalidInput(f"The lead model {path} cannot be read ({error.strerror}). Give its path.") from None
    except ValidationError as error:
        what = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise InvalidInput(f"{path} is not a lead model: {what}. Make one with `lead-assets train`.") from None
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{path} is not JSON ({str(error)[:100]}). Give a lead model.") from None


def write_lead_model(model: LeadModel, path: Path) -> None:
    """Write ``model``: the same bytes for the same model."""
    content = model.model_dump()
    lists = {name: content.pop(name) for name in ("vector_mean", "vector")}
    text = json.dumps(content, indent=1, ensure_ascii=False)
    packed = "".join(f',\n "{name}": {json.dumps(values)}' for name, values in lists.items())
    write_whole(path, f"{text[:-2]}{packed}\n}}\n", mode=PUBLIC)

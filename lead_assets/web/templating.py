"""The templates, in which everything is escaped."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from lead_assets.domain.inbox import REASONS, STATUSES


def _number(value: float) -> str:
    """A threshold for people: 1000, 0.3, -5."""
    return f"{value:,.6g}"


templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
templates.filters["number"] = _number
templates.globals.update(reasons=REASONS, statuses=STATUSES)

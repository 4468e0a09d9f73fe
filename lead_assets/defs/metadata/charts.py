"""Pictures in Dagster's metadata: the funnel, and what the ranking gates observed.

A picture is markdown with a PNG inside, and small enough for the event log, which keeps it for ever
(``MAX_PICTURE_BYTES``). The same numbers give the same bytes. Pictures hold counts, gates and settings; texts stay in
the store.

matplotlib is imported where something is drawn: its import takes half a second, which no other process should pay. Only
its objects are used, never pyplot, so nothing is shared with what else runs in the process.
"""

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lead_assets.domain.gate_catalog import RANK_GATES
from lead_assets.domain.gates import Gate
from lead_assets.domain.settings import Settings

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

MAX_PICTURE_BYTES = 40_000
"""Of a whole metadata value, in base64."""
DPI = 100
WIDTH = 9.0
ROW_HEIGHT = 0.27
PANEL_HEIGHT = 2.85
MAX_LABEL = 34
MAX_TITLE = 44
MAX_ALTERNATIVE = 600
MAX_BINS = 40
COLOURS = 24
"""Of a picture's palette: a few inks and their blends with the background."""

# Okabe and Ito's colours, which people of every colour vision tell apart; kept and rejected also lie on two sides.
_KEPT, _REJECTED, _THRESHOLD = "#0072B2", "#D55E00", "#000000"
_PAPER, _INK, _FAINT = "#FFFFFF", "#222222", "#DDDDDD"
_DASHED: dict[str, Any] = {"linewidth": 1.4, "linestyle": (0, (4, 2))}
_LONE_WIDTH = 0.025
_SKEWED_FROM = 50.0
"""Values beyond this get a logarithmic axis: scores of posts reach from a few to 100,000, the others stay small."""
_UNLIKE_FROM = 20.0
"""So many times as high as the other is what makes one side's bars vanish on a linear scale."""


def funnel_picture(steps: Sequence[Mapping[str, Any]]) -> dg.MetadataValue:
    """The ``stored`` counts of ``funnel_steps``, drawn; its alternative text has the steps that are not rejections."""
    counts = [f"{_plain(step['step'])} {step['stored']:,}" for step in steps if not _is_loss(step)]
    return _picture(lambda: funnel_figure(steps), f"Funnel: {', '.join(counts)}")


def score_picture(frame: pd.DataFrame, settings: Settings, gates: Sequence[Gate] = RANK_GATES) -> dg.MetadataValue:
    """What each of ``gates`` observed in the ranked documents, drawn: see ``score_figure``."""
    kept = int(frame["kept"].sum())
    about = [f"{gate.name} {_limit(gate, settings)}" for gate in gates]
    alternative = f"Scores of {len(frame):,} ranked documents, {kept:,} of them kept; gates: {'; '.join(about)}"
    return _picture(lambda: score_figure(frame, settings, gates), alternative)


def funnel_figure(steps: Sequence[Mapping[str, Any]]) -> "Figure":
    """A bar for each step, in their order from the top, with its count and its share of the first step's count.

    Bars are always on a logarithmic scale, so that 12 beside 100,000 is still to be seen, and so that pictures of
    different runs are alike; the shares in words say what such a scale hides.
    """
    from matplotlib.ticker import FuncFormatter

    figure = _figure(len(steps) * ROW_HEIGHT + 0.75)
    height = figure.get_figheight()
    axes = figure.add_axes((0.29, 0.45 / height, 0.53, (height - 0.55) / height))
    total = max((int(step["stored"]) for step in steps[:1]), default=0)
    highest = max((int(step["stored"]) for step in steps), default=0)
    axes.set_xscale("symlog", linthresh=1, linscale=0.5)
    for row, step in enumerate(steps):
        loss, count = _is_loss(step), int(step["stored"])
        axes.barh(row, count, height=0.72, color=_REJECTED if loss else _KEPT)
        name = axes.text(-0.015, row, _plain(step["step"]), transform=axes.get_yaxis_transform(), ha="right")
        _style(name, weight="normal" if loss else "bold")
        share = f"  ({_percent(count, total)})" if count and total else ""
        _style(axes.annotate(f"{count:,}{share}", (count, row), (5, 0), textcoords="offset points"))
    axes.set(xlim=(0, max(highest, 10)), ylim=(max(len(steps), 1) - 0.4, -0.6), yticks=[])
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))
    axes.set_xlabel("documents stored, on a logarithmic scale", size=8.5, color=_INK)
    _frame(axes, "x")
    return figure


def score_figure(frame: pd.DataFrame, settings: Settings, gates: Sequence[Gate] = RANK_GATES) -> "Figure":
    """For each gate a histogram of what it observes in all of ``frame``: kept rows upwards, dropped ones downwards.

    ``frame`` has what the gates observe and the columns ``kept`` and ``gate`` (which rejected the row). The gate's
    threshold is a line, its setting and value are written above. Documents without the value are counted in words.
    """
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    rows = (len(gates) + 1) // 2
    figure = _figure(max(rows, 1) * PANEL_HEIGHT + 0.4)
    height = figure.get_figheight()
    kept = frame["kept"].to_numpy(dtype=bool)
    for number, gate in enumerate(gates):
        left, top = 0.075 + 0.49 * (number % 2), height - 0.9 - PANEL_HEIGHT * (number // 2)
        axes = figure.add_axes((left, (top - PANEL_HEIGHT + 1.0) / height, 0.425, (PANEL_HEIGHT - 1.0) / height))
        _draw_gate(axes, gate, frame, kept, settings)
    legend = figure.legend(
        handles=[
            Patch(color=_KEPT, label=f"kept by all gates: {int(kept.sum()):,}"),
            Patch(color=_REJECTED, label=f"rejected by any gate, or excluded: {int((~kept).sum()):,}"),
            Line2D([], [], color=_THRESHOLD, label="threshold", **_DASHED),
        ],
        loc="upper center",
        ncols=3,
        frameon=False,
        fontsize=9.5,
    )
    for text in legend.get_texts():
        text.set_color(_INK)
    return figure


def _draw_gate(axes: "Axes", gate: Gate, frame: pd.DataFrame, kept: NDArray[np.bool_], settings: Settings) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    observed = gate.observe(frame).to_numpy(dtype="float64", na_value=np.nan)
    known = np.isfinite(observed)
    threshold = None if gate.off(settings) else float(gate.threshold(settings))
    shown = np.append(observed[known], [] if threshold is None else [threshold])
    skewed = bool(np.any(np.abs(shown) > _SKEWED_FROM))
    edges = _doubling_edges(shown, threshold) if skewed else _even_edges(shown, threshold)
    # Clipped, as the outermost edges may be a rounding error beside the outermost values.
    observed = observed.clip(edges[0], edges[-1])
    above, below = (np.histogram(observed[known & side], edges)[0] for side in (kept, ~kept))
    for counts, colour in ((above, _KEPT), (-below, _REJECTED)):
        axes.stairs(counts, edges, baseline=0, fill=True, color=colour)
    axes.axhline(0, color=_INK, linewidth=0.8)
    if skewed:
        axes.set_xscale("symlog", linthresh=1)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))
    elif np.all(edges == np.round(edges)):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.margins(x=0.03)
    _scale_counts(axes, above, below)
    if threshold is not None:
        axes.axvline(threshold, color=_THRESHOLD, **_DASHED)
    said = f"{gate.name}: rejects {int((frame['gate'] == gate.name).sum()):,}"
    if unknown := int((~known).sum()):
        said += f"; {unknown:,} unknown" if known.any() else "; all unknown"
    _style(axes.text(0, 1.17, _plain(said, MAX_TITLE), transform=axes.transAxes), weight="bold", size=8.5)
    _style(axes.text(0, 1.06, _plain(_limit(gate, settings), MAX_TITLE), transform=axes.transAxes))
    _frame(axes, "both")


def _limit(gate: Gate, settings: Settings) -> str:
    return f"off ({gate.setting})" if gate.off(settings) else f"{gate.setting} = {gate.threshold(settings):g}"


def _even_edges(shown: NDArray[np.float64], threshold: float | None) -> NDArray[np.float64]:
    """Even edges around all of ``shown``; the threshold is one, so that no bar is on both its sides."""
    if not len(shown):
        return np.array([0.0, 1.0])
    low, high = float(shown.min()), float(shown.max())
    step = (high - low) / MAX_BINS or _LONE_WIDTH
    if np.all(shown == np.round(shown)):
        step = float(np.ceil(step))
    start = low if threshold is None else threshold
    return start + step * np.arange(np.floor((low - start) / step), np.floor((high - start) / step) + 2)


def _doubling_edges(shown: NDArray[np.float64], threshold: float | None) -> NDArray[np.float64]:
    """Edges at 0, 1, 2, 4, 8 … and their negatives around all of ``shown``, and at the threshold."""
    largest = float(np.abs(shown).max())
    powers = 2.0 ** np.arange(np.floor(np.log2(largest)) + 2)
    edges = np.concatenate([-powers[::-1], [0.0], powers])
    first, last = np.searchsorted(edges, (shown.min(), shown.max()), side="right")
    return np.union1d(edges[first - 1 : last + 1], [] if threshold is None else [threshold])


def _scale_counts(axes: "Axes", above: NDArray[np.int_], below: NDArray[np.int_]) -> None:
    """Counts upwards and downwards; on a logarithmic scale, which is then said, where one side would vanish."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator, SymmetricalLogLocator

    up, down = int(above.max(initial=0)), int(below.max(initial=0))
    unlike = min(up, down) > 0 and max(up, down) > _UNLIKE_FROM * min(up, down)
    label = "documents"
    if unlike:
        label = "documents (log.)"
        axes.set_yscale("symlog", linthresh=1, linscale=0.5)
        axes.yaxis.set_major_locator(SymmetricalLogLocator(base=100, linthresh=1))
    else:
        axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _short(abs(value))))
    stretch = 2.0 if unlike else 1.08
    axes.set_ylim(-max(down, 1) * stretch if down else -0.06 * max(up, 1), max(up, 1) * stretch)
    axes.set_ylabel(label, size=8, color=_INK)


def _figure(height: float) -> "Figure":
    from matplotlib.figure import Figure

    return Figure(figsize=(WIDTH, height), dpi=DPI, facecolor=_PAPER)


def _frame(axes: "Axes", grid: str) -> None:
    axes.set_facecolor(_PAPER)
    axes.set_axisbelow(True)
    axes.grid(axis=grid, color=_FAINT, linewidth=0.7)  # pyright: ignore[reportArgumentType]
    axes.minorticks_off()
    axes.tick_params(labelsize=8.5, color=_FAINT, labelcolor=_INK)
    for side, spine in axes.spines.items():
        spine.set_visible(side in {"left", "bottom"})
        spine.set_color(_FAINT)


def _style(text: "Text", weight: str = "normal", size: float = 9.0) -> None:
    text.set(fontweight=weight, fontsize=size, color=_INK, verticalalignment="center")
    text.set_parse_math(False)


def _is_loss(step: Mapping[str, Any]) -> bool:
    """Whether a step of the funnel counts what went away: ``funnel_steps`` indents those."""
    return str(step["step"]).startswith(" ")


def _plain(label: object, longest: int = MAX_LABEL) -> str:
    """``label`` as the font has it on every machine, and no longer than there is room."""
    text = str(label).strip().encode("ascii", "replace").decode()
    text = "".join(letter if letter.isprintable() else "?" for letter in text)
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


def _percent(count: int, total: int) -> str:
    share = 100 * count / total
    return "< 0.1 %" if share < 0.1 else f"{share:.{2 if share < 10 else 3}g} %"


def _short(value: float) -> str:
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


def _picture(draw: Callable[[], "Figure"], alternative: str) -> dg.MetadataValue:
    """A picture, or that there is none: what is drawn is stored already, and a font that cannot be read, a setting of
    matplotlib's, or numbers that no axis takes are no reason to fail a run."""
    try:
        png = _png(draw())
    except Exception as error:  # noqa: BLE001  whatever it is; its message may name folders
        return dg.MetadataValue.text(f"not drawn: {type(error).__name__}")
    alternative = _plain(alternative, MAX_ALTERNATIVE).translate(str.maketrans("[]\\", "() "))
    encoded = base64.b64encode(png).decode("ascii")
    return dg.MetadataValue.md(f"![{alternative}](data:image/png;base64,{encoded})")


def _png(figure: "Figure") -> bytes:
    """``figure`` as a PNG with a small palette: flat inks need no more, and it takes a third of the room."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    image = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    file = io.BytesIO()
    image.quantize(COLOURS, dither=Image.Dither.NONE).save(file, "PNG", optimize=True)
    return file.getvalue()

"""Pictures in metadata: how large they are, that they say what the numbers say, and odd inputs."""

import base64
import io
import re
from dataclasses import replace
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle, StepPatch
from PIL import Image

from lead_assets.defs.metadata import charts as pictures
from lead_assets.defs.metadata.charts import (
    MAX_PICTURE_BYTES,
    funnel_figure,
    funnel_picture,
    score_figure,
    score_picture,
)
from lead_assets.domain.funnel import funnel_steps
from lead_assets.domain.gate_catalog import RANK_GATES
from lead_assets.domain.settings import Settings

KEPT, DROPPED = "#0072b2", "#d55e00"


def settings(**changed: Any) -> Settings:
    return Settings(**({"COSINE_THRESHOLD": 0.3} | changed))


def ranked(size: int = 1_000, seed: int = 1) -> pd.DataFrame:
    """Ranked documents with values as they come, and the gate that rejected each."""
    random = np.random.default_rng(seed)
    scores = np.round(random.lognormal(2, 2, size)) - 2
    frame = pd.DataFrame(
        {
            "cosine_similarity": random.beta(3, 6, size),
            "score": np.where(random.random(size) < 0.05, np.nan, scores),
            "keyword_hits": random.poisson(1.3, size).astype(float),
            "fused_score": random.normal(0.3, 0.2, size),
        }
    )
    rejected = {"cosine_similarity": 0.3, "score": 1, "fused_score": 0.1}
    gates = pd.Series(None, index=frame.index, dtype=object)
    for column, threshold in rejected.items():
        gate = "engagement" if column == "score" else column
        gates = gates.where(gates.notna() | ~(frame[column] < threshold), gate)
    return frame.assign(gate=gates, kept=gates.isna())


def funnel(**counts: Any) -> list[dict[str, Any]]:
    found = {
        "crawled": 100_000,
        "rejected": {"post_age": 50_000, "nsfw": 4_000, "author_karma": 39_000, "engagement": 900},
        "ranked": 4_100,
        "excluded": 20,
        "near_duplicates": 12,
        "extracted": 43,
        "stale": 0,
        "failed": 0,
        "leads": 12,
    }
    return funnel_steps(found | counts)


def png(picture: dg.MetadataValue) -> Image.Image:
    """The image in a picture, which is one and is all there is."""
    assert isinstance(picture, dg.MarkdownMetadataValue)
    assert len(picture.md_str.encode()) < MAX_PICTURE_BYTES
    match = re.fullmatch(r"!\[([^\[\]\n]{10,})\]\(data:image/png;base64,([A-Za-z0-9+/=]+)\)", picture.md_str)
    assert match is not None
    content = base64.b64decode(match[2], validate=True)
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


def texts(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def histogram(axes: Axes) -> dict[str, tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]:
    """Counts and edges by colour."""
    drawn = [patch for patch in axes.patches if isinstance(patch, StepPatch)]
    return {to_hex(patch.get_facecolor()): (patch.get_data().values, patch.get_data().edges) for patch in drawn}


def outside(figure: Figure) -> list[str]:
    """Texts that the picture's edge cuts."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    written = [text for axes in figure.axes for text in axes.texts] + figure.legends[:1]
    boxes = [(str(text), text.get_window_extent(canvas.get_renderer())) for text in written]
    return [text for text, box in boxes if box.x0 < 0 or box.x1 > figure.bbox.x1]


def thresholds(axes: Axes) -> list[float]:
    """Where upright lines are."""
    found = [np.asarray(line.get_xdata(), dtype=float) for line in axes.lines]
    return [float(xs[0]) for xs in found if xs[0] == xs[-1]]


# --- what any picture is ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 2, 70, 400_000])
def test_pictures_are_small_pngs_with_an_opaque_light_ground(size: int) -> None:
    image = png(score_picture(ranked(size), settings()))

    assert image.size == (900, 610)
    assert image.info == {}
    rgb = image.convert("RGBA")
    assert rgb.getpixel((0, 0)) == (255, 255, 255, 255)
    assert rgb.getextrema()[3] == (255, 255)


def test_the_funnel_is_a_small_png() -> None:
    assert png(funnel_picture(funnel())).size == (900, 507)


def test_the_same_numbers_give_the_same_bytes() -> None:
    assert score_picture(ranked(), settings()) == score_picture(ranked(), settings())
    drawn = funnel_picture(funnel(leads=1))
    assert drawn == funnel_picture(funnel(leads=1))
    assert drawn != funnel_picture(funnel(leads=11))


def test_a_picture_that_cannot_be_drawn_costs_no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(figure: Figure) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(pictures, "_png", broken)

    assert funnel_picture(funnel()) == dg.MetadataValue.text("not drawn: PermissionError")


# --- the funnel ------------------------------------------------------------------------------------------------------


def test_the_funnel_has_a_bar_of_the_right_length_and_a_label_for_each_step() -> None:
    steps = funnel()

    (axes,) = funnel_figure(steps).axes

    bars = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    assert [bar.get_width() for bar in bars] == [step["stored"] for step in steps]
    assert [to_hex(bar.get_facecolor()) == DROPPED for bar in bars] == [step["step"].startswith(" ") for step in steps]
    names, labels = texts(axes)[::2], texts(axes)[1::2]
    assert names == [step["step"].strip() for step in steps]
    assert [int(label.split()[0].replace(",", "")) for label in labels] == [step["stored"] for step in steps]
    assert labels[:2] == ["100,000  (100 %)", "50,000  (50 %)"]
    assert labels[-1] == "12  (< 0.1 %)"
    assert axes.get_xscale() == "symlog"


def test_the_alternative_text_of_the_funnel_has_its_steps() -> None:
    assert "![Funnel: crawled 100,000, ranked 4,100, extracted 43, leads 12](" in str(funnel_picture(funnel()).value)


@pytest.mark.parametrize(
    "steps",
    [
        [],
        [{"step": "crawled", "stored": 0}],
        funnel(crawled=0, rejected={}, ranked=0, excluded=0, near_duplicates=0, extracted=0, leads=0),
        funnel(crawled=10**9, ranked=10**9),
        [{"step": f"{number} a very long label, OVER and over again " * 3, "stored": 1} for number in range(16)],
        [{"step": "漢字 [x](y) $a_b$ \u202e\n🙂 ]", "stored": 7}, {"step": "  $\\frac", "stored": 3}],
    ],
    ids=["no steps", "nothing", "zeros", "10^9", "long", "unicode"],
)
def test_odd_funnels_are_drawn(steps: list[dict[str, Any]]) -> None:
    if steps:
        png(funnel_picture(steps))
    assert outside(funnel_figure(steps)) == []


# --- scores ----------------------------------------------------------------------------------------------------------


def test_each_gate_has_its_threshold_as_a_line_with_setting_and_value() -> None:
    chosen = settings(MIN_ENGAGEMENT_SCORE=3, COSINE_THRESHOLD=0.41)

    figure = score_figure(ranked(), chosen)

    assert len(figure.axes) == len(RANK_GATES)
    for axes, gate in zip(figure.axes, RANK_GATES, strict=True):
        assert thresholds(axes) == [gate.threshold(chosen)]
        assert texts(axes)[0].startswith(f"{gate.name}: ")
        assert texts(axes)[1] == f"{gate.setting} = {gate.threshold(chosen):g}"
        low, high = axes.get_xlim()
        assert low < gate.threshold(chosen) < high


def test_a_gate_that_is_off_is_said_to_be_and_has_no_line() -> None:
    figure = score_figure(ranked(), settings(MIN_KEYWORD_HITS=0))

    hits = figure.axes[2]
    assert texts(hits)[1] == "off (MIN_KEYWORD_HITS)"
    assert thresholds(hits) == []


@pytest.mark.parametrize("size", [1, 7, 1_000, 50_000])
def test_every_known_value_is_in_the_bar_of_its_side(size: int) -> None:
    frame = ranked(size)

    figure = score_figure(frame, settings())

    for axes, gate in zip(figure.axes, RANK_GATES, strict=True):
        observed = gate.observe(frame)
        bars = histogram(axes)
        for colour, side, sign in ((KEPT, frame["kept"], 1), (DROPPED, ~frame["kept"], -1)):
            counts, edges = bars[colour]
            expected = np.histogram(observed[side].dropna(), edges)[0]
            assert (sign * counts).tolist() == expected.tolist()
            assert counts.sum() == sign * observed[side].notna().sum()
        assert float(gate.threshold(settings())) in bars[KEPT][1]


def test_what_the_legend_and_the_words_count() -> None:
    frame = ranked()

    figure = score_figure(frame, settings())

    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == [
        f"kept by all gates: {frame['kept'].sum():,}",
        f"rejected by any gate, or excluded: {(~frame['kept']).sum():,}",
        "threshold",
    ]
    unknown = frame["score"].isna().sum()
    rejected = frame["gate"].value_counts()
    assert [texts(axes)[0] for axes in figure.axes] == [
        f"cosine_similarity: rejects {rejected['cosine_similarity']}",
        f"engagement: rejects {rejected['engagement']}; {unknown} unknown",
        "keyword_hits: rejects 0",
        f"fused_score: rejects {rejected['fused_score']}",
    ]


@pytest.mark.parametrize(
    "values",
    [
        {"score": np.nan},
        dict.fromkeys(("cosine_similarity", "score", "keyword_hits", "fused_score"), np.nan),
        dict.fromkeys(("cosine_similarity", "score", "keyword_hits", "fused_score"), 0.3),
        {"score": 5_000_000.0},
        {"score": -5_000_000.0, "keyword_hits": 90.0},
        {"fused_score": -1e-12, "cosine_similarity": 0.3 + 1e-15},
        {"score": np.inf},
    ],
    ids=["no score known", "nothing known", "all equal", "high", "low", "all but equal", "infinite"],
)
def test_odd_values_are_drawn_and_none_is_lost(values: dict[str, float]) -> None:
    frame = ranked(500).assign(**values)

    png(score_picture(frame, settings()))

    for axes, gate in zip(score_figure(frame, settings()).axes, RANK_GATES, strict=True):
        drawn = sum(abs(counts).sum() for counts, _ in histogram(axes).values())
        assert drawn == np.isfinite(gate.observe(frame)).sum()


def test_nothing_known_is_said() -> None:
    figure = score_figure(ranked(9).assign(score=np.nan), settings())

    assert texts(figure.axes[1])[0].endswith("; all unknown")


@pytest.mark.parametrize("threshold", [-(10**9), -3, 0, 1, 7, 10**9])
def test_any_threshold_is_between_bars_and_in_sight(threshold: int) -> None:
    chosen = settings(MIN_ENGAGEMENT_SCORE=threshold)

    (gate,) = (gate for gate in RANK_GATES if gate.name == "engagement")
    (axes,) = score_figure(ranked(), chosen, [gate]).axes

    assert thresholds(axes) == [threshold]
    assert threshold in histogram(axes)[KEPT][1]
    assert axes.get_xlim()[0] < threshold < axes.get_xlim()[1]
    png(score_picture(ranked(), chosen, [gate]))


def test_a_side_that_would_vanish_makes_the_scale_logarithmic_which_is_said() -> None:
    even = ranked(2_000)
    few = even.assign(kept=even.index < 12)

    assert score_figure(even, settings()).axes[0].get_ylabel() == "documents"
    assert score_figure(few, settings()).axes[0].get_ylabel() == "documents (log.)"
    png(score_picture(few, settings()))


def test_other_gates_and_long_names_are_drawn_too() -> None:
    gates = [replace(gate, name=gate.name * 9, setting=gate.setting * 9) for gate in RANK_GATES[:3]]

    assert png(score_picture(ranked(), settings(), gates)).size == (900, 610)
    assert outside(score_figure(ranked(), settings(), gates)) == []
    assert (
        outside(score_figure(ranked(), settings(MIN_FUSED_SCORE_THRESHOLD=0.123456789, MIN_ENGAGEMENT_SCORE=-(10**9))))
        == []
    )
    assert png(score_picture(ranked(), settings(), [])).size[0] == 900

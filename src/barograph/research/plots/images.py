"""PNG images by matplotlib, with the same bytes every time."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING

from barograph.errors import UsageError
from barograph.research.plots.style import LIGHT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 144


def image(size: tuple[float, float], draw: Callable[[Figure], None]) -> bytes:
    """A PNG of ``size`` inches that ``draw`` fills.

    Neither the user's matplotlib settings nor the time nor matplotlib's version get into it.

    Raises:
        UsageError: matplotlib is not installed.
    """
    try:
        import matplotlib.style
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
        from matplotlib.layout_engine import ConstrainedLayoutEngine
    except ImportError as missing:
        raise UsageError(
            "images need matplotlib, which is not installed: pip install 'barograph[research]'"
        ) from missing
    out = io.BytesIO()
    with matplotlib.style.context("default"):
        layout = ConstrainedLayoutEngine(w_pad=0.14, h_pad=0.14)
        figure = Figure(figsize=size, dpi=DPI, facecolor=LIGHT["paper"], layout=layout)
        FigureCanvasAgg(figure)
        draw(figure)
        figure.savefig(out, format="png", dpi=DPI, metadata={"Software": None})
    return out.getvalue()


def plain(axes: Axes, title: str) -> None:
    """Thin rules, no frame, the title at the left."""
    axes.set_facecolor(LIGHT["paper"])
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(LIGHT["soft"])
    axes.grid(axis="y", color=LIGHT["rule"], linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=LIGHT["soft"], labelsize=9, length=0)
    axes.set_title(title, loc="left", fontsize=11, color=LIGHT["ink"])

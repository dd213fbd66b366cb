"""The colours of figures and pages, light and dark, and what the classes of figures look like.

One accent for the strategy, ink for the rest; a warm tone stands for losses only.
"""

from __future__ import annotations

LIGHT = {
    "paper": "#fdfdfb",
    "ink": "#1a1d21",
    "soft": "#5c646c",
    "rule": "#dcdfe1",
    "accent": "#0b6670",
    "loss": "#b0452c",
    "tint": "#f3f5f4",
}
DARK = {
    "paper": "#131619",
    "ink": "#e5e7e9",
    "soft": "#9aa2aa",
    "rule": "#2e343a",
    "accent": "#56b8c2",
    "loss": "#e5886a",
    "tint": "#1b2024",
}


def variables(colours: dict[str, str]) -> str:
    """Colours as CSS custom properties."""
    return "".join(f"--{name}:{colour};" for name, colour in colours.items())


FIGURES = """
svg{display:block;width:100%;height:auto;overflow:visible}
svg text{fill:var(--ink);font-size:12px}
svg .n{fill:var(--soft);font-size:11.5px;font-variant-numeric:tabular-nums}
svg .c,svg .e{paint-order:stroke;stroke:var(--paper);stroke-width:3px;stroke-linejoin:round}
svg .c{fill:var(--soft);font-size:11.5px}
svg .e{fill:var(--accent);font-size:12px;font-weight:600}
svg .on{fill:var(--ink);font-size:10.5px;font-variant-numeric:tabular-nums}
svg line,svg path{fill:none}
svg .g{stroke:var(--rule);stroke-width:.8}
svg .k{stroke:var(--soft);stroke-width:.9}
svg .z{stroke:var(--soft);stroke-width:.9}
svg .d{stroke:var(--soft);stroke-width:1;stroke-dasharray:3 3}
svg .v{fill:var(--ink);fill-opacity:.035}
svg .s{stroke:var(--accent);stroke-width:1.6;stroke-linejoin:round}
svg .m{stroke:var(--soft);stroke-width:1.1;stroke-linejoin:round}
svg .mf{stroke:var(--soft);stroke-width:.8;stroke-opacity:.75;stroke-linejoin:round}
svg .w{stroke:var(--accent);stroke-width:1.8}
svg .x{stroke:var(--loss);stroke-width:1.2;stroke-dasharray:5 3}
svg .lw{stroke:var(--accent);stroke-width:1.6;stroke-linecap:round}
svg .ll{stroke:var(--loss);stroke-width:1.6;stroke-linecap:round}
svg .fs{fill:var(--accent);fill-opacity:.16}
svg .bs{fill:var(--accent)}
svg .bl{fill:var(--loss)}
svg .bm{fill:var(--soft);fill-opacity:.5}
svg .ps{fill:var(--accent);fill-opacity:.8}
svg .pl{fill:var(--loss);fill-opacity:.8}
svg .pm{fill:var(--soft);fill-opacity:.45}
svg .pw{fill:var(--accent);stroke:var(--paper);stroke-width:1.5}
svg .ring{fill:none;stroke:var(--ink);stroke-width:1.8}
svg .h{fill:var(--ink);fill-opacity:0}
svg .h:hover{fill-opacity:.07}
svg circle:hover,svg .bs:hover,svg .bl:hover,svg .bm:hover{fill-opacity:1}
"""

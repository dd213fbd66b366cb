"""The looks of the page: system fonts, thin rules, one accent; light, dark, and on paper."""

from __future__ import annotations

from barograph.research.plots.style import DARK, FIGURES, LIGHT, variables

_PAGE = """
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);font:14px/1.5 system-ui,-apple-system,
"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;font-variant-numeric:tabular-nums}
main{max-width:1048px;margin:0 auto;padding:36px 24px 72px}
h1,h2,.headline{font-family:"Iowan Old Style",Charter,"Palatino Linotype",Palatino,Georgia,serif;
font-weight:600;letter-spacing:-.005em;text-wrap:balance}
h1{font-size:30px;line-height:1.15;margin:2px 0 6px}
h2{font-size:20px;line-height:1.25;margin:0 0 14px;padding-top:12px;border-top:2px solid var(--ink)}
p{margin:0 0 12px;max-width:74ch}
a{color:inherit;text-decoration-color:var(--rule);text-underline-offset:3px}
a:hover{text-decoration-color:var(--accent)}
section{margin-top:44px}
.over{font-size:11.5px;letter-spacing:.09em;text-transform:uppercase;color:var(--soft);margin:0}
.under{color:var(--soft);margin:0}
.verdict{margin-top:24px;padding:18px 0 4px;border-top:4px solid var(--loss)}
.verdict.good{border-top-color:var(--accent)}
.headline{font-size:23px;line-height:1.3;margin:0 0 12px;max-width:46ch}
.reasons{margin:0 0 22px;padding-left:18px;columns:2;column-gap:42px}
.reasons li{margin:0 0 5px;break-inside:avoid}
.reasons li::marker{color:var(--soft)}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));margin:0;
border-top:1px solid var(--rule);border-bottom:1px solid var(--rule)}
.tiles div{padding:12px 14px 12px 0}
.tiles dt{font-size:12px;color:var(--soft)}
.tiles dd{margin:0;font-size:22px;line-height:1.3;white-space:nowrap}
.tiles dd small{display:block;font-size:12px;color:var(--soft);white-space:normal;line-height:1.4}
nav{margin:18px 0 0;font-size:13px;color:var(--soft);display:flex;flex-wrap:wrap;gap:2px 18px}
.pair{display:grid;grid-template-columns:repeat(2,minmax(0,1fr));gap:0 24px}
.pair>div{overflow-x:auto}
figure{margin:0 0 26px;min-width:0}
figcaption{font-size:13px;line-height:1.45;margin-bottom:8px;color:var(--soft);max-width:88ch}
figcaption b,caption{font-weight:600;color:var(--ink)}
.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:13px;margin:0 0 24px}
caption{text-align:left;padding-bottom:6px}
th,td{padding:4px 10px 4px 0;border-bottom:1px solid var(--rule);text-align:left;font-weight:400;
vertical-align:baseline}
th:last-child,td:last-child{padding-right:0}
thead th{color:var(--soft);font-size:12px;border-bottom-color:var(--soft);white-space:nowrap}
.r{text-align:right;white-space:nowrap}
td svg{width:220px;display:inline-block;vertical-align:middle}
.explained th:last-child,.explained td:last-child{
text-align:left;padding-left:24px;white-space:normal;width:62%}
.loss{color:var(--loss)}.soft{color:var(--soft)}
.months{table-layout:fixed;font-size:12px}
.months th,.months td{padding:3px 5px;text-align:right;border-bottom-color:var(--paper);overflow:hidden}
.months th:first-child{text-align:left;padding-left:0}
.months td:last-child{font-weight:600;border-left:8px solid var(--paper)}
.u1{background:var(--u1)}.u2{background:var(--u2)}.u3{background:var(--u3)}.u4{background:var(--u4)}
.u5{background:var(--u5)}.d1{background:var(--d1)}.d2{background:var(--d2)}.d3{background:var(--d3)}
.d4{background:var(--d4)}.d5{background:var(--d5)}
.facts{display:grid;grid-template-columns:repeat(2,minmax(0,1fr));gap:0 24px;margin:0 0 20px;font-size:13px}
.facts div{display:flex;gap:12px;padding:4px 0;border-bottom:1px solid var(--rule)}
.facts dt{color:var(--soft);flex:0 0 38%}
.facts dd{margin:0;overflow-wrap:anywhere}
.absent{color:var(--soft);border-left:3px solid var(--rule);padding-left:12px}
.absent b{color:var(--ink);font-weight:600}
code{font:12px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;overflow-wrap:anywhere}
.list{overflow-x:auto}
.list table{font-size:12px}
.list td,.list th{white-space:nowrap}
th button{all:unset;cursor:pointer}
th button:hover,th button:focus-visible{color:var(--ink);text-decoration:underline;text-underline-offset:3px}
th[aria-sort=ascending] button::after{content:" ↑"}
th[aria-sort=descending] button::after{content:" ↓"}
footer{margin-top:48px;border-top:1px solid var(--rule);padding-top:10px;color:var(--soft);font-size:12px}
@media (max-width:860px){
main{padding:20px 16px 48px}
.pair,.facts{grid-template-columns:minmax(0,1fr)}
.wide svg{min-width:680px}
.months{table-layout:auto}
.scroll{overflow-x:auto}
.reasons{columns:1}
h1{font-size:25px}.headline{font-size:20px}
}
@media print{
@page{size:A4;margin:14mm 12mm}
body{font-size:10pt}
main{max-width:none;padding:0}
nav{display:none}
section{margin-top:26px}
h2{break-after:avoid}
figure,.pair,.tiles,tr,.verdict{break-inside:avoid}
thead{display:table-header-group}
.wide,.list{overflow:visible}
.list table{font-size:7pt}
.list th,.list td{padding-right:5px}
*{-webkit-print-color-adjust:exact;print-color-adjust:exact}
}
"""


def _shades(colours: dict[str, str]) -> str:
    """Five steps of accent and of loss, mixed with the paper."""
    steps = (0.08, 0.18, 0.29, 0.41, 0.54)
    return "".join(
        f"--{letter}{i}:{_mixed(colours[tone], colours['paper'], part)};"
        for letter, tone in (("u", "accent"), ("d", "loss"))
        for i, part in enumerate(steps, start=1)
    )


def _mixed(colour: str, paper: str, part: float) -> str:
    pairs = ((int(colour[i : i + 2], 16), int(paper[i : i + 2], 16)) for i in (1, 3, 5))
    return "#" + "".join(f"{round(a * part + b * (1 - part)):02x}" for a, b in pairs)


def _theme(colours: dict[str, str]) -> str:
    return f"{{{variables(colours)}{_shades(colours)}}}"


STYLE = (
    f":root{_theme(LIGHT)}:root{{color-scheme:light dark}}"
    f"@media screen and (prefers-color-scheme:dark){{:root{_theme(DARK)}}}"
    + (_PAGE + FIGURES).replace("\n", "")
)
"""The one style sheet of the page; paper is always light."""

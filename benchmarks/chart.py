"""A chart of what a delta costs: a bar for each server and load, and a line from the least to the most."""

from collections.abc import Iterable, Sequence
from html import escape
from itertools import groupby

from benchmarks.rounds import Row, figure

UNIT = "µs of CPU a delta"
WIDTH, LABELS, HEIGHT, LEFT_FOR_FIGURES = 900, 330, 22, 90
COLOURS = {"limit": "#8a8f98", "converse_stream": "#2563eb"}
OTHERS = "#d08c3c"
STYLE = "text { font: 13px sans-serif; fill: #444 } .load { font-weight: bold }"


def chart(rows: Sequence[Row]) -> str:
    """Return an SVG document. Each load has a scale of its own, from nothing to the most expensive."""
    lines, y = [], 8
    for load, group in groupby((row for row in rows if row.unit == UNIT), key=lambda row: row.load):
        bars = list(group)
        lines.append(f'<text class="load" x="8" y="{y + 16}">{escape(load)}, {UNIT}</text>')
        y += HEIGHT + 2
        for bar in bars:
            lines += _bar(bar, y, max(each.cost.most for each in bars))
            y += HEIGHT
        y += 12
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y}" viewBox="0 0 {WIDTH} {y}">'
    background = f'<rect width="{WIDTH}" height="{y}" fill="white"/>'
    return "\n".join([head, f"<style>{STYLE}</style>", background, *lines, "</svg>"]) + "\n"


def _bar(row: Row, y: int, most: float) -> Iterable[str]:
    scale = (WIDTH - LABELS - LEFT_FOR_FIGURES) / most
    left, middle = LABELS + row.cost.least * scale, y + HEIGHT / 2
    end, right = LABELS + row.cost.median * scale, LABELS + row.cost.most * scale
    colour = next((colour for begin, colour in COLOURS.items() if row.contender.startswith(begin)), OTHERS)
    yield f'<text x="{LABELS - 8}" y="{y + 16}" text-anchor="end">{escape(row.contender)}</text>'
    yield f'<rect x="{LABELS}" y="{y + 3}" width="{end - LABELS:.1f}" height="{HEIGHT - 6}" fill="{colour}"/>'
    yield f'<path d="M{left:.1f} {middle}H{right:.1f}" stroke="black" stroke-width="1.5"/>'
    yield f'<text x="{right + 8:.1f}" y="{y + 16}">{figure(row.cost.median)}</text>'

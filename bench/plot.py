"""Plot throughput and front-end CPU by number of connections, one line per contender, as SVG."""

from collections.abc import Callable, Iterator
from xml.sax.saxutils import escape

from bench.loads import CONNECTIONS
from bench.samples import Samples
from bench.targets import NAMES

COLOURS = {
    "hearth": "#d9480f",
    "before": "#f4a261",
    "vllm": "#1c7ed6",
    "rust": "#2b8a3e",
    "smg": "#7048e8",
    "engine": "#868e96",
}
PANELS = [
    ("stream", "tokens_per_s", "Streamed: tokens/s"),
    ("stream", "cpu_us_per_token", "Streamed: front-end CPU, us per token"),
    ("whole", "tokens_per_s", "Not streamed: tokens/s"),
    ("whole", "cpu_us_per_token", "Not streamed: front-end CPU, us per token"),
]
WIDTH, HEIGHT, LEFT, TOP, GAP = 380, 240, 60, 60, 70
FONT = 'font-family="sans-serif" font-size="12"'
Point = tuple[float, float]


def plot(samples: Samples) -> str:
    """Return an SVG document of four panels."""
    width, height = 2 * WIDTH + LEFT + GAP + 30, 2 * (HEIGHT + GAP) + TOP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" {FONT}>',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        *_legend(),
    ]
    for number, panel in enumerate(PANELS):
        x = LEFT + number % 2 * (WIDTH + GAP)
        y = TOP + 20 + number // 2 * (HEIGHT + GAP)
        parts += [f'<g transform="translate({x},{y})">', *_panel(samples, *panel), "</g>"]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _legend() -> Iterator[str]:
    for number, (name, title) in enumerate(NAMES.items()):
        x = LEFT + number * 190
        yield f'<rect x="{x}" y="18" width="12" height="12" fill="{COLOURS[name]}"/>'
        yield f'<text x="{x + 18}" y="29">{escape(title.replace("`", ""))}</text>'


def _panel(samples: Samples, kind: str, figure: str, title: str) -> Iterator[str]:
    lines = {name: list(_points(samples, name, kind, figure)) for name in NAMES}
    top = 1.1 * max((value for points in lines.values() for _, value in points), default=1.0)
    step = WIDTH / (len(CONNECTIONS) - 1)

    def at(point: Point) -> Point:
        return point[0] * step, HEIGHT * (1 - point[1] / top)

    yield f'<text x="0" y="-10" font-weight="bold">{title}</text>'
    for share in (0, 0.25, 0.5, 0.75, 1):
        y = HEIGHT * (1 - share)
        yield f'<line x1="0" y1="{y:.1f}" x2="{WIDTH}" y2="{y:.1f}" stroke="#dee2e6"/>'
        yield f'<text x="-6" y="{y + 4:.1f}" text-anchor="end">{share * top:,.3g}</text>'
    for number, count in enumerate(CONNECTIONS):
        yield f'<text x="{number * step:.1f}" y="{HEIGHT + 16}" text-anchor="middle">{count:,}</text>'
    yield f'<text x="{WIDTH / 2}" y="{HEIGHT + 34}" text-anchor="middle">connections</text>'
    for name, points in lines.items():
        yield from _line(points, COLOURS[name], at)


def _line(points: list[Point], colour: str, at: Callable[[Point], Point]) -> Iterator[str]:
    places = [at(point) for point in points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
    for x, y in places:
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>'


def _points(samples: Samples, name: str, kind: str, figure: str) -> Iterator[Point]:
    """Yield the index of each measured number of connections, and the median of the rounds."""
    for number, count in enumerate(CONNECTIONS):
        load = f"{kind}-{count}"
        value = samples.median(name, load, "wrk", figure) or samples.median(name, load, "client", figure)
        if value is not None:
            yield number, value

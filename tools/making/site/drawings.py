"""Drawings made of characters, as SVG.

In a block of the language `drawing`, which reads as it is where Markdown is shown plain,
runs of - and | with + at their corners are lines, > < ^ v at their ends are arrowheads,
and everything else is text. The colour is that of the page's text.
"""

import re
from html import escape

#: Pixels of a character's cell.
WIDE, HIGH = 8.4, 18.0

BLOCK = re.compile(r"^```drawing\n(.*?)^```$", re.M | re.S)

#: Of an arrowhead, the way it points: to the right and down.
HEADS = {">": (1, 0), "<": (-1, 0), "v": (0, 1), "^": (0, -1)}


def draw_blocks(text: str) -> str:
    """A page of Markdown with its drawings as SVG."""
    return BLOCK.sub(lambda block: f"```{{raw}} html\n{svg(block[1])}\n```", text)


class Drawing:
    """The characters, of which those that are lines are taken for lines."""

    def __init__(self, text: str) -> None:
        self._lines = text.rstrip("\n").split("\n")
        self.wide = max(len(line) for line in self._lines)
        self.high = len(self._lines)

    def at(self, x: int, y: int) -> str:
        inside = 0 <= y < self.high and 0 <= x < len(self._lines[y])
        return self._lines[y][x] if inside else " "

    def across(self, x: int, y: int) -> bool:
        """Is it of a line from left to right?"""
        here, sides = self.at(x, y), (self.at(x - 1, y), self.at(x + 1, y))
        if here == "-":
            return any(side in "-+><" for side in sides)
        if here in "v^":  # the head of an arrow that ends at it
            return sides == ("-", "-")
        return here == "+" and "-" in sides

    def down(self, x: int, y: int) -> bool:
        """Is it of a line from above to below?"""
        here, ends = self.at(x, y), (self.at(x, y - 1), self.at(x, y + 1))
        return here == "|" or (here == "+" and any(end in "|^v" for end in ends))

    def head(self, x: int, y: int) -> tuple[int, int] | None:
        """Where it points, if it is the head of an arrow."""
        way = HEADS.get(self.at(x, y))
        if way is None:
            return None
        behind = (x - way[0], y - way[1])
        return way if (self.across if way[0] else self.down)(*behind) else None

    def is_text(self, x: int, y: int) -> bool:
        drawn = self.across(x, y) or self.down(x, y) or self.head(x, y)
        return self.at(x, y) != " " and not drawn


def svg(text: str) -> str:
    drawing = Drawing(text)
    cells = [(x, y) for y in range(drawing.high) for x in range(drawing.wide)]
    parts = [f'<path d="{"".join(strokes(drawing, cells))}"/>']
    parts += [arrow(drawing, x, y, way) for x, y in cells if (way := drawing.head(x, y))]
    parts += words(drawing)
    size = f"{drawing.wide * WIDE:.0f} {drawing.high * HIGH:.0f}"
    return (
        f'<div class="drawing"><svg viewBox="0 0 {size}" width="{drawing.wide * WIDE:.0f}"'
        f' role="img" aria-label="A drawing"><g fill="none" stroke="currentColor"'
        f' stroke-width="1.3" stroke-linecap="round">{"".join(parts)}</g></svg></div>'
    )


def middle(x: int, y: int) -> tuple[float, float]:
    return (x + 0.5) * WIDE, (y + 0.5) * HIGH


def strokes(drawing: Drawing, cells: list[tuple[int, int]]) -> list[str]:
    """Of each cell the halves of lines that lead to its neighbours."""
    found = []
    for x, y in cells:
        cx, cy = middle(x, y)
        if drawing.across(x, y):
            corner = drawing.at(x, y) == "+"
            left = not corner or drawing.across(x - 1, y) or drawing.head(x - 1, y)
            right = not corner or drawing.across(x + 1, y) or drawing.head(x + 1, y)
            found += [f"M{cx:.1f} {cy:.1f}h{-WIDE / 2}"] if left else []
            found += [f"M{cx:.1f} {cy:.1f}h{WIDE / 2}"] if right else []
        if drawing.down(x, y):
            corner = drawing.at(x, y) == "+"
            up = not corner or drawing.down(x, y - 1) or drawing.head(x, y - 1)
            under = not corner or drawing.down(x, y + 1) or drawing.head(x, y + 1)
            found += [f"M{cx:.1f} {cy:.1f}v{-HIGH / 2}"] if up else []
            found += [f"M{cx:.1f} {cy:.1f}v{HIGH / 2}"] if under else []
    return found


def reach(drawing: Drawing, x: int, y: int, way: tuple[int, int]) -> float:
    """How many cells a head's point is from the middle of its own: on a line that it
    crosses or meets, or else at the far edge."""
    dx, dy = way
    crosses = drawing.down if dx else drawing.across
    if crosses(x, y):
        return 0
    return 1 if crosses(x + dx, y + dy) else 0.5


def arrow(drawing: Drawing, x: int, y: int, way: tuple[int, int]) -> str:
    """A head, and the line up to it."""
    cx, cy = middle(x, y)
    dx, dy = way
    size = WIDE if dx else HIGH
    half, far = size / 2, size * reach(drawing, x, y, way)
    px, py = cx + dx * far, cy + dy * far
    bx, by = px - dx * 8, py - dy * 8
    line = f"M{cx - dx * half:.1f} {cy - dy * half:.1f}L{bx:.1f} {by:.1f}"
    points = f"{px:.1f},{py:.1f} {bx - dy * 4:.1f},{by - dx * 4:.1f} {bx + dy * 4:.1f},{by + dx * 4:.1f}"
    return f'<path d="{line}"/><polygon fill="currentColor" stroke="none" points="{points}"/>'


def words(drawing: Drawing) -> list[str]:
    """The texts, each where it stands and as long as it was; two blanks end one."""
    found = []
    for y in range(drawing.high):
        line = "".join(
            drawing.at(x, y) if drawing.is_text(x, y) else " " for x in range(drawing.wide)
        )
        for word in re.finditer(r"\S+(?: \S+)*", line):
            x, text = word.start() * WIDE, word[0]
            found.append(
                f'<text x="{x:.1f}" y="{(y + 0.7) * HIGH:.1f}" fill="currentColor"'
                f' stroke="none" textLength="{len(text) * WIDE:.1f}">{escape(text)}</text>'
            )
    return found

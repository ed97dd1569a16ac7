"""Drawings of characters become lines, arrowheads and texts where they stood."""

import re
import sys

from build_tree import ROOT

sys.path.insert(0, str(ROOT / "tools"))

from making.site.drawings import HIGH, WIDE, Drawing, draw_blocks, svg  # noqa: E402

BOX = """\
  one --> two
   |
   v
+-----+
| a-b |
+-----+
"""


def test_what_is_a_line_and_what_a_text():
    drawing = Drawing(BOX)
    assert drawing.across(6, 0) and drawing.head(8, 0) == (1, 0)
    assert drawing.down(3, 1) and drawing.head(3, 2) == (0, 1)
    assert drawing.across(0, 3) and drawing.down(0, 4)
    assert not drawing.across(3, 4), "a hyphen in a word"


def test_texts_stand_where_they_stood():
    texts = re.findall(r'<text x="([\d.]+)" y="([\d.]+)"[^>]*>([^<]*)<', svg(BOX))
    places = {text: (float(x) / WIDE, int(float(y) / HIGH)) for x, y, text in texts}
    assert {text: (round(x), y) for text, (x, y) in places.items()} == {
        "one": (2, 0),
        "two": (10, 0),
        "a-b": (2, 4),
    }


def test_a_head_ends_at_the_line_that_it_meets():
    points = re.findall(r'<polygon[^>]* points="([\d.]+),([\d.]+)', svg(BOX))
    assert (f"{3.5 * WIDE:.1f}", f"{3.5 * HIGH:.1f}") in points


def test_only_drawings_are_drawn():
    text = f"before\n```\n{BOX}```\n```drawing\n{BOX}```\nafter\n"
    drawn = draw_blocks(text)
    assert drawn.count("<svg") == 1 and f"```\n{BOX}```\n" in drawn
    assert "```drawing" not in drawn and drawn.endswith("```\nafter\n")
    assert "currentColor" in drawn

"""A QR code as SVG, drawn on the server: one path, no style, no script."""

from __future__ import annotations

import segno
from markupsafe import Markup


def drawn(text: str) -> Markup:
    """The SVG of a text, with the quiet border that readers need."""
    rows = [list(row) for row in segno.make(text, error="m", micro=False).matrix_iter(border=4)]
    squares = "".join(
        f"M{x} {y}h1v1h-1z" for y, row in enumerate(rows) for x, dark in enumerate(row) if dark
    )
    return Markup(
        '<svg class="qr" viewBox="0 0 {0} {0}" role="img" aria-label="The secret as a QR code">'
        '<path class="ground" d="M0 0h{0}v{0}h-{0}z"/><path d="{1}"/></svg>'
    ).format(len(rows), squares)

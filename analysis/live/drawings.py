"""Drawings of candidates, for the page."""

from __future__ import annotations

from functools import lru_cache

from ..molecules import draw_all

LONGEST_KEY = 500
"""Characters of a key, beyond which nothing is drawn."""

# An image knows nothing of the page's colours, but like the page it knows what the reader prefers.
_STYLE = (
    '<style>svg{color:#1d1c19;--nitrogen:#2348d0;--oxygen:#c62828}'
    '@media (prefers-color-scheme:dark){svg{color:#ece8df;--nitrogen:#8aa6ff;--oxygen:#ff8a80}}</style>'
)


@lru_cache(maxsize=512)
def drawing(key: str) -> str | None:
    """A candidate as an SVG file, dark and light.

    Args:
        key: Its key.

    Returns:
        The file, or None where the key is no SMILES string or RDKit is missing.
    """
    drawn = draw_all([key]) if len(key) <= LONGEST_KEY else None
    if drawn is None:
        return None
    head, rest = drawn[0].split('>', 1)
    return f'{head}>{_STYLE}{rest}'


def can_draw(key: str) -> bool:
    """Whether there is a drawing of a candidate."""
    return drawing(key) is not None

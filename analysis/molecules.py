"""Drawings of molecules, where RDKit is installed and keys are SMILES."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_COLOURS = {
    '#000000': 'currentColor',
    '#0000FF': 'var(--nitrogen)',
    '#FF0000': 'var(--oxygen)',
    '#33CCCC': 'var(--fluorine, #33CCCC)',
    '#CCCC00': 'var(--sulfur, #CCCC00)',
    '#00CC00': 'var(--chlorine, #00CC00)',
    '#7F4C19': 'var(--bromine, #B07B48)',
}
"""Atoms that would be hard to see on a light or dark page, and the variables of the page that replace their colours."""


def draw_all(keys: Sequence[str], size: tuple[int, int] = (220, 150)) -> list[str] | None:
    """Draw candidates as molecules.

    Args:
        keys: Keys of the candidates.
        size: Width and height of each drawing in pixels.

    Returns:
        One ``<svg>`` element a key, or None where they are not all SMILES or RDKit is missing.
    """
    try:
        from rdkit import Chem, rdBase
    except ImportError:
        return None
    with rdBase.BlockLogs():
        molecules = [Chem.MolFromSmiles(key) for key in keys]
    if not molecules or any(molecule is None or not molecule.GetNumAtoms() for molecule in molecules):
        return None
    return [_draw(molecule, key, size) for molecule, key in zip(molecules, keys, strict=True)]


def _draw(molecule: Any, key: str, size: tuple[int, int]) -> str:
    from html import escape

    from rdkit.Chem.Draw import rdMolDraw2D

    drawer = rdMolDraw2D.MolDraw2DSVG(*size)
    options: Any = drawer.drawOptions()
    options.clearBackground = False
    options.padding = 0.06
    drawer.DrawMolecule(molecule)
    drawer.FinishDrawing()
    text: str = drawer.GetDrawingText()
    text = text[text.index('<svg') :]
    for colour, replacement in _COLOURS.items():
        text = text.replace(colour, replacement)
    return text.replace('<svg', f'<svg role="img" aria-label="{escape(key, quote=True)}"', 1)

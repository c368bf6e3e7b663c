"""What a section is made of; the page and the JSON file are two renderings of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ..svg import Palette
from .formats import Says


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        name: Its name in the frame.
        title: Its heading.
        says: How its values are written.
        meaning: What a value means and how it is found; empty where the heading says it all.
    """

    name: str
    title: str
    says: Says = 'text'
    meaning: str = ''


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        name: Its name in the JSON file.
        caption: What it shows.
        columns: The columns on the page, in order.
        frame: All its values; the JSON file has every column and row.
        folded: Whether it is closed until a reader opens it.
        most: Most rows on the page.
    """

    name: str
    caption: str
    columns: Sequence[Column]
    frame: pd.DataFrame
    folded: bool = False
    most: int = 60

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The rows on the page, with None where something is missing."""
        return rows(self.frame.head(self.most))

    @property
    def meanings(self) -> list[Column]:
        """The columns that need explaining."""
        return [column for column in self.columns if column.meaning]


@dataclass(frozen=True)
class Picture:
    """A figure.

    Attributes:
        name: Its name, of its files too.
        caption: What it shows and how to read it.
        label: What it shows in a few words, for those who cannot see it.
        draw: Draws it in the colours it is given; None where there is nothing to draw.
        wide: Whether it takes the whole width.
    """

    name: str
    caption: str
    label: str
    draw: Callable[[Palette], Figure | None]
    wide: bool = False


@dataclass(frozen=True)
class Section:
    """A section.

    Attributes:
        name: Its name in the JSON file and in addresses.
        title: Its heading.
        sentence: What its numbers come to.
        pictures: Figures, in order.
        tables: Tables, in order.
        notes: Further sentences, below the tables.
        numbers: Single numbers, for the JSON file.
        series: The curves behind the figures, for the JSON file.
        part: Name of a template with what only this section has; empty for none. It is given ``extra``.
        extra: What that template needs.
    """

    name: str
    title: str
    sentence: str
    pictures: Sequence[Picture] = ()
    tables: Sequence[Table] = ()
    notes: Sequence[str] = ()
    numbers: Mapping[str, Any] = field(default_factory=dict)
    series: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    part: str = ''
    extra: Any = None

    def as_json(self) -> dict[str, Any]:
        """All its numbers, as plain data without NaN."""
        return {
            'sentence': self.sentence,
            **plain(dict(self.numbers)),
            **{table.name: plain(rows(table.frame)) for table in self.tables},
            **{name: plain(rows(frame)) for name, frame in self.series.items()},
        }


def rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table, with None where something is missing."""
    return [
        {str(name): None if pd.api.types.is_scalar(value) and pd.isna(value) else value for name, value in row.items()}
        for row in table.to_dict('records')
    ]


def plain(value: Any) -> Any:
    """A value as JSON knows it: numbers of numpy as Python's, what is not finite as None."""
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if value is pd.NA or (isinstance(value, float) and not np.isfinite(value)):
        return None
    return value

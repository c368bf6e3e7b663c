"""The campaigns there are: what each may be told, and how it is made. Cheap to import."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel

from scoutbee.contracts.campaign import Campaign
from scoutbee.contracts.errors import ConfigurationError

from .options import AckleyOptions, LookupOptions, MoleculesOptions


@dataclass(frozen=True)
class CampaignEntry:
    """How to get a campaign.

    Attributes:
        summary: What it is, in one line.
        options: What a person may set.
        factory: Where the function is that makes it, as ``module:function`` of this package; it takes
            ``(options, cache_dir, report)``.
    """

    summary: str
    options: type[BaseModel]
    factory: str


CAMPAIGNS: Mapping[str, CampaignEntry] = MappingProxyType(
    {
        'molecules': CampaignEntry(
            'Molecules with a high ionization potential.', MoleculesOptions, 'molecules:make_molecules'
        ),
        'ackley': CampaignEntry(
            'The smallest of random points of a slow function, re-ordered while they wait.',
            AckleyOptions,
            'ackley:make_ackley',
        ),
        'lookup': CampaignEntry(
            'The best of molecules whose values are all known.', LookupOptions, 'lookup:make_lookup'
        ),
    }
)
"""Every campaign, by name, as in ``--campaign``."""


def campaign_entry(name: str) -> CampaignEntry:
    """What is known about a campaign.

    Raises:
        ConfigurationError: If there is none of that name.
    """
    if name not in CAMPAIGNS:
        raise ConfigurationError(f'campaign: expected one that exists ({", ".join(CAMPAIGNS)}), got {name!r}.')
    return CAMPAIGNS[name]


def make_campaign(
    name: str, options: BaseModel, cache_dir: Path, report: Callable[[str], None] = lambda sentence: None
) -> Campaign:
    """Make a campaign: read its files, and be ready to seed, train and rank.

    Args:
        name: One of ``CAMPAIGNS``.
        options: Its options, of the type its entry names.
        cache_dir: Where what is slow to compute is kept between runs.
        report: Told, in sentences, what was read and skipped and what takes long.

    Raises:
        ConfigurationError: If there is no such campaign, or a setting or a file cannot be used.
        TypeError: If the options are another campaign's.
    """
    entry = campaign_entry(name)
    if not isinstance(options, entry.options):
        raise TypeError(f'Expected {entry.options.__name__} for the campaign {name!r}, got {type(options).__name__}.')
    module, function = entry.factory.split(':')
    make: Callable[[Any, Path, Callable[[str], None]], Campaign] = getattr(
        import_module(f'.{module}', __package__), function
    )
    return make(options, cache_dir, report)

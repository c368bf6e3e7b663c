"""Settings as YAML: `sites/` says where a campaign runs, `campaigns/` what is searched."""

from __future__ import annotations

from pathlib import Path

CAMPAIGNS = Path(__file__).parent / 'campaigns'
"""Folder with the defaults of every campaign, one file each."""

SITES = Path(__file__).parent / 'sites'
"""Folder with every site that comes with Scoutbee, one file each."""

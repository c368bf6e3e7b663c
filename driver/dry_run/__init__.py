"""What a run would do, told from its settings, its site and earlier runs; nothing is started or written."""

from __future__ import annotations

from .text import describe

__all__ = ['describe']

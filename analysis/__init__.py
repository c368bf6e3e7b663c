"""What people learn from traces: tables, numbers, figures, reports."""

from .run import Run

__all__ = ['Run']

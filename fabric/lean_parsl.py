"""Parsl without Globus Compute: import this before Parsl in the task server and in Parsl's own processes.

Parsl imports the SDK of Globus Compute, where it is installed, for an executor that is not used here: with that engine
the SDK is used without Parsl. It is a third of what Parsl takes to import.
"""

from .lean_imports import as_if_missing

with as_if_missing('globus_compute_sdk'):
    import parsl.executors  # noqa: F401 - what it finds now is what it offers

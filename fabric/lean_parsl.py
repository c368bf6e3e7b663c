"""Parsl without Globus Compute and Typeguard: import this before Parsl in the task server.

Parsl imports the SDK of Globus Compute, where it is installed, for an executor that is not used here: with that engine
the SDK is used without Parsl. It is a third of what Parsl takes to import. As much is what Typeguard takes to rewrite
Parsl's functions, so that they check what they are given.
"""

from .lean_imports import Unchecked, as_if_missing, in_place_of

with as_if_missing('globus_compute_sdk'), in_place_of(Unchecked('typeguard')):
    import parsl.executors  # noqa: F401 - what it finds now is what it offers

"""How hard a simulation tries to converge: settings for when the usual ones do not suffice, by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from scoutbee.contracts.errors import InputTaskError


@dataclass(frozen=True)
class Effort:
    """Settings of the iterations of a simulation.

    Attributes:
        name: As in the arguments of a simulation.
        steps_factor: Times as many optimizer steps as are allowed by default.
        longest_step: Longest step of the optimizer: the norm of the change of all bonds (angstrom), angles and torsions
            (radian), with their weights.
        more_scf_settings: Settings of the self-consistent field to try after the usual ones.
        seed_offset: Added to the seed of the embedding, to begin at another conformer.
        description: One line for a person.
    """

    name: str
    steps_factor: int
    longest_step: float
    more_scf_settings: tuple[Mapping[str, float], ...]
    seed_offset: int
    description: str


_SLOW_FIELD: Mapping[str, float] = MappingProxyType({'mixer_damping': 0.02, 'max_iterations': 5000})
"""A mixing so slow that it converges what 0.1 does not; it leads to the same energy."""

_ANOTHER_CONFORMER = 1000
"""Far beyond the seeds that an embedding tries in turn."""

EFFORTS: Mapping[str, Effort] = MappingProxyType(
    {
        each.name: each
        for each in (
            Effort('standard', 1, 0.4, (), 0, 'as fast as nearly all molecules allow'),
            Effort('careful', 10, 0.1, (_SLOW_FIELD,), 0, 'more and shorter steps, and a slower electronic structure'),
            Effort('conformer', 10, 0.1, (_SLOW_FIELD,), _ANOTHER_CONFORMER, 'the same, from another conformer'),
        )
    }
)
"""Every effort there is, by name, in the order in which they are worth trying."""

STANDARD = EFFORTS['standard']
"""What is tried first."""


def effort_named(name: str) -> Effort:
    """The effort of this name.

    Raises:
        InputTaskError: If there is none.
    """
    try:
        return EFFORTS[name]
    except KeyError:
        raise InputTaskError(f'Expected an effort among {", ".join(EFFORTS)}, got {name!r}.') from None


def next_effort(name: str) -> str | None:
    """What to try after an effort that did not converge; None after the last.

    Raises:
        InputTaskError: If there is no effort of that name.
    """
    names = list(EFFORTS)
    following = names[names.index(effort_named(name).name) + 1 :]
    return following[0] if following else None

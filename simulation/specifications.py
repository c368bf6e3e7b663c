"""Which ionization potential is computed, by name.

All values are raw differences of energies: no empirical offset is applied. The ``xtb`` program subtracts 0.178069
Hartree (4.8455 eV) from an ionization potential of any of these methods to bring it near experiment (the parameter
``ipeashift`` of its parameter files, applied in its ``--vip`` run); whoever compares with experiment must do so too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from scoutbee.contracts.errors import InputTaskError

GFN2 = 'GFN2-xTB'
"""C. Bannwarth, S. Ehlert, S. Grimme, J. Chem. Theory Comput. 2019, 15, 1652."""

IPEA1 = 'IPEA1-xTB'
"""V. Asgeirsson, C. A. Bauer, S. Grimme, Chem. Sci. 2017, 8, 4879: GFN1-xTB re-fitted to ionization potentials."""


@dataclass(frozen=True)
class Specification:
    """How an ionization potential is computed.

    Attributes:
        name: As in ``--qc-specification``.
        ip_kind: ``adiabatic``: the cation is relaxed, from the neutral's geometry. ``vertical``: it is not.
        method: Method of the energies whose difference is the ionization potential.
        geometry_method: Method by which geometries are relaxed.
        description: One line for a person.
    """

    name: str
    ip_kind: Literal['adiabatic', 'vertical']
    method: str
    geometry_method: str
    description: str


SPECIFICATIONS: Mapping[str, Specification] = MappingProxyType(
    {
        each.name: each
        for each in (
            Specification('xtb', 'adiabatic', GFN2, GFN2, 'GFN2-xTB, neutral and cation relaxed'),
            Specification('xtb-vertical', 'vertical', GFN2, GFN2, 'GFN2-xTB, both at the relaxed neutral geometry'),
            Specification(
                'ipea1-vertical', 'vertical', IPEA1, GFN2, 'IPEA1-xTB, both at the neutral geometry relaxed by GFN2-xTB'
            ),
        )
    }
)
"""Every specification there is, by name."""


def specification_named(name: str) -> Specification:
    """The specification of this name.

    Raises:
        InputTaskError: If there is none.
    """
    try:
        return SPECIFICATIONS[name]
    except KeyError:
        known = ', '.join(SPECIFICATIONS)
        raise InputTaskError(f'Expected a specification among {known}, got {name!r}.') from None

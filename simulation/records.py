"""What a simulation of a molecule returns, before it becomes plain data.

Units live in the names. Coordinates are lists of ``[x, y, z]`` in the order of ``symbols``: the heavy atoms as in the
SMILES, then the hydrogens.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

Coordinates = list[list[float]]
"""Shape (atoms, 3)."""


@dataclass(frozen=True)
class EmbeddingRecord:
    """How the first geometry came about.

    Attributes:
        seed: Seed that succeeded; the first attempt takes the one asked for, each later one the next number.
        attempts: Attempts needed.
        random_coordinates: Whether it had to start from random coordinates.
        forcefield: Force field of the pre-relaxation: ``MMFF94``, else ``UFF``, else ``none``.
        forcefield_converged: Whether the force field converged (None where there was none).
    """

    seed: int
    attempts: int
    random_coordinates: bool
    forcefield: str
    forcefield_converged: bool | None


@dataclass(frozen=True)
class StateRecord:
    """One charge state.

    Attributes:
        charge: Total charge in elementary charges.
        multiplicity: Spin multiplicity.
        energy_hartree: Energy by the specification's method at ``coordinates_angstrom``.
        coordinates_angstrom: Geometry.
        relaxed: Whether the geometry is this state's own minimum; a vertical cation has the neutral's.
        converged: Whether every iteration behind the energy converged. Always true: else an error is raised.
        steps: Optimizer steps of its relaxation.
        max_force_ev_per_angstrom: Largest force on an atom where it was relaxed.
        scf_damped: Whether the electronic structure converged only with stronger damping.
        bonds_broken: Bonds of the SMILES, as pairs of atoms from 0, that are gone by covalent radii.
        bonds_formed: Pairs of atoms that are bonded by covalent radii, but not in the SMILES.
    """

    charge: int
    multiplicity: int
    energy_hartree: float
    coordinates_angstrom: Coordinates
    relaxed: bool
    converged: bool
    steps: int
    max_force_ev_per_angstrom: float | None
    scf_damped: bool
    bonds_broken: list[list[int]]
    bonds_formed: list[list[int]]


@dataclass(frozen=True)
class IonizationRecord:
    """An ionization potential and all it rests on.

    Attributes:
        smiles: The SMILES as it was given.
        specification: Name of the specification.
        ip_ev: The ionization potential that was asked for, in eV; raw, without an empirical offset.
        ip_kind: ``adiabatic`` or ``vertical``.
        ip_method: Method of the energies.
        geometry_method: Method of the relaxations.
        ip_vertical_ev: The vertical one, in eV, which every specification computes on its way.
        ip_adiabatic_ev: The adiabatic one, in eV, where the cation was relaxed.
        empirical_shift_ev: Offset included in the values above: none.
        cation_vertical_energy_hartree: Energy of the cation at the neutral's geometry.
        homo_lumo_gap_ev: Gap of the neutral.
        symbols: Element of each atom.
        neutral: The neutral.
        cation: The cation.
        bonds_changed: Whether any bond of the SMILES is gone, or any other is there, in either state.
        embedding: Where the first geometry came from.
        effort: Name of the settings of the iterations (see ``efforts``).
        seed: Seed of the embedding that was begun with.
        max_steps: Optimizer steps allowed for each relaxation.
        force_tolerance_ev_per_angstrom: Tolerance of the relaxations.
        versions: Version of each program, and which linear algebra tblite used.
        wall_seconds: Time it took.
        cpu_seconds: CPU time of the process meanwhile, all threads.
    """

    smiles: str
    specification: str
    ip_ev: float
    ip_kind: str
    ip_method: str
    geometry_method: str
    ip_vertical_ev: float
    ip_adiabatic_ev: float | None
    empirical_shift_ev: float
    cation_vertical_energy_hartree: float
    homo_lumo_gap_ev: float | None
    symbols: list[str]
    neutral: StateRecord
    cation: StateRecord
    bonds_changed: bool
    embedding: EmbeddingRecord
    effort: str
    seed: int
    max_steps: int
    force_tolerance_ev_per_angstrom: float
    versions: dict[str, str]
    wall_seconds: float
    cpu_seconds: float

    def plain(self) -> dict[str, Any]:
        """The record as data that JSON can hold."""
        return asdict(self)

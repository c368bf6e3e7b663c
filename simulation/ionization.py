"""The ionization potential of a molecule, from its SMILES alone: the task function of the ``molecules`` campaign.

The recipe: embed with RDKit, pre-relax with a force field, relax the neutral by GFN2-xTB, and from there relax the
cation (charge +1, doublet) or take its energy as it is. RDKit, ASE and tblite are imported on the first call, on the
worker. How many threads to use is the site's to say (``OMP_NUM_THREADS``).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from scoutbee.contracts.errors import InputTaskError

from .efforts import STANDARD, Effort, effort_named
from .errors import MissingProgramError, OpenShellError
from .records import IonizationRecord, StateRecord
from .specifications import SPECIFICATIONS, Specification, specification_named

if TYPE_CHECKING:
    from .molecule import Molecule
    from .xtb import Geometry, Relaxation, SinglePoint

__all__ = ['EV_PER_HARTREE', 'MAX_STEPS', 'SPECIFICATIONS', 'ionization_potential']

EV_PER_HARTREE = 27.211386024367243
"""As ``ase.units`` has it (CODATA 2014)."""

MAX_STEPS = 500
"""Optimizer steps allowed for each relaxation; few molecules need a tenth of them."""

_MIN_GAP_EV = 0.1


def ionization_potential(
    smiles: str,
    effort: str = STANDARD.name,
    *,
    specification: str = 'xtb',
    seed: int = 1,
    max_steps: int = MAX_STEPS,
) -> dict[str, Any]:
    """The ionization potential of a neutral closed-shell molecule.

    Deterministic for the same arguments, program versions and number of threads.

    Args:
        smiles: The molecule.
        effort: A name of ``efforts.EFFORTS``; one beyond the first is for what did not converge.
        specification: A name of ``SPECIFICATIONS``.
        seed: Seed of the embedding; another seed may reach another conformer (typically within 0.1 eV).
        max_steps: Optimizer steps allowed for each relaxation with the first effort.

    Returns:
        An ``IonizationRecord`` as plain data: ``ip_ev`` in eV and all it rests on.

    Raises:
        MoleculeError: One of the kinds in ``errors``, where the molecule cannot be computed.
        InputTaskError: If another argument is not valid.
    """
    wall, cpu = time.perf_counter(), time.process_time()
    chosen, trying = specification_named(specification), effort_named(effort)
    if max_steps < 1:
        raise InputTaskError(f'Expected at least 1 optimizer step to be allowed, got {max_steps!r}.')
    try:
        from .molecule import build_molecule

        seed, max_steps = seed + trying.seed_offset, max_steps * trying.steps_factor
        molecule = build_molecule(smiles, seed)
        states = _compute(molecule, chosen, max_steps, trying)
    except ImportError as error:
        raise MissingProgramError(smiles, f'{error}; install rdkit, ase and tblite there') from error
    seconds = time.perf_counter() - wall, time.process_time() - cpu
    return _record(molecule, chosen, states, trying, seed, max_steps, seconds).plain()


@dataclass(frozen=True)
class _States:
    """What was computed, before it is written down."""

    neutral: StateRecord
    cation: StateRecord
    cation_vertical_energy: float
    gap_ev: float | None


def _compute(molecule: Molecule, chosen: Specification, max_steps: int, effort: Effort) -> _States:
    from .xtb import Geometry, Level, relax, single_point

    start = Geometry(molecule.smiles, molecule.numbers, molecule.coordinates, molecule.bonds, molecule.stiffness)
    relaxed = relax(start, Level(chosen.geometry_method, 0, 1), max_steps, effort)
    _check_closed_shell(molecule.smiles, relaxed.end.gap_ev)
    same = chosen.method == chosen.geometry_method
    neutral = relaxed.end if same else single_point(relaxed.geometry, Level(chosen.method, 0, 1), effort)
    neutral_state = _state(molecule, 0, relaxed.geometry, neutral, relaxed)
    cation_level = Level(chosen.method, 1, 2)
    if chosen.ip_kind == 'vertical':
        vertical = single_point(relaxed.geometry, cation_level, effort)
        state = _state(molecule, 1, relaxed.geometry, vertical, None)
        return _States(neutral_state, state, vertical.energy_hartree, neutral.gap_ev)
    cation = relax(relaxed.geometry, cation_level, max_steps, effort)
    state = _state(molecule, 1, cation.geometry, cation.end, cation)
    return _States(neutral_state, state, cation.first_energy_hartree, neutral.gap_ev)


def _check_closed_shell(smiles: str, gap_ev: float | None) -> None:
    """Refuse what a SMILES calls a closed shell but is none, as O=O: its singlet is not its ground state."""
    if gap_ev is not None and gap_ev < _MIN_GAP_EV:
        raise OpenShellError(
            smiles, f'expected a gap between occupied and empty orbitals of at least {_MIN_GAP_EV} eV, got {gap_ev:.3f}'
        )


def _state(
    molecule: Molecule, charge: int, geometry: Geometry, point: SinglePoint, relaxation: Relaxation | None
) -> StateRecord:
    from .bonds import bonds_of, changes

    broken, formed = changes(molecule.bonds, bonds_of(geometry.numbers, geometry.coordinates))
    return StateRecord(
        charge=charge,
        multiplicity=1 + charge,
        energy_hartree=point.energy_hartree,
        # A millionth of an angstrom is far below the tolerance of the relaxation, and halves the record.
        coordinates_angstrom=[[round(float(x), 6) for x in row] for row in geometry.coordinates],
        relaxed=relaxation is not None,
        converged=True,
        steps=relaxation.steps if relaxation else 0,
        max_force_ev_per_angstrom=relaxation.end.max_force if relaxation else None,
        scf_damped=point.damped or (relaxation is not None and relaxation.damped),
        bonds_broken=broken,
        bonds_formed=formed,
    )


def _record(
    molecule: Molecule,
    chosen: Specification,
    states: _States,
    effort: Effort,
    seed: int,
    max_steps: int,
    seconds: tuple[float, float],
) -> IonizationRecord:
    from ase.data import chemical_symbols

    from .xtb import BLAS, TOLERANCE

    neutral, cation = states.neutral, states.cation
    vertical = (states.cation_vertical_energy - neutral.energy_hartree) * EV_PER_HARTREE
    adiabatic = (cation.energy_hartree - neutral.energy_hartree) * EV_PER_HARTREE if cation.relaxed else None
    return IonizationRecord(
        smiles=molecule.smiles,
        specification=chosen.name,
        ip_ev=vertical if adiabatic is None else adiabatic,
        ip_kind=chosen.ip_kind,
        ip_method=chosen.method,
        geometry_method=chosen.geometry_method,
        ip_vertical_ev=vertical,
        ip_adiabatic_ev=adiabatic,
        empirical_shift_ev=0.0,
        cation_vertical_energy_hartree=states.cation_vertical_energy,
        homo_lumo_gap_ev=states.gap_ev,
        symbols=[chemical_symbols[number] for number in molecule.numbers],
        neutral=neutral,
        cation=cation,
        bonds_changed=any((neutral.bonds_broken, neutral.bonds_formed, cation.bonds_broken, cation.bonds_formed)),
        embedding=molecule.embedding,
        effort=effort.name,
        seed=seed,
        max_steps=max_steps,
        force_tolerance_ev_per_angstrom=TOLERANCE.force,
        versions={**{name: _version(name) for name in ('rdkit', 'ase', 'tblite', 'scoutbee')}, 'blas': BLAS},
        wall_seconds=seconds[0],
        cpu_seconds=seconds[1],
    )


def _version(program: str) -> str:
    try:
        return version(program)
    except PackageNotFoundError:  # On the path without being installed: no reason to lose a finished simulation.
        return 'unknown'

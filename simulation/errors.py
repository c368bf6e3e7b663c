"""What can go wrong between a SMILES and an ionization potential, one type a cause.

All say which molecule and why, carry both as ``smiles`` and ``cause``, survive pickling, and are sorted by what helps
against them (see ``scoutbee.contracts.errors``).
"""

from __future__ import annotations

from scoutbee.contracts.errors import ConvergenceTaskError, InputTaskError, ResourceTaskError, TaskError


class MoleculeError(TaskError):
    """A molecule could not be computed.

    Attributes:
        smiles: The SMILES as it was given.
        cause: Why, as a clause without a full stop.
    """

    problem = 'cannot be computed'

    def __init__(self, smiles: str, cause: str) -> None:
        self.smiles = smiles
        self.cause = cause.strip().rstrip('.')
        super().__init__(f'Molecule {smiles!r} {self.problem}: {self.cause}.')


class MoleculeInputError(MoleculeError, InputTaskError):
    """The molecule is not one that this code computes; trying again will not help."""


class UnparsableSmilesError(MoleculeInputError):
    """The text is not a SMILES, or describes a molecule that breaks the rules of valence."""

    problem = 'cannot be read'


class FragmentsError(MoleculeInputError):
    """The SMILES holds several molecules, whose ionization potential would depend on how they are placed."""

    problem = 'is not one molecule'


class UnsupportedElementError(MoleculeInputError):
    """The method has no parameters for an element, or the element's spin state cannot be told from a SMILES."""

    problem = 'has an element that is not supported'


class ChargedMoleculeError(MoleculeInputError):
    """The molecule carries a charge; the ionization potential computed here is that of a neutral one."""

    problem = 'is not neutral'


class OpenShellError(MoleculeInputError):
    """The molecule has unpaired electrons, so that the spin of its cation is not known."""

    problem = 'is not a closed shell'


class EmbeddingError(MoleculeInputError):
    """No three-dimensional geometry was found within all attempts."""

    problem = 'could not be given a geometry'


class ScfError(MoleculeError, ConvergenceTaskError):
    """The self-consistent field did not converge, or its energy is not a number."""

    problem = 'has no converged electronic structure'


class RelaxationError(MoleculeError, ConvergenceTaskError):
    """A geometry did not relax to the force tolerance within the steps allowed."""

    problem = 'could not be relaxed'


class MissingProgramError(MoleculeError, ResourceTaskError):
    """The worker lacks a program that the simulation needs."""

    problem = 'cannot be computed on this worker'

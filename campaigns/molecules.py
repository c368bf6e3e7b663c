"""The main campaign: which molecules of a search space have the highest ionization potential?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from scoutbee.contracts.candidates import Candidate, Objective
from scoutbee.contracts.errors import ConfigurationError
from scoutbee.contracts.learning import ModelArtifact
from scoutbee.models.artifacts import load_ensemble
from scoutbee.models.registry import make_surrogate
from scoutbee.models.surrogate import Surrogate
from scoutbee.simulation.efforts import STANDARD, next_effort
from scoutbee.simulation.ionization import ionization_potential
from scoutbee.simulation.specifications import SPECIFICATIONS

from .ensemble_search import EnsembleSearch
from .molecule_space import Report, read_molecule_space
from .options import MoleculesOptions, Specification
from .search_space import SearchSpace

VALUE_COLUMNS: Mapping[Specification, str] = {
    'xtb': 'ip_adiabatic_ev',
    'xtb-vertical': 'ip_vertical_ev',
    'ipea1-vertical': 'ip_ipea1_vertical_ev',
}
"""Column of a training set that holds what each specification computes. They must not be mixed: see DESIGN.md."""


class Molecules(EnsembleSearch):
    """Molecules with a high ionization potential, which GFN2-xTB computes and an ensemble predicts.

    What does not converge is tried again with more effort, as ``Adjustable`` campaigns may.
    """

    name = 'molecules'
    value_field = 'ip_ev'

    def __init__(
        self,
        space: SearchSpace,
        smiles: Sequence[str],
        options: MoleculesOptions,
        initial_models: Sequence[ModelArtifact] = (),
    ) -> None:
        """Begin with nothing observed; ``smiles`` are those of the space's candidates, by row."""
        specification = SPECIFICATIONS[options.qc_specification]
        quantity = f'{specification.ip_kind} ionization potential ({specification.method})'
        objective = Objective(quantity, 'eV', maximize=True, threshold=options.threshold)
        super().__init__(space, objective, options.learning, initial_models)
        self._smiles = smiles
        self._options = options

    def key(self, row: int) -> str:
        """The SMILES as it was written."""
        return self._smiles[row]

    def args(self, row: int) -> tuple[Any, ...]:
        """The SMILES."""
        return (self._smiles[row],)

    def simulate(self) -> Callable[..., Mapping[str, Any]]:
        """The ionization potential by the chosen specification."""
        options = self._options
        return partial(
            ionization_potential,
            specification=options.qc_specification,
            seed=options.conformer_seed,
            max_steps=options.max_steps,
        )

    def adjust(self, candidate: Candidate, tried: int) -> Candidate | None:
        """The molecule with the effort that follows the one that did not converge; see ``simulation.efforts``."""
        smiles, *effort = candidate.args
        following = next_effort(effort[0] if effort else STANDARD.name)
        return None if following is None else replace(candidate, args=(smiles, following))


def make_molecules(options: MoleculesOptions, cache_dir: Path, report: Report) -> Molecules:
    """Read everything and be ready.

    Args:
        options: What a person set.
        cache_dir: Where features and rejected lines are kept.
        report: Told, in sentences, what came of reading and what takes long.

    Raises:
        ConfigurationError: If a setting or a file cannot be used.
    """
    surrogate = make_surrogate(options.learning.surrogate, options.learning.surrogate_settings)
    models = _saved_models(options, surrogate, report)
    column = options.value_column or VALUE_COLUMNS[options.qc_specification]
    space, smiles = read_molecule_space(
        options.search_space, options.training_set, column, surrogate.featurizer, cache_dir, report
    )
    _check_known(space, options)
    return Molecules(space, smiles, options, models)


def _saved_models(options: MoleculesOptions, surrogate: Surrogate, report: Report) -> list[ModelArtifact]:
    if options.models is None:
        return []
    wanted = options.learning.model_count
    loaded = load_ensemble(options.models, surrogate)
    if len(loaded) != wanted:
        used = min(wanted, len(loaded))
        report(f'models: {options.models} holds {len(loaded)} models and model_count is {wanted}; {used} are used.')
    return loaded[:wanted]


def _check_known(space: SearchSpace, options: MoleculesOptions) -> None:
    """Refuse a training set that is obviously another quantity or in another unit."""
    values = space.known_values
    low, high = 0.0, 100.0  # eV; no molecule's first ionization potential is outside.
    if len(values) and not (low < np.min(values) and np.max(values) < high):
        raise ConfigurationError(
            f'training_set: expected ionization potentials in eV, between {low:g} and {high:g}, in '
            f'{options.training_set}, got values from {np.min(values):g} to {np.max(values):g}; convert them.'
        )

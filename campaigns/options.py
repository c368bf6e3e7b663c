"""What a person may set about each campaign, checked before anything is read. Cheap to import."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Specification = Literal['xtb', 'xtb-vertical', 'ipea1-vertical']


class LearningOptions(BaseModel):
    """How a campaign over a fixed search space learns and chooses."""

    model_config = ConfigDict(extra='forbid', frozen=True)

    surrogate: str = Field('mpnn', description='Surrogate that learns: mpnn, fingerprint or gaussian_process.')
    surrogate_settings: dict[str, Any] = Field(default_factory=dict, description='Settings of the surrogate.')
    model_count: int = Field(8, ge=1, description='Members of the ensemble.')
    warm_start: bool = Field(False, description='Start each training from the last weights instead of from scratch.')
    minimum_observations: int = Field(8, ge=2, description='Observations below which nothing is trained.')
    acquisition: str = Field(
        'ucb', description='How candidates are ranked: ucb, greedy, expected_improvement, thompson or random.'
    )
    beta: float = Field(1.0, ge=0, allow_inf_nan=False, description='Weight of the uncertainty in UCB.')
    candidates_per_task: int = Field(20_000, ge=1, description='Candidates in one inference task.')
    features_by_file: bool = Field(
        False,
        description='Whether inference workers see the folder where features are cached, so that they are told rows of '
        'its files instead of being sent what is in them.',
    )
    seed: int = Field(0, ge=0, description='Seed of everything random.')
    enough_found: int | None = Field(
        None, ge=1, description='Candidates above the threshold that end the campaign; any number if not given.'
    )


class MoleculesOptions(BaseModel):
    """Molecules with a high ionization potential."""

    model_config = ConfigDict(extra='forbid', frozen=True)

    search_space: Path = Field(description='Molecules to choose from: .smi, or .csv with a smiles column; gzip too.')
    training_set: Path | None = Field(
        None, description='Known values: a .csv with a smiles column and a column of values; gzip too.'
    )
    value_column: str | None = Field(
        None, description='Column of the training set with the values; the one of the qc specification if not given.'
    )
    qc_specification: Specification = Field('xtb', description='Which ionization potential is computed, and how.')
    max_steps: int = Field(500, ge=1, description='Optimizer steps allowed for each relaxation.')
    conformer_seed: int = Field(1, ge=0, description='Seed of the first geometry.')
    threshold: float | None = Field(
        14.0, allow_inf_nan=False, description='Ionization potential in eV from which a molecule counts as found.'
    )
    models: Path | None = Field(None, description='A saved ensemble to start from: a folder or a model file.')
    learning: LearningOptions = Field(default_factory=LearningOptions, description='How it learns and chooses.')


class LookupOptions(BaseModel):
    """Molecules whose values are all known: what steering finds, without the wait for simulations."""

    model_config = ConfigDict(extra='forbid', frozen=True)

    table: Path = Field(description='A .csv with a smiles column and a column of values; gzip too.')
    value_column: str = Field('ip_adiabatic_ev', description='Column of the values.')
    unit: str = Field('eV', description='Unit of the values.')
    maximize: bool = Field(True, description='Whether larger values are better.')
    known: int = Field(100, ge=0, description='Molecules, drawn at random, whose values are known at the start.')
    top: int = Field(50, ge=1, description='The best so many molecules are what is to be found.')
    learning: LearningOptions = Field(default_factory=LearningOptions, description='How it learns and chooses.')


class AckleyLearning(LearningOptions):
    """The same, with the choices of the EMEWS workflow: one Gaussian process, and the best mean first."""

    surrogate: str = Field('gaussian_process', description='Surrogate that learns.')
    model_count: int = Field(1, ge=1, description='Members of the ensemble.')
    acquisition: str = Field('greedy', description='How candidates are ranked.')


class AckleyOptions(BaseModel):
    """The smallest of random points of the Ackley function, evaluated slowly."""

    model_config = ConfigDict(extra='forbid', frozen=True)

    points: int = Field(750, ge=1, description='Random points to choose from.')
    dimensions: int = Field(4, ge=1, le=1000, description='Dimensions of the function.')
    bound: float = Field(32.768, gt=0, allow_inf_nan=False, description='Points lie within plus and minus this.')
    delay_log_mean: float = Field(
        2.0, allow_inf_nan=False, description='Mean of the natural logarithm of the delay in seconds.'
    )
    delay_log_std: float = Field(1.0, ge=0, allow_inf_nan=False, description='Standard deviation of the same.')
    delay_scale: float = Field(1.0, ge=0, allow_inf_nan=False, description='Factor on every delay; 0 for none.')
    threshold: float | None = Field(None, allow_inf_nan=False, description='Value from which a point counts as found.')
    learning: AckleyLearning = Field(default_factory=AckleyLearning, description='How it learns and chooses.')

"""The settings of a run: one model that is the source of its flags, its YAML and its help.

A field with a ``Flag`` is also a flag of ``run.py``; one without is written in YAML only. Passwords are no settings:
they come from environment variables of their own (see ``fabric.redis_environment``) and never stand in a settings file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, NonNegativeInt

from scoutbee.contracts.errors import ConfigurationError
from scoutbee.contracts.policy import Policy, Slots

from .settings_sections import (
    POLICY_FLAGS,
    POLICY_OF_SITE,
    AckleySettings,
    MoleculesSettings,
    PolicySettings,
)

Backend = Literal['redis', 'file', 'zmq', 'endpoint', 'globus']
Engine = Literal['parsl', 'globus', 'local']
Topic = Literal['simulate', 'train', 'infer']

DATA_PREFIX = 'data:'
"""What a path starts with that names a file of the package ``scoutbee.data``."""


@dataclass(frozen=True)
class Flag:
    """Makes a field a flag.

    Attributes:
        group: Heading under which ``--help`` shows it.
        metavar: What stands for its value in the help.
        bare: Value meant by the flag without a value, where that is allowed.
        synonyms: Other flags that set this field, and the value each of them means.
    """

    group: str
    metavar: str | None = None
    bare: str | None = None
    synonyms: Mapping[str, str] = field(default_factory=dict)


def _absolute(path: Path) -> Path:
    return path.expanduser().absolute()


def _absolute_unless_data(path: str) -> str:
    return path if path.startswith(DATA_PREFIX) else str(_absolute(Path(path)))


def _absolute_unless_name(site: str) -> str:
    path = Path(site)
    return str(_absolute(path)) if path.suffix in {'.yaml', '.yml'} or len(path.parts) > 1 else site


def _each(value: Any) -> Any:
    return [part.strip() for part in value.split(',')] if isinstance(value, str) else value


_EACH = BeforeValidator(_each)
"""Several values, which a flag separates by commas and YAML lists."""

LocalPath = Annotated[Path, AfterValidator(_absolute)]
DataPath = Annotated[str, Field(min_length=1), AfterValidator(_absolute_unless_data)]

_RUN = Flag('What to run, and where')
_FILE = Flag('What to run, and where', metavar='FILE')
_DIR = Flag('What to run, and where', metavar='DIR')
_NETWORK = Flag('Network')
_COMPUTE = Flag('Computing')
_PROBLEM = Flag('Problem')
_PROBLEM_FILE = Flag('Problem', metavar='FILE')
_LEARNING = Flag('Learning')
_STEERING = Flag('Steering')
_DATA = Flag('Moving data (ProxyStore)')


class Settings(BaseModel):
    """Everything a person can set. Relative paths are taken from the working directory."""

    model_config = ConfigDict(extra='forbid', frozen=True, allow_inf_nan=False, validate_default=True)

    campaign: Annotated[str, _RUN] = Field(default='molecules', description='What is searched; see configs/campaigns.')
    site: Annotated[str, _RUN, AfterValidator(_absolute_unless_name)] = Field(
        default='local', description='Where it runs: a name in configs/sites, or a YAML file.'
    )
    engine: Annotated[Engine | None, Flag('What to run, and where', synonyms={'--use-parsl': 'parsl'})] = Field(
        default=None, description="What runs the tasks, in place of the site's own engine."
    )
    config: Annotated[LocalPath | None, _FILE] = Field(
        default=None, exclude=True, description='Settings as YAML; they override the defaults of the campaign.'
    )
    runs_dir: Annotated[LocalPath, _DIR] = Field(default=Path('runs'), description='Where run directories are made.')
    resume: Annotated[LocalPath | None, Flag('What to run, and where', metavar='RUN_DIR')] = Field(
        default=None, exclude=True, description='Go on with the run of this run directory, with its settings.'
    )
    seed: Annotated[int, _RUN] = Field(
        default=0, ge=0, lt=2**32, description='Seed of everything that is drawn at random.'
    )
    dry_run: Annotated[bool, _RUN] = Field(default=False, exclude=True, description='Only print what would happen.')
    quiet: Annotated[bool, _RUN] = Field(
        default=False, exclude=True, description='Print only errors and the final table.'
    )

    redishost: Annotated[str | None, _NETWORK] = Field(
        default=None, min_length=1, description='Host of a Redis server; without it one is started here, on loopback.'
    )
    redisport: Annotated[int, _NETWORK] = Field(default=6379, ge=1, le=65535, description='Port of that Redis server.')
    driver_address: Annotated[str | None, _NETWORK] = Field(
        default=None,
        min_length=1,
        description="Address of this machine at which workers elsewhere reach it, in place of the site's; loopback "
        'alone if neither is given.',
    )
    redis_patience: float = Field(
        default=60.0, gt=0, description='Seconds the Redis server may be out of reach before the campaign ends.'
    )

    ml_endpoint: Annotated[str | None, _COMPUTE] = Field(
        default=None, min_length=1, description='Globus Compute endpoint that trains and predicts.'
    )
    qc_endpoint: Annotated[str | None, _COMPUTE] = Field(
        default=None, min_length=1, description='Globus Compute endpoint that simulates.'
    )
    nodes_per_task: Annotated[int, _COMPUTE] = Field(default=1, ge=1, description='Nodes that each simulation uses.')
    num_qc_workers: Annotated[int | None, _COMPUTE] = Field(
        default=None, ge=1, description='Simulation workers; as many as the site has if not given.'
    )
    molecules_per_ml_task: Annotated[int, _COMPUTE] = Field(
        default=10_000, ge=1, description='Candidates in one inference task.'
    )

    qc_specification: Annotated[Literal['xtb', 'xtb-vertical', 'ipea1-vertical'], _PROBLEM] = Field(
        default='xtb', description='How an ionization potential is computed; xtb is GFN2-xTB, adiabatic.'
    )
    search_space: Annotated[DataPath | None, _PROBLEM_FILE] = Field(
        default=None, description='Molecules to search: .smi, or .csv with a column smiles, gzipped or not.'
    )
    training_set: Annotated[DataPath | None, _PROBLEM_FILE] = Field(
        default=None, description='Molecules with known values to learn from at the start, likewise.'
    )
    ackley: AckleySettings = Field(default=AckleySettings(), description='The ackley campaign.')
    molecules: MoleculesSettings = Field(default=MoleculesSettings(), description='The molecules campaign.')

    surrogate: Annotated[Literal['mpnn', 'environments', 'fingerprint', 'gaussian_process'], _LEARNING] = Field(
        default='mpnn', description='What learns.'
    )
    mpnn_model_path: Annotated[LocalPath | None, Flag('Learning', metavar='PATH')] = Field(
        default=None, description='A saved ensemble to start from.'
    )
    model_count: Annotated[int, _LEARNING] = Field(default=8, ge=1, description='Models in the ensemble.')
    learning_rate: Annotated[float | None, _LEARNING] = Field(
        default=None, gt=0, description="Learning rate of the training; the network's own if not given."
    )
    num_epochs: Annotated[int | None, _LEARNING] = Field(
        default=None, ge=1, description='Passes over the training set, at most; by its size if not given.'
    )
    warm_start: bool = Field(
        default=False, description='Start each training from the last weights of its model instead of from scratch.'
    )
    model: dict[str, JsonValue] = Field(
        default_factory=dict, description='Further settings of the surrogate, by their names.'
    )

    acquisition: Annotated[Literal['ucb', 'greedy', 'expected_improvement', 'thompson', 'random'], _STEERING] = Field(
        default='ucb', description='What candidates are ranked by.'
    )
    beta: Annotated[float, _STEERING] = Field(default=1.0, ge=0, description='Weight of the uncertainty in ucb.')
    search_size: Annotated[int, _STEERING] = Field(
        default=100, ge=1, description='Simulations that must succeed for the campaign to be complete.'
    )
    retrain_frequency: Annotated[int, _STEERING] = Field(
        default=16, ge=1, description='New observations after which the models are trained again.'
    )
    buffer_size: Annotated[int, _STEERING] = Field(
        default=32, ge=1, description='Candidates kept ready for the simulation launcher.'
    )
    pause_during_update: Annotated[Literal['none', 'refill', 'launch'], Flag('Steering', bare='launch')] = Field(
        default='none',
        description='While models are updated: go on, stop refilling the buffer, or stop launching (the flag alone).',
    )
    max_hours: Annotated[float | None, _STEERING] = Field(
        default=None,
        gt=0,
        description='Hours this start may take; the end of its batch job counts too. What cannot finish is not begun.',
    )
    policy: PolicySettings = Field(default=PolicySettings(), description='The rest of what the agents do when.')

    no_proxystore: Annotated[bool, _DATA] = Field(default=False, description='Send every object with its task.')
    simulate_ps_backend: Annotated[Backend | None, _DATA] = Field(
        default=None, description='How large objects of simulations move; with their tasks if not given.'
    )
    infer_ps_backend: Annotated[Backend | None, _DATA] = Field(
        default=None, description='The same for inference tasks.'
    )
    train_ps_backend: Annotated[Backend | None, _DATA] = Field(default=None, description='The same for training tasks.')
    ps_threshold: Annotated[NonNegativeInt | dict[Topic, NonNegativeInt], _DATA] = Field(
        default=10_000,
        description='Bytes from which an object counts as large; in YAML also one number for each topic.',
    )
    ps_file_dir: Annotated[LocalPath | None, Flag('Moving data (ProxyStore)', metavar='DIR')] = Field(
        default=None,
        description='Folder of the file backend, which all workers see; in the run directory if not given.',
    )
    ps_globus_config: Annotated[LocalPath | None, Flag('Moving data (ProxyStore)', metavar='FILE')] = Field(
        default=None, description='Collections of the globus backend, as JSON; see configs/proxystore-globus.json.'
    )
    ps_endpoints: Annotated[tuple[UUID, ...], _EACH, Flag('Moving data (ProxyStore)', metavar='ID,ID')] = Field(
        default=(), description="ProxyStore endpoints of the endpoint backend: this machine's and those of the workers."
    )

    def file(self, name: Literal['search_space', 'training_set']) -> Path | None:
        """Where a data file of the settings lies.

        Args:
            name: Name of the setting.

        Returns:
            Its path; files of the package ``scoutbee.data`` are found there. None if the setting is not given.

        Raises:
            ConfigurationError: If that package has no such file.
        """
        path: str | None = getattr(self, name)
        if path is None:
            return None
        return data_file(path)

    def backends(self) -> dict[str, Backend]:
        """Backend of each topic whose large objects go through ProxyStore."""
        if self.no_proxystore:
            return {}
        chosen: dict[str, Backend | None] = {
            'simulate': self.simulate_ps_backend,
            'train': self.train_ps_backend,
            'infer': self.infer_ps_backend,
        }
        return {topic: backend for topic, backend in chosen.items() if backend is not None}

    def thresholds(self) -> dict[str, int]:
        """Bytes from which an object of each topic counts as large."""
        topics: tuple[Topic, ...] = ('simulate', 'train', 'infer')
        if isinstance(self.ps_threshold, int):
            return dict.fromkeys(topics, self.ps_threshold)
        default: int = type(self).model_fields['ps_threshold'].default
        return {topic: self.ps_threshold.get(topic, default) for topic in topics}

    def engine_for(self, site_engine: str) -> str:
        """The engine that runs the tasks.

        Args:
            site_engine: Engine of the site.

        Returns:
            The one asked for; ``globus`` where none is and both endpoints are given; else the site's.
        """
        if self.engine is not None:
            return self.engine
        return 'globus' if self.ml_endpoint and self.qc_endpoint else site_engine

    def policy_for(self, workers: Mapping[str, int], share_learners: bool = False) -> Policy:
        """What the agents do when, at a site.

        Args:
            workers: Workers of the site by kind of task; ``--num-qc-workers`` goes before its ``simulate``.
            share_learners: Whether the site trains and infers on the same workers.

        Raises:
            ConfigurationError: If the reserve leaves no simulation worker.
        """
        given = [name for name in type(self.policy).model_fields if name not in POLICY_OF_SITE]
        values = {name: getattr(self.policy, name) for name in given}
        values |= {name: getattr(self, name) for name in POLICY_FLAGS}
        return Policy(slots=self._slots(workers), share_learners=share_learners, **values)

    def _slots(self, workers: Mapping[str, int]) -> Slots:
        wanted = self.policy.slots
        simulate = self.num_qc_workers or workers['simulate']
        start = wanted.simulate or simulate - wanted.reserve
        if start < 1:
            raise ConfigurationError(
                f'policy.slots.reserve: expected fewer than the {simulate} simulation workers there are, got '
                f'{wanted.reserve}; set aside fewer, or ask for more workers with --num-qc-workers.'
            )
        return Slots(
            simulate=start,
            train=wanted.train or workers['train'],
            infer=wanted.infer or workers['infer'],
            reserve=wanted.reserve,
        )


def data_file(path: str) -> Path:
    """Where a path of the settings leads, ``data:NAME`` being a file of the package ``scoutbee.data``.

    Raises:
        ConfigurationError: If the package has no such file.
    """
    if not path.startswith(DATA_PREFIX):
        return Path(path)
    from scoutbee import data

    return data.path(path.removeprefix(DATA_PREFIX))


def flag_of(name: str) -> Flag | None:
    """The flag of a field, or None for a field that is written in YAML only."""
    metadata: list[Any] = Settings.model_fields[name].metadata
    return next((item for item in metadata if isinstance(item, Flag)), None)

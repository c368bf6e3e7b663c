"""How the agents behave, as settings a person can write."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Kind = Literal['simulate', 'train', 'infer']


class SlotMove(BaseModel):
    """Move slots between kinds of task when something happens.

    The pool called ``reserve`` holds slots that exist but are not used yet.
    """

    model_config = ConfigDict(extra='forbid', frozen=True)

    on: Literal['training', 'trained', 'ranking'] = Field(
        description='When: a training round starts, all its models are trained, or a ranking is made.'
    )
    nth: int | None = Field(None, ge=1, description='Only the nth time it happens; every time if not given.')
    source: Kind | Literal['reserve'] = Field(description='Pool the slots come from.')
    target: Kind | Literal['reserve'] = Field(description='Pool the slots go to.')
    count: int = Field(ge=1, description='How many; fewer if the source holds fewer.')


class Slots(BaseModel):
    """How many tasks of each kind may run at once, at the start."""

    model_config = ConfigDict(extra='forbid', frozen=True)

    simulate: int = Field(2, ge=1, description='Simulation workers in use.')
    train: int = Field(1, ge=1, description='Trainings at once.')
    infer: int = Field(1, ge=1, description='Inference tasks at once.')
    reserve: int = Field(0, ge=0, description='Slots set aside for slot moves.')


class Deadlines(BaseModel):
    """How long a task of each kind may run, in seconds; past it, it is killed with all its children."""

    model_config = ConfigDict(extra='forbid', frozen=True)

    simulate: float | None = Field(None, gt=0, description='Longest run of a simulation.')
    train: float | None = Field(None, gt=0, description='Longest run of a training.')
    infer: float | None = Field(None, gt=0, description='Longest run of an inference task.')


class Policy(BaseModel):
    """What the agents do when. Times are in seconds."""

    model_config = ConfigDict(extra='forbid', frozen=True)

    search_size: int = Field(100, ge=1, description='Simulations that must succeed for the campaign to be complete.')
    buffer_size: int = Field(32, ge=1, description='Candidates kept ready for the simulation launcher.')
    retrain_frequency: int = Field(16, ge=1, description='New observations after which the models are trained again.')
    pause_during_update: Literal['none', 'refill', 'launch'] = Field(
        'none', description='While models are updated: go on, stop refilling the buffer, or stop launching.'
    )
    rerank: Literal['model', 'ensemble'] = Field(
        'model', description='Make a ranking after each model has predicted, or after the whole ensemble has.'
    )
    share_learners: bool = Field(
        False,
        description='Train and infer on the same workers: the first model is asked before the others are trained.',
    )
    prefetch: int | None = Field(
        None,
        ge=0,
        description='Simulations kept queued beyond the number of workers; if not given, as many as hide the way to '
        'and fro where simulations are short, and none where they are long.',
    )
    slots: Slots = Field(default_factory=Slots, description='Tasks of each kind at once.')
    slot_moves: tuple[SlotMove, ...] = Field((), description='How slots move between kinds of task.')

    simulation_retries: int = Field(2, ge=0, description='Further attempts at a simulation that failed by chance.')
    deadlines: Deadlines = Field(default_factory=Deadlines, description='When a task that runs is killed.')
    deadline_retries: int = Field(1, ge=0, description='Further attempts at a simulation killed at its deadline.')
    worker_kills: int = Field(2, ge=1, description='Workers a candidate may take down before it is quarantined.')
    losses: int = Field(10, ge=1, description='Attempts that may be lost for any reason before it is, all the same.')
    learning_retries: int = Field(2, ge=0, description='Further attempts at a training or inference task that failed.')
    failed_updates: int = Field(3, ge=1, description='Updates in a row that may fail before the campaign ends.')
    failure_share: float = Field(0.5, gt=0, le=1, description='Share of failed candidates that ends the campaign.')
    failure_minimum: int = Field(20, ge=1, description='Finished candidates before the share of failures counts.')
    simulation_lease: float = Field(3600, gt=0, description='After this long without a result a task counts as lost.')
    learning_lease: float = Field(3600, gt=0, description='The same for training and inference tasks.')
    roll_call: float = Field(
        15, gt=0, description='How often the task server is asked what it holds; what it does not was lost.'
    )
    straggler: float = Field(
        5, gt=1, description='A simulation out so many times longer than the median is reported as a straggler.'
    )
    speculate: bool = Field(
        False, description='With nothing left to launch, send the slowest simulations a second time to idle workers.'
    )
    grace: float = Field(20, ge=0, description='On an interrupt, how long to wait for simulations in flight.')
    max_hours: float | None = Field(
        None, gt=0, description='Time for this process; it launches nothing that would not be done by then, and ends.'
    )

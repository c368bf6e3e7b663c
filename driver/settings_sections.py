"""The sections of a settings file: what is written in YAML and has no flag."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, create_model

from scoutbee.contracts.policy import Policy

POLICY_FLAGS = ('search_size', 'buffer_size', 'retrain_frequency', 'pause_during_update', 'max_hours')
"""Fields of the policy that are flags, and so stand at the top of a settings file."""

POLICY_OF_SITE = ('slots', 'share_learners')
"""Fields of the policy that follow, in whole or in part, from the site."""


class Section(BaseModel):
    """Base of every section: unknown keys are refused, and numbers are finite."""

    model_config = ConfigDict(extra='forbid', frozen=True, allow_inf_nan=False)


class SlotSettings(Section):
    """Tasks of each kind at once. What is not given follows from the workers of the site."""

    simulate: int | None = Field(default=None, ge=1, description='Simulations at once, at the start.')
    train: int | None = Field(default=None, ge=1, description='Trainings at once.')
    infer: int | None = Field(default=None, ge=1, description='Inference tasks at once.')
    reserve: int = Field(
        default=0, ge=0, description='Of the simulation workers, how many wait to be brought in by a slot move.'
    )


class AckleySettings(Section):
    """The `ackley` campaign: a function to minimise that is slow on purpose."""

    dimension: int = Field(default=4, ge=1, description='Dimensions of the function.')
    bound: float = Field(default=32.768, gt=0, description='Points lie within plus and minus this in every dimension.')
    points: int = Field(default=750, ge=1, description='Random points that could be computed.')
    delay_log_mean: float = Field(default=2.0, description='Mean of the natural logarithm of the delay in seconds.')
    delay_log_std: float = Field(default=1.0, ge=0, description='Standard deviation of that logarithm.')
    delay_scale: float = Field(default=0.02, ge=0, description='Factor on every delay; 0 for none.')


class MoleculesSettings(Section):
    """The `molecules` campaign: molecules with a high ionization potential."""

    threshold_ev: float = Field(
        default=14.0, description='Ionization potential in eV from which a molecule counts as found.'
    )
    value_column: str | None = Field(
        default=None,
        min_length=1,
        description='Column of the training set with the known values in eV; that of the specification if not given.',
    )


if TYPE_CHECKING:
    # A type checker cannot follow a class made at run time; this one has every field that it has.
    class PolicySettings(Policy):
        """What of the policy has no flag."""

        slots: SlotSettings  # type: ignore[assignment]

        def __init__(self, **values: Any) -> None: ...

else:
    # Made from the agents' own model, so that no default, bound or description is written twice.
    _kept: dict[str, Any] = {
        name: (field.annotation, field)
        for name, field in Policy.model_fields.items()
        if name not in (*POLICY_FLAGS, *POLICY_OF_SITE)
    }
    PolicySettings = create_model(
        'PolicySettings',
        __base__=Section,
        __module__=__name__,
        __doc__='What the agents do when, as far as it has no flag.',
        slots=(
            SlotSettings,
            Field(default=SlotSettings(), description='Tasks of each kind at once.'),
        ),
        **_kept,
    )

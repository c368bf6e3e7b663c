"""How the members of an ensemble stand for the posterior of a model that has one in closed form.

Member 0 is the posterior mean. Members 2k - 1 and 2k are the k-th posterior draw, a whole function, and its mirror
image about the mean. So one member alone predicts as well as the model can; the mean of an odd number of members is the
posterior mean itself, without the noise of sampling; and the members' standard deviation, the engine's measure of
uncertainty, estimates the posterior's. Unlike the models of resampled data, draws also disagree about what no
observation says anything about, such as a fragment that was never seen.

A draw is exact and cheap by sampling and then correcting (Matheron's rule; Wilson et al., 2020, arXiv:2002.09309):
draw a function from the prior and noise for each observation, and add what the posterior mean makes of the residuals.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Draw:
    """What a member is.

    Attributes:
        number: Number of the draw, from 1; 0 is the mean.
        sign: 1.0 for a draw, -1.0 for its mirror image, 0.0 for the mean.
    """

    number: int
    sign: float

    @classmethod
    def of(cls, member: int) -> Draw:
        """The draw that a member is.

        Raises:
            ValueError: If the member is negative.
        """
        if member < 0:
            raise ValueError(f'Expected a member of 0 or more, got {member}.')
        if member == 0:
            return cls(0, 0.0)
        return cls((member + 1) // 2, 1.0 if member % 2 else -1.0)

    def generator(self, seed: int, observations: int) -> np.random.Generator:
        """Source of its random numbers: the same for a draw and its mirror image, another after more observations.

        Another, because a draw that stayed the same would ask for the same exploration over and over.
        """
        return np.random.default_rng([abs(seed), int(seed < 0), self.number, observations])

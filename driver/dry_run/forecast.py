"""All that can be told of a run before it begins; nothing is started or written."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from scoutbee.campaigns.options import LearningOptions
from scoutbee.campaigns.survey import Survey
from scoutbee.contracts.campaign import INFER, KINDS, SIMULATE, TRAIN
from scoutbee.contracts.errors import ConfigurationError
from scoutbee.contracts.policy import Policy
from scoutbee.fabric.reach import with_address
from scoutbee.fabric.sites import Site

from ..building import cache_directory, campaign_options
from ..placement import site_of
from ..settings import Settings
from .earlier import Earlier, Times, count_done, find_earlier
from .objects import Item, list_items
from .rounds import Learners, Rounds, plan_rounds, update_seconds
from .space import survey_space


@dataclass(frozen=True)
class Forecast:
    """What is known of a run before it begins.

    Attributes:
        settings: Its settings.
        site: Where it runs, with the address at which its workers reach this machine.
        refusal: Why this machine cannot have the address of the site; None if it can.
        policy: What its agents do when.
        done: Simulations that have succeeded already, of a run that goes on.
        space: What is searched; None where nothing can be told of it.
        rounds: Its rounds; None likewise.
        items: What travels in a round; nothing likewise.
        earlier: What is known from an earlier run; None where there is none.
    """

    settings: Settings
    site: Site
    refusal: str | None
    policy: Policy
    done: int
    space: Survey | None
    rounds: Rounds | None
    items: list[Item]
    earlier: Earlier | None

    def is_elsewhere(self, kind: str) -> bool:
        """Whether tasks of a kind run on another machine than the driver."""
        if self.site.engine == 'globus':
            return True
        return self.site.engine == 'parsl' and self.site.executor_for(kind)[1].provider.type != 'local'

    def times(self, kind: str) -> Times | None:
        """Times of tasks of a kind, of those sizes that this run will have; None where they are not known."""
        if self.earlier is None:
            return None
        if kind != INFER:
            return self.earlier.simulate if kind == SIMULATE else self.earlier.train
        each = self.earlier.infer
        if each is None or self.rounds is None:
            return None
        size = self.rounds.chunk_size
        return Times(each.count, each.median * size, each.mean * size, each.longest * size)

    @property
    def learners(self) -> Learners:
        """Who learns."""
        shared = self.site.workers(TRAIN) if self.policy.share_learners else 0
        return Learners(self.policy.slots.train, self.policy.slots.infer, shared)

    @property
    def simulating_seconds(self) -> float | None:
        """Time of the simulations between two trainings; None where it is not known."""
        times = self.times(SIMULATE)
        if times is None or self.rounds is None:
            return None
        return self._simulating(self.rounds.between, times)

    @property
    def updating_seconds(self) -> float | None:
        """Time of an update of the models; None where it is not known."""
        train, infer = self.times(TRAIN), self.times(INFER)
        if train is None or infer is None or self.rounds is None:
            return None
        return update_seconds(self.rounds, self.learners, train.median, infer.median)

    @property
    def total_seconds(self) -> float | None:
        """Time of all that is ahead; None where it is not known."""
        times, update = self.times(SIMULATE), self.updating_seconds
        if times is None or update is None or self.rounds is None:
            return None
        waits = self.rounds.count if self.policy.pause_during_update == 'launch' else int(self.rounds.is_first_at_once)
        return self._simulating(self.rounds.remaining, times) + waits * update

    def _simulating(self, count: int, times: Times) -> float:
        # Their sum is what workers must get through, so it is the mean that tells; the last one is waited for.
        return max(times.mean if count else 0.0, count * times.mean / self.policy.slots.simulate)


def forecast(settings: Settings) -> Forecast:
    """Look ahead.

    Args:
        settings: The settings of the run, checked.

    Raises:
        ConfigurationError: If the site, a file or a setting cannot be used, or they do not fit each other.
    """
    site, refusal = _with_address(site_of(settings))
    shared = site.executor_for(TRAIN)[0] == site.executor_for(INFER)[0]
    policy = settings.policy_for({kind: site.workers(kind) for kind in KINDS}, share_learners=shared)
    options = campaign_options(settings)
    space = survey_space(settings.campaign, options, cache_directory())
    earlier = find_earlier(settings)
    done = 0 if settings.resume is None else count_done(settings.resume)
    rounds, items = None, []
    learning = getattr(options, 'learning', None)
    if space is not None and isinstance(learning, LearningOptions):
        has_models = settings.mpnn_model_path is not None
        rounds = plan_rounds(policy, learning, space.candidates, space.known, done, has_models)
        items = list_items(settings, learning, space, rounds, earlier)
    return Forecast(settings, site, refusal, policy, done, space, rounds, items, earlier)


def _with_address(site: Site) -> tuple[Site, str | None]:
    """The site as this machine would serve it, or as it is and why this machine cannot."""
    try:
        return with_address(site), None
    except ConfigurationError as error:
        return site, str(error)


def is_loopback(host: str | None) -> bool:
    """Whether a host, as far as its name alone tells, is this machine alone; None, no address given, is loopback."""
    if host is None or host == 'localhost':
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

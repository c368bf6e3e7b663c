"""What nobody can tell before a run: said, so that nobody takes an estimate for more."""

from __future__ import annotations

from collections.abc import Iterator

from scoutbee.analysis.sections.formats import listed
from scoutbee.contracts.campaign import KINDS

from .forecast import Forecast


def unknowns(ahead: Forecast) -> Iterator[str]:
    """Sentences about what this look ahead leaves open.

    Args:
        ahead: What is known of the run.
    """
    yield from _times(ahead)
    yield from _machines(ahead)
    yield from _reach(ahead)
    yield from _sizes(ahead)
    yield 'Failures, retries and stragglers; and in which order results come, on which the choices depend.'


def _times(ahead: Forecast) -> Iterator[str]:
    unknown = [kind for kind in KINDS if ahead.times(kind) is None]
    if ahead.earlier is None:
        yield (
            f'How long tasks take: no finished run in {ahead.settings.runs_dir} did the same work. A short one '
            '(--search-size 8, say) would tell.'
        )
    elif unknown:
        yield f'How long tasks of {listed(unknown)} take: the earlier run has none.'
    if ahead.earlier is not None:
        yield 'Whether tasks take as long here as in the earlier run: other machines, and more or fewer workers on one.'
        yield 'The gaps between tasks, the start of the workers, and the first pass of data to each of them.'


def _machines(ahead: Forecast) -> Iterator[str]:
    site = ahead.site
    if site.engine == 'globus':
        yield (
            'Whether the endpoints are online, take this login and have fitting versions; how many workers they really '
            'have, which their own configuration says; and how long their machines wait in queues.'
        )
    elif any(ahead.is_elsewhere(kind) for kind in KINDS):
        yield 'How long jobs wait in the queue, and how many blocks there are at once.'
        yield 'Whether the batch system takes the jobs as they are: accounts, queues, limits.'


def _reach(ahead: Forecast) -> Iterator[str]:
    settings = ahead.settings
    far = [kind for kind in KINDS if ahead.is_elsewhere(kind)]
    if settings.redishost is not None:
        yield f'Whether Redis answers at {settings.redishost}:{settings.redisport} and takes the password.'
    backends = settings.backends()
    by = {backend: [topic for topic in far if backends.get(topic) == backend] for backend in set(backends.values())}
    here = far if ahead.site.engine == 'parsl' else [*by.get('zmq', []), *by.get('redis', [])]
    if here:
        yield f'Whether the workers of {listed(here)} reach this machine, or a firewall is between.'
    if by.get('file'):
        folder = settings.ps_file_dir or 'the run directory'
        yield f'Whether the workers of {listed(by["file"])} see {folder} under the same path.'
    if by.get('endpoint'):
        yield f'Whether the ProxyStore endpoints of {listed(by["endpoint"])} run on both sides and find each other.'
    if by.get('globus'):
        yield f'Whether the Globus collections of {listed(by["globus"])} take this login, and how long transfers wait.'


def _sizes(ahead: Forecast) -> Iterator[str]:
    if ahead.space is None:
        yield f'What the campaign {ahead.settings.campaign} searches, and so how many tasks and bytes there will be.'
        return
    if any(item.is_estimate for item in ahead.items):
        yield (
            'What the features of these molecules weigh: they are not in the cache, so their sizes are those of '
            'drug-like molecules. The first start computes and keeps them.'
        )
    if not ahead.space.is_read:
        yield 'How many lines of the search space can be used; they were only counted.'
    if any(item.each is None for item in ahead.items):
        yield 'What simulations return, in bytes: no earlier run tells.'

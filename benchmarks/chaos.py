"""Kills processes of running campaigns at random, and looks whether anything was lost, done twice or came out wrong.

Whole campaigns run through ``run.py``, one after the other, until so many processes have been killed with SIGKILL:
workers, Parsl's managers and interchanges, task servers, Redis servers, and drivers, which are then resumed.

    python benchmarks/chaos.py --kills 100

The exit status is 1 if any promise of docs/reliability.md was broken; the run directories are kept then.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from itertools import count, product
from pathlib import Path
from statistics import median

from chaos_campaigns import CAMPAIGNS, Place, Setup
from chaos_checks import Findings, Reference, examine, reference_of
from chaos_processes import KINDS, Kind
from chaos_run import PATIENCE, Draw, Fire, HangError, tails
from common import print_table

from scoutbee.traces.errors import TraceError

ENGINES = ('parsl', 'local')


@dataclass(frozen=True)
class Outcome:
    """What came of one campaign that was killed at."""

    campaign: str
    seconds: float
    kills: Sequence[Kind]
    findings: Findings


@dataclass
class Chaos:
    """All campaigns of one call.

    Attributes:
        options: What was asked for on the command line.
        folder: Where everything is.
        undisturbed: The undisturbed run of each kind of campaign.
        outcomes: Of the campaigns that were killed at, in order.
    """

    options: argparse.Namespace
    folder: Path
    undisturbed: dict[str, Reference] = field(default_factory=dict)
    outcomes: list[Outcome] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)

    @property
    def kills(self) -> int:
        """Processes killed so far, in campaigns that have ended."""
        return sum(len(outcome.kills) for outcome in self.outcomes)

    @property
    def is_clean(self) -> bool:
        """Whether every promise was kept so far."""
        return all(outcome.findings.is_clean for outcome in self.outcomes)

    def run(self) -> None:
        """Go on until enough has been killed.

        Raises:
            HangError: If a run makes no progress.
            RuntimeError: If an undisturbed run does not end well, a run leaves no ledger, or nothing can be killed.
            TraceError: If a ledger or a summary cannot be read.
        """
        draws = {engine: Draw(self.options.seed + i, self.options.kinds) for i, engine in enumerate(ENGINES)}
        setups = [
            CAMPAIGNS[campaign](engine, self.folder, self.options.size)
            for campaign, engine in product(self.options.campaigns, self.options.engines)
        ]
        for setup in setups:
            self._measure(setup)
        for number in count():
            if self.kills >= self.options.kills:
                return
            setup = setups[number % len(setups)]
            self._disturb(setup, draws[setup.engine], self.folder / f'{number:02}-{setup.campaign}-{setup.engine}')
            if not self.outcomes[-1].kills:
                raise RuntimeError(f'{setup}: nothing could be killed in a whole run; ask for a larger --size.')

    def _measure(self, setup: Setup) -> None:
        place = self._place(self.folder / f'undisturbed-{setup.campaign}-{setup.engine}')
        course = Fire(setup, place, Draw(self.options.seed), self._say, 5 * PATIENCE).run(kills=0)
        if course.status != 0:
            raise RuntimeError(f'{setup}: the undisturbed run failed.\n{tails(place)}')
        reference = self.undisturbed[str(setup)] = reference_of(course)
        self._say(f'{setup}, undisturbed: {reference.seconds:.0f} s, {reference.rate:.1f} results a second')

    def _disturb(self, setup: Setup, draw: Draw, folder: Path) -> None:
        undisturbed = self.undisturbed[str(setup)]
        patience = max(PATIENCE, undisturbed.seconds)
        fire = Fire(setup, self._place(folder), draw, lambda sentence: self._say(f'{setup}: {sentence}'), patience)
        course = fire.run(self.options.kills - self.kills)
        found = examine(course, undisturbed)
        self.outcomes.append(Outcome(str(setup), course.seconds, [kill.kind for kill in course.kills], found))
        self._say(
            f'{setup}: {len(course.kills)} kills in {course.seconds:.0f} s; '
            f'{found.lost} lost, {found.duplicated} duplicated, {found.wrong} wrong'
        )
        for fault in found.faults:
            self._say(f'{setup}: {fault}')
        if course.status != 0:
            self._say(tails(course.place))
        if found.is_clean:
            shutil.rmtree(folder)

    def _place(self, folder: Path) -> Place:
        return Place(folder, self.folder / 'cache')

    def _say(self, sentence: str) -> None:
        print(f'{time.monotonic() - self.started:6.1f} s  {sentence}', flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; return the exit status."""
    options = _parser().parse_args(arguments)
    chaos = Chaos(options, Path(tempfile.mkdtemp(prefix='scoutbee-chaos-')))
    kept = False
    try:
        chaos.run()
        kept = chaos.is_clean
    except (HangError, RuntimeError, TraceError) as error:
        print(error, file=sys.stderr)
    finally:
        if kept:
            shutil.rmtree(chaos.folder)
        else:
            print(f'What there is, is in {chaos.folder}', file=sys.stderr)
    _report(chaos)
    if options.json is not None:
        options.json.write_text(json.dumps(_figures(chaos), indent=2) + '\n')
    return 0 if kept else 1


def _report(chaos: Chaos) -> None:
    rows = [
        (
            outcome.campaign,
            len(outcome.kills),
            outcome.findings.lost,
            outcome.findings.duplicated,
            outcome.findings.wrong,
            len(outcome.findings.faults),
            outcome.findings.sent_again,
            f'{outcome.seconds:.0f}',
            f'{chaos.undisturbed[outcome.campaign].seconds:.0f}',
        )
        for outcome in chaos.outcomes
    ]
    total = [sum(int(row[i]) for row in rows) for i in range(1, 9)]
    headers = (
        'campaign',
        'kills',
        'lost',
        'duplicated',
        'wrong',
        'other faults',
        'sent again',
        'seconds',
        'undisturbed',
    )
    print_table('What came of the campaigns', headers, [*rows, ('in all', *total)])
    costs = [
        (kind, _killed(chaos, kind), f'{median(seconds):.1f}', f'{max(seconds):.1f}')
        for kind in KINDS
        if (seconds := [cost for outcome in chaos.outcomes for lost, cost in outcome.findings.costs if lost == kind])
    ]
    print_table('What a kill costs', ('killed', 'times', 'seconds lost (median)', 'seconds lost (most)'), costs)
    print(
        'Seconds lost: from a kill to the tenth result after it, or to the next kill, less what as many results take '
        'undisturbed.\n"Sent again": attempts beyond the first, in flight when something was killed.'
    )


def _killed(chaos: Chaos, kind: Kind) -> int:
    return sum(outcome.kills.count(kind) for outcome in chaos.outcomes)


def _figures(chaos: Chaos) -> dict[str, object]:
    undisturbed = {
        name: {'seconds': reference.seconds, 'rate': reference.rate} for name, reference in chaos.undisturbed.items()
    }
    return {'undisturbed': undisturbed, 'outcomes': [asdict(outcome) for outcome in chaos.outcomes]}


def _listed(choices: Sequence[str]) -> Callable[[str], tuple[str, ...]]:
    """For ``argparse``: some of the choices, as ``a,b``."""

    def parse(text: str) -> tuple[str, ...]:
        chosen = tuple(part.strip() for part in text.split(','))
        for name in chosen:
            if name not in choices:
                raise argparse.ArgumentTypeError(f'expected some of {",".join(choices)}, got {name!r}')
        return chosen

    return parse


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    campaigns, engines = tuple(CAMPAIGNS), ENGINES
    parser.add_argument('--kills', type=int, default=100, help='how many processes to kill (100)')
    parser.add_argument('--campaigns', type=_listed(campaigns), default=campaigns, help=','.join(campaigns))
    parser.add_argument('--engines', type=_listed(engines), default=engines, help=','.join(engines))
    parser.add_argument('--kinds', type=_listed(KINDS), default=KINDS, help=','.join(KINDS))
    parser.add_argument('--seed', type=int, default=0, help='of what is killed when (0)')
    parser.add_argument('--size', type=int, help='candidates of a campaign, instead of its own number')
    parser.add_argument('--json', type=Path, help='write the figures of each campaign here')
    return parser


if __name__ == '__main__':
    sys.exit(main())

"""From a command line to an exit status."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress

from scoutbee.contracts.errors import ConfigurationError

from .exit_status import BAD_INPUT, COMPLETED, INTERRUPTED
from .interrupts import Interrupts
from .settings import Settings
from .settings_checks import check_settings
from .settings_layers import load_settings, title


def main(argv: Sequence[str]) -> int:
    """Run what the command line asks for.

    Args:
        argv: Arguments without the program's name.

    Returns:
        The exit status.
    """
    try:
        with Interrupts() as interrupts:
            return _main(argv, interrupts)
    finally:
        _let_go_of_output()


def _main(argv: Sequence[str], interrupts: Interrupts) -> int:
    try:
        settings = load_settings(argv)
        check_settings(settings)
        return _run(settings, interrupts)
    except SystemExit as end:  # argparse ends so after --help
        return end.code if isinstance(end.code, int) else BAD_INPUT
    except ConfigurationError as error:
        _complain(str(error))
        return BAD_INPUT
    except KeyboardInterrupt:
        _complain('interrupted before the campaign began.')
        return INTERRUPTED
    except BrokenPipeError:
        return COMPLETED  # help, or what would happen, printed to a reader who has seen enough


def _let_go_of_output() -> None:
    """Write what is left, so that a reader who is gone does not change the exit status as Python ends."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(settings: Settings, interrupts: Interrupts) -> int:
    engine = _check_site(settings)
    if settings.dry_run:
        from .dry_run import describe

        print(describe(settings))
        return COMPLETED
    _check_installation()
    from scoutbee.fabric.server_process import ServerProcess

    # It imports an engine while this process imports the rest and reads the search space, which takes as long.
    with ServerProcess(engine) as server:
        from scoutbee.fabric import lean_proxystore  # noqa: F401 - before all that imports Colmena

        from .assembly import run_campaign

        return run_campaign(settings, interrupts, server)


def _check_site(settings: Settings) -> str:
    """See that there is such a site, with as many workers as the policy supposes; returns its engine."""
    from scoutbee.contracts.campaign import KINDS
    from scoutbee.fabric.sites import load_site

    try:
        site = load_site(settings.site)
    except ConfigurationError as error:
        raise ConfigurationError(f'{title("site")}: {error}') from error
    settings.policy_for({kind: site.workers(kind) for kind in KINDS})
    return settings.engine_for(site.engine)


def _check_installation() -> None:
    """See that what Scoutbee needs is installed, before a worker finds out minutes into the run."""
    from .provenance import missing_requirements

    missing = missing_requirements()
    if missing:
        raise ConfigurationError(
            f'Not installed for {sys.executable}: {", ".join(missing)}. Use ./run_local.sh, which sets everything up, '
            'or run `pip install -c constraints.txt -e .` in the folder of run.py.'
        )


def _complain(message: str) -> None:
    lines = message.splitlines() or ['unknown error']
    with suppress(OSError):  # the terminal may be what is gone
        if len(lines) == 1:
            print(f'run.py: {lines[0]}', file=sys.stderr)
            return
        print(f'run.py: nothing was started, because of {len(lines)} things:', file=sys.stderr)
        for line in lines:
            print(f'  {line}', file=sys.stderr)

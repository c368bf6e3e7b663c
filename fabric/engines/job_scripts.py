"""The scripts that a batch system would be given, without giving it any."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from ..sites import Site


def job_script(site: Site, executor_name: str, directory: Path) -> str | None:
    """The script of a job that brings a block of workers, as Parsl would submit it.

    Args:
        site: The site; see ``reach.with_address``.
        executor_name: Name of one of its executors.
        directory: Where Parsl would write.

    Returns:
        The script, in which PORT stands for what is known only later, and ADDRESS for that of this machine if the site
        has none; None where no batch system is asked.
    """
    if site.engine != 'parsl' or site.executors[executor_name].provider.type == 'local':
        return None
    from .parsl_config import make_executor

    addressed = site.model_copy(update={'address': site.address or 'ADDRESS'})
    executor = make_executor(executor_name, addressed, directory, _rehearsing())
    executor.run_dir = str(directory / 'parsl' / '000')
    executor.cert_dir = f'{executor.logdir}/certificates'
    executor.worker_port = 'PORT'
    executor.logconf_path = None
    executor.initialize_scaling()
    with tempfile.TemporaryDirectory(prefix='scoutbee-') as scratch:
        executor.provider.script_dir = scratch
        executor.provider.submit(executor._get_launch_command('0'), 1, f'parsl.{executor_name}.block-0')
        (script,) = Path(scratch).iterdir()
        return script.read_text().replace(scratch, f'{executor.run_dir}/submit_scripts')


def _rehearsing() -> dict[str, type[Any]]:
    """Parsl's providers, but with no batch system behind them: whatever they ask it, it says yes."""
    from .parsl_providers import PARSL_PROVIDERS

    def agree(self: Any, command: str, timeout: int | None = None) -> tuple[int, str, str]:
        return 0, 'Submitted batch job 0', ''

    return {name: type(kind.__name__, (kind,), {'execute_wait': agree}) for name, kind in PARSL_PROVIDERS.items()}

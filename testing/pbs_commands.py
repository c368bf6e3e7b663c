"""The commands of PBS Pro, for tests: jobs are processes of this machine, and every node is this machine."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import psutil

from scoutbee.fabric.processes import kill_session, session_members

_GRACE_SECONDS = 1.0
"""How long a job that is deleted may take to end after it was told to."""

_COMMAND = """\
#!{python}
import sys
from scoutbee.testing.pbs_commands import PBSCommands
sys.exit(PBSCommands({folder!r}).{name}(sys.argv[1:]))
"""


class PBSCommands:
    """``qsub``, ``qstat``, ``qdel`` and ``mpiexec`` as Parsl calls them, in a folder to put on the path.

    As with the real ones, a job starts at home with an environment of its own, what it writes goes where its script
    says, and one that is deleted is told to end before it is killed.

    Example:
        >>> with PBSCommands(folder) as pbs:
        ...     os.environ['PATH'] = f'{pbs.path}{os.pathsep}{os.environ["PATH"]}'
    """

    def __init__(self, folder: Path | str) -> None:
        """Args: folder: Where the commands are, and what they know of jobs."""
        self._folder = Path(folder)
        self._jobs = self._folder / 'jobs'

    def __enter__(self) -> PBSCommands:
        self.path.mkdir(parents=True)
        self._jobs.mkdir()
        for name in ('qsub', 'qstat', 'qdel', 'mpiexec'):
            command = self.path / name
            command.write_text(_COMMAND.format(python=sys.executable, folder=str(self._folder), name=name))
            command.chmod(0o755)
        return self

    def __exit__(self, *_: object) -> None:
        for job in self.submitted():
            kill_session(self._session(job))

    @property
    def path(self) -> Path:
        """Folder with the commands."""
        return self._folder / 'bin'

    def submitted(self) -> list[str]:
        """Ids of all jobs that ever were."""
        return sorted((file.name for file in self._jobs.iterdir()), key=lambda job: int(job.partition('.')[0]))

    def running(self) -> list[str]:
        """Ids of the jobs of which something runs."""
        return [job for job in self.submitted() if session_members(self._session(job))]

    def qsub(self, arguments: Sequence[str]) -> int:
        """Start a job; tells its id."""
        script = Path(arguments[-1])
        asked = dict(re.findall(r'^#PBS -(\w) (.*)$', script.read_text(), re.MULTILINE))
        (nodes,) = re.findall(r'^#PBS -l select=(\d+)', script.read_text(), re.MULTILINE)
        job = f'{len(self.submitted()) + 1}.double'
        node_file = self._folder / f'{job}.nodes'
        node_file.write_text(''.join(f'node{index}\n' for index in range(int(nodes))))
        with open(asked['o'], 'wb') as out, open(asked['e'], 'wb') as err:
            process = subprocess.Popen(
                ['bash', str(script)],
                cwd=self._folder,
                env={
                    'PATH': f'{self.path}{os.pathsep}{os.defpath}',
                    'HOME': str(self._folder),
                    'PBS_JOBID': job,
                    'PBS_NODEFILE': str(node_file),
                },
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        (self._jobs / job).write_text(str(process.pid))
        print(job)
        return 0

    def qstat(self, arguments: Sequence[str]) -> int:
        """Tell the states of jobs as JSON."""
        running = self.running()
        states = {job: {'job_state': 'R' if job in running else 'F'} for job in arguments if job in self.submitted()}
        print(json.dumps({'Jobs': states}))
        return 0

    def qdel(self, arguments: Sequence[str]) -> int:
        """End jobs."""
        for job in arguments:
            members = session_members(self._session(job))
            for process in members:
                process.terminate()
            psutil.wait_procs(members, timeout=_GRACE_SECONDS)
            kill_session(self._session(job))
        return 0

    def mpiexec(self, arguments: Sequence[str]) -> int:
        """Run so many copies of a command, which comes after the host file."""
        copies = int(arguments[arguments.index('-n') + 1])
        after = arguments.index('--hostfile') + 1
        hosts = Path(arguments[after]).read_text().split()
        assert len(hosts) == copies, f'{copies} copies for the hosts {hosts}'
        started = [subprocess.Popen(list(arguments[after + 1 :])) for _ in range(copies)]
        return max(process.wait() for process in started)

    def _session(self, job: str) -> int:
        return int((self._jobs / job).read_text())

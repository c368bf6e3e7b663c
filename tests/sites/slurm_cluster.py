"""A Slurm cluster of one's own on this machine: real daemons, private files, and nothing left of it afterwards."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import psutil

from scoutbee.fabric.processes import die_with_parent

_PROGRAMS = ('munged', 'slurmctld', 'slurmd', 'sbatch', 'unshare')
_PATH = os.pathsep.join((os.environ.get('PATH', os.defpath), '/usr/sbin', '/sbin'))

# What a daemon starts may leave its session and outlive it, as jobs do. With a namespace of its own for processes,
# the kernel kills all of it when the first process in it dies, which dies with the one that made the namespace.
_ALONE = ('unshare', '--pid', '--fork', '--kill-child', '--mount-proc')
_REAPER = ('bash', '-c', '"$@" & wait $!', 'daemon')

_START_SECONDS = 30.0
_NODE = 'NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs={cpus}'
_CONF = """\
ClusterName=scoutbee
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
# Jobs start as soon as they can, and are killed soon after they are told to end.
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0
KillWait=3
# Nodes have the processors they are said to have, not those of the machine.
SlurmdParameters=config_overrides
{nodes}
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


class Job(NamedTuple):
    """A job in the queue. ``state`` is a word such as PENDING, RUNNING or COMPLETING."""

    id: str
    state: str
    name: str


def why_not() -> str | None:
    """What keeps a cluster from being started here, if anything."""
    missing = [program for program in _PROGRAMS if shutil.which(program, path=_PATH) is None]
    if missing:
        return f'{", ".join(missing)} not installed (apt-get install slurm-wlm munge)'
    if os.geteuid() != 0:
        return 'starting a Slurm cluster takes root'
    if subprocess.run((*_ALONE, 'true'), capture_output=True, check=False).returncode != 0:
        return 'this machine does not allow namespaces for processes'
    return None


class SlurmCluster:
    """munged, slurmctld and a slurmd for each node, with the partition ``main`` and a folder of their own.

    All of it, jobs included, dies with the thread that entered it, however that ends.

    Example:
        >>> with SlurmCluster() as cluster:
        ...     subprocess.run(['sbatch', 'job.sh'], env={**os.environ, **cluster.environment})
    """

    def __init__(self, nodes: int = 1, cpus: int = 4) -> None:
        """Args: nodes: How many. cpus: Processors each gives out; more than the machine has are shared."""
        self._nodes = [f'node{number}' for number in range(nodes)]
        self._cpus = cpus
        self._folder = Path()
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> SlurmCluster:
        # Not pytest's folder, which may be too long a path for a socket.
        self._folder = Path(tempfile.mkdtemp(prefix='slurm-'))
        try:
            self._start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._daemons:
            _end(self._daemons.popitem()[1])
        shutil.rmtree(self._folder)

    @property
    def environment(self) -> dict[str, str]:
        """What Slurm's commands need in their environment to speak to this cluster."""
        return {'SLURM_CONF': str(self._folder / 'slurm.conf'), 'PATH': _PATH}

    def jobs(self, *flags: str) -> list[Job]:
        """All jobs that wait, run, or are being ended; ``--states=all`` adds those that ended."""
        lines = self.command('squeue', '--noheader', '--format=%i %T %j', *flags).splitlines()
        return [Job(*line.split(maxsplit=2)) for line in lines]

    def wait(self, ready: Callable[[list[Job]], object], seconds: float = 60) -> list[Job]:
        """Follow the queue until something holds of its jobs; returns them.

        Raises:
            TimeoutError: If it does not come to that, with the queue and the ends of the daemons' logs.
        """
        deadline = time.monotonic() + seconds
        while not ready(jobs := self.jobs()):
            if time.monotonic() > deadline:
                raise TimeoutError(f'It did not come to that within {seconds:g} s: {jobs}\n{self.logs()}')
            time.sleep(0.2)
        return jobs

    def cancel(self, job: Job) -> None:
        """Cancel a job."""
        self.command('scancel', job.id)

    def command(self, *command: str) -> str:
        """What one of Slurm's commands answers.

        Raises:
            RuntimeError: If it fails, with what it said and the ends of the daemons' logs.
        """
        done = subprocess.run(
            command, env={**os.environ, **self.environment}, capture_output=True, text=True, timeout=30, check=False
        )
        if done.returncode != 0:
            raise RuntimeError(f'{" ".join(command)} failed: {done.stderr.strip()}\n{self.logs()}')
        return done.stdout

    def logs(self, lines: int = 15) -> str:
        """The ends of the logs of all daemons."""
        parts = []
        for log in sorted(self._folder.glob('*.log')):
            parts += [f'-- {log.name}', *log.read_text(errors='replace').splitlines()[-lines:]]
        return '\n'.join(parts)

    # -- starting -----------------------------------------------------------------------------------------------

    def _start(self) -> None:
        folder = self._folder
        for name in ('state', *(f'spool.{node}' for node in self._nodes)):
            (folder / name).mkdir()
        key = folder / 'munge.key'
        key.touch(0o600)
        key.write_bytes(secrets.token_bytes(1024))
        host = socket.gethostname()
        port, *ports = _free_ports(1 + len(self._nodes))
        nodes = [
            _NODE.format(node=node, host=host, port=at, cpus=self._cpus)
            for node, at in zip(self._nodes, ports, strict=True)
        ]
        text = _CONF.format(host=host, folder=folder, port=port, nodes='\n'.join(nodes))
        (folder / 'slurm.conf').write_text(text)
        files = {name: f'--{name}-file={folder}/munge.{name}' for name in ('key', 'pid', 'seed')}
        # Forced, because nobody but root can reach its socket, which is all that is wanted of it.
        self._run('munged', 'munged', '--foreground', '--force', f'--socket={folder}/munge.socket', *files.values())
        self._wait('munged', (folder / 'munge.socket').is_socket)
        self._run('slurmctld', 'slurmctld', '-D')
        for node in self._nodes:
            self._run(node, 'slurmd', '-D', '-N', node)
        self._wait('a node', self._are_idle)

    def _run(self, name: str, *command: str) -> None:
        with (self._folder / f'{name}.log').open('wb') as log:
            self._daemons[name] = subprocess.Popen(
                (*_ALONE, *_REAPER, *command),
                cwd=self._folder,
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=die_with_parent,
            )

    def _are_idle(self) -> bool:
        asked = subprocess.run(
            ('sinfo', '--noheader', '--format=%D %T'),
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            check=False,
        )
        return asked.stdout.split() == [str(len(self._nodes)), 'idle']

    def _wait(self, name: str, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while not ready():
            dead = [daemon for daemon, process in self._daemons.items() if process.poll() is not None]
            if dead or time.monotonic() > deadline:
                what = f'{dead[0]} died' if dead else f'{name} was not ready within {_START_SECONDS:g} s'
                raise RuntimeError(f'The Slurm cluster could not be started: {what}.\n{self.logs()}')
            time.sleep(0.05)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(('127.0.0.1', 0)) for _ in range(count)]
    ports = [made.getsockname()[1] for made in sockets]
    for made in sockets:
        made.close()
    return ports


def _end(daemon: subprocess.Popen[bytes]) -> None:
    """Kill the first process of a daemon's namespace, and wait until the kernel has killed all others."""
    if daemon.poll() is None:
        first = psutil.Process(daemon.pid).children()
        (first[0] if first else daemon).kill()
    daemon.wait()

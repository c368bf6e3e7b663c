"""What is made of a site: Parsl's configuration, and the scripts that a batch system is given."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from parsl.jobs.states import JobState

from scoutbee.contracts.errors import ConfigurationError
from scoutbee.fabric.engines.job_scripts import job_script
from scoutbee.fabric.engines.parsl_config import make_config
from scoutbee.fabric.engines.parsl_providers import make_provider
from scoutbee.fabric.sites import Site, load_site, site_names

RUN = Path('/runs/one/engine')
ODD = """it's "$HOME"; {x} `y`"""


def site(provider=None, address=None, **executor):
    fields = {'kinds': ['simulate', 'train', 'infer'], 'workers': 4, **executor}
    if provider is not None:
        fields['provider'] = provider
    return Site.model_validate({'name': 'mine', 'address': address, 'executors': {'all': fields}})


def slurm(**fields):
    return {'type': 'slurm', **fields}


def pbs(**fields):
    return {'type': 'pbspro', 'cpus_per_node': 4, **fields}


def script(*args, **kwargs):
    text = job_script(site(*args, **kwargs), 'all', RUN)
    syntax = subprocess.run(['bash', '-n'], input=text, text=True, capture_output=True, check=False)
    assert (syntax.returncode, syntax.stderr) == (0, '')
    return text


def directives(text, mark):
    """What is asked for at the head of a script, without what Parsl makes up."""
    head = [line.removeprefix(f'#{mark} ') for line in text.splitlines() if line.startswith(f'#{mark} ')]
    # A batch system reads them up to the first command.
    assert all(not line or line.startswith('#') for line in text.split(head[-1])[0].splitlines()[:-1])
    return [line for line in head if 'submit_scripts' not in line and 'parsl.all' not in line]


def worker_command(text):
    """The flags of the command that starts workers."""
    (line,) = (line for line in text.splitlines() if 'process_worker_pool' in line)
    words = shlex.split(line.replace('{}', ''))
    start = words.index(sys.executable)
    flags = re.sub(r' (-{1,2}[a-z])', r'\n\1', ' ' + ' '.join(words[start + 3 :])).replace('=', ' ')
    return words[:start], dict(flag.split(maxsplit=1) for flag in flags.splitlines() if len(flag.split()) > 1)


@pytest.mark.parametrize('name', site_names())
def test_every_site_that_comes_along_is_one_for_parsl_or_says_that_it_is_not(name, monkeypatch):
    monkeypatch.setenv('ACCOUNT', 'bees')
    shipped = load_site(name)
    if shipped.engine != 'parsl':
        assert all(job_script(shipped, label, RUN) is None for label in shipped.executors)
        return
    placed = shipped.model_copy(update={'address': '10.0.0.1'})
    config = make_config(placed, list(shipped.executors), RUN)
    for executor in config.executors:
        settings = shipped.executors[executor.label]
        provider = executor.provider
        assert executor.encrypted
        total = executor.workers_per_node * provider.nodes_per_block * provider.max_blocks
        assert total == settings.worker_count()


def test_slurm_is_asked_for_what_the_site_says():
    text = script(
        slurm(
            account='bees',
            partition='main',
            qos='fast',
            constraint='gpu&a100',
            gpus_per_node=4,
            walltime='02:30:00',
            nodes_per_block=3,
            scheduler_options='#SBATCH --mail-type=NONE\n#SBATCH --reservation=hive\n',
        )
    )
    assert sorted(directives(text, 'SBATCH')) == sorted(
        [
            '--nodes=3',
            '--time=150',
            '--ntasks-per-node=1',
            '--mail-type=NONE',
            '--reservation=hive',
            '--exclusive',
            '--partition=main',
            '--account=bees',
            '--qos=fast',
            '--constraint=gpu&a100',
            '--gpus-per-node=4',
        ]
    )


def test_a_shared_node_of_slurm_is_asked_for_the_cores_of_its_workers():
    text = script(slurm(exclusive=False), workers=3, cores_per_worker=1.5)
    asked = directives(text, 'SBATCH')
    assert '--cpus-per-task=5' in asked
    assert '--exclusive' not in asked


def test_pbs_is_asked_for_what_the_site_says():
    text = script(
        pbs(
            account='bees',
            queue='debug',
            walltime='02:30:00',
            nodes_per_block=3,
            select_options='ngpus=4',
            scheduler_options='#PBS -l filesystems=home',
        )
    )
    assert sorted(directives(text, 'PBS')) == sorted(
        [
            '-S /bin/bash',
            '-m n',
            '-l walltime=02:30:00',
            '-l select=3:ncpus=4:ngpus=4',
            '-A bees',
            '-q debug',
            '-l filesystems=home',
        ]
    )


@pytest.mark.parametrize('provider', [slurm(), pbs()])
def test_one_node_needs_no_launcher(provider):
    assert not re.search(r'^(srun|mpiexec) ', script(provider), re.MULTILINE)


@pytest.mark.parametrize(
    ('provider', 'words'),
    [
        (slurm(nodes_per_block=3), ['srun --ntasks 3 ', '--cpu-bind=none', '--kill-on-bad-exit=0', '--wait=0']),
        (pbs(nodes_per_block=3), ['mpiexec --cpu-bind none --ppn 1 ']),
        (pbs(nodes_per_block=3, mpiexec='openmpi'), ['mpiexec --bind-to none --map-by ppr:1:node ']),
        (pbs(nodes_per_block=3, mpiexec='mpich'), ['mpiexec -bind-to none -ppn 1 ']),
    ],
)
def test_several_nodes_each_start_workers_and_none_is_bound_to_a_core(provider, words):
    text = script(provider)
    assert all(word in text for word in words)


@pytest.mark.parametrize('provider', [slurm(), slurm(nodes_per_block=2), pbs(), pbs(nodes_per_block=2)])
def test_variables_reach_the_workers_as_they_are(provider):
    text = script(provider, env={'ODD': ODD}, worker_init='export LATER="$ODD"')
    preamble = text[: text.index('export JOBNAME')].replace(f'cd {RUN}', '')
    shown = subprocess.run(
        ['bash', '-c', f'{preamble}\nprintf "%s\\n%s" "$ODD" "$LATER"'], text=True, capture_output=True, check=True
    )
    assert shown.stdout == f'{ODD}\n{ODD}'
    assert shown.stderr == ''


def test_a_temporary_folder_that_a_node_does_not_have_is_not_used_there():
    preamble = script(slurm())
    (line,) = (line for line in preamble.splitlines() if 'TMPDIR' in line)
    for folder, kept in (('/no/such/folder', ''), ('/tmp', '/tmp')):
        shown = subprocess.run(
            ['bash', '-c', f'{line}\nprintf "%s" "${{TMPDIR:-}}"'],
            env={'TMPDIR': folder},
            text=True,
            capture_output=True,
            check=True,
        )
        assert shown.stdout == kept


def test_workers_are_told_all_that_they_need():
    before, flags = worker_command(script(slurm(walltime='01:00:00', drain_minutes=7.5), '10.0.0.1', accelerators=4))
    assert before == []
    assert flags['--max_workers_per_node'] == '4'
    assert flags['--available-accelerators'] == '0 1 2 3'
    assert flags['-a'] == '10.0.0.1'
    assert flags['--drain_period'] == str(52 * 60 + 30)
    assert flags['--cert_dir'] == f'{RUN}/parsl/000/all/certificates'


def test_what_is_known_only_later_stands_for_itself():
    _, flags = worker_command(script(slurm()))
    assert (flags['-a'], flags['--port']) == ('ADDRESS', 'PORT')


@pytest.mark.parametrize('provider', [slurm(), pbs(nodes_per_block=2)])
def test_a_prefix_comes_before_the_workers(provider):
    before, _ = worker_command(script(provider, launch_prefix='apptainer exec --env A={b} hive.sif '))
    assert before == ['apptainer', 'exec', '--env', 'A={b}', 'hive.sif']


def test_workers_of_this_machine_need_no_script_and_stay():
    assert job_script(site(), 'all', RUN) is None
    (executor,) = make_config(site(), ['all'], RUN).executors
    assert (executor.address, executor.drain_period) == ('127.0.0.1', None)
    assert executor.encrypted
    assert (executor.provider.min_blocks, executor.provider.max_blocks) == (1, 1)


def test_workers_of_this_machine_use_its_address_where_the_site_has_one():
    (executor,) = make_config(site(address='10.0.0.1'), ['all'], RUN).executors
    assert executor.address == '10.0.0.1'
    assert executor.loopback_address == '127.0.0.1'


def test_blocks_come_and_go_between_the_limits_of_the_site():
    (executor,) = make_config(site(slurm(min_blocks=1, max_blocks=7)), ['all'], RUN).executors
    provider = executor.provider
    assert (provider.init_blocks, provider.min_blocks, provider.max_blocks) == (0, 1, 7)


@pytest.mark.parametrize('folder', ['/runs/my runs', '/runs/$HOME', "/runs/it's"])
def test_a_folder_that_parsl_cannot_put_into_scripts_is_refused(folder):
    with pytest.raises(ConfigurationError, match='--runs-dir'):
        make_config(site(), ['all'], Path(folder))


SLURM = {
    'sbatch': 'echo Submitted batch job 7',
    'sacct': 'echo Slurm accounting storage is disabled >&2; exit 1',
    'squeue': 'cat squeue.txt; test -s squeue.txt || { echo $WHY >&2; exit 1; }',
}


@pytest.mark.parametrize(
    ('why', 'state'),
    [
        ('slurm_load_jobs error: Invalid job id specified', JobState.COMPLETED),
        ('slurm_load_jobs error: Unable to contact slurm controller', JobState.RUNNING),
    ],
)
def test_a_job_that_slurm_has_forgotten_is_over(tmp_path, monkeypatch, why, state):
    for name, does in SLURM.items():
        command = tmp_path / name
        command.write_text(f'#!/bin/sh\n{does}\n')
        command.chmod(0o755)
    monkeypatch.setenv('PATH', f'{tmp_path}{os.pathsep}{os.environ["PATH"]}')
    monkeypatch.setenv('WHY', why)
    monkeypatch.chdir(tmp_path)
    provider = make_provider(site(slurm()).executors['all'], RUN)
    provider.script_dir = str(tmp_path)
    job = provider.submit('true', 1, 'block')
    (tmp_path / 'squeue.txt').write_text(f'{job} R\n')
    assert [each.state for each in provider.status([job])] == [JobState.RUNNING]
    (tmp_path / 'squeue.txt').write_text('')
    assert [each.state for each in provider.status([job])] == [state]

"""The guide to sites: its tables, its files, its commands and the messages that it quotes, against the code."""

from __future__ import annotations

import ast
import os
import re
import shlex
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic.fields import FieldInfo

from scoutbee.driver.cli import main
from scoutbee.driver.settings_layers import PARAMS_FILE, load_settings
from scoutbee.driver.settings_yaml import dump_params
from scoutbee.fabric.providers import PBSProProvider, SlurmProvider
from scoutbee.fabric.sites import Executor, Site, load_site

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / 'docs' / 'sites.md').read_text(encoding='utf-8')

_RUN = re.compile(r'run\.py (?P<flags>.+)')
_SITE_FILE = re.compile(r'# (?P<name>[\w-]+\.yaml)\n')


def blocks(language: str) -> list[str]:
    """The code blocks of a language, without the indentation that they have in a list."""
    found = re.findall(rf'^( *)```{language}\n(.*?)^ *```$', TEXT, re.MULTILINE | re.DOTALL)
    return [re.sub(rf'^{indent}', '', body, flags=re.MULTILINE) for indent, body in found]


def site_files() -> dict[str, str]:
    """The site files of the guide, by name: those blocks that begin with one."""
    found = {}
    for block in blocks('yaml'):
        match = _SITE_FILE.match(block)
        if match is not None:
            found[match['name']] = block
    return found


def commands() -> list[str]:
    """The flags of every call of run.py."""
    lines = '\n'.join(blocks('bash')).replace('\\\n', ' ').splitlines()
    return [match['flags'] for match in map(_RUN.search, lines) if match is not None]


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with the files of the guide, and the variables that it has people set."""
    for name, text in site_files().items():
        (tmp_path / name).write_text(text)
    for name in list(os.environ):
        if name.startswith('SCOUTBEE_'):
            monkeypatch.delenv(name)
    ids = [str(uuid.UUID(int=number)) for number in range(1, 4)]
    variables = {
        'ACCOUNT': 'm1234', 'CPU_ENDPOINT': ids[0], 'GPU_ENDPOINT': ids[1], 'SHARED': str(tmp_path / 'shared'),
        'PS_ENDPOINTS': ','.join(ids), 'XDG_CACHE_HOME': str(tmp_path / 'cache'),
    }  # fmt: skip
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    run_dir = tmp_path / 'runs' / 'THE-RUN'
    run_dir.mkdir(parents=True)
    (run_dir / PARAMS_FILE).write_text(dump_params(load_settings([], {})))
    return tmp_path


def test_every_site_of_the_guide_is_one(place):
    names = site_files()
    assert len(names) >= 4
    for name in names:
        assert load_site(place / name).name == name.removesuffix('.yaml')


@pytest.mark.parametrize('flags', sorted(set(commands())))
def test_every_command_of_the_guide_would_run(place, capsys, flags):
    arguments = shlex.split(os.path.expandvars(flags))
    status = main([*(argument for argument in arguments if argument != '--dry-run'), '--dry-run'])
    out, err = capsys.readouterr()
    assert status == 0, err
    assert out.startswith('Nothing is started.')
    assert 'Globus Compute carries at most' not in out


def test_there_are_commands_of_every_sort():
    text = ' '.join(commands())
    for word in ('--site local', '--site cluster.yaml', '--site pbs.yaml', '--site two-sites.yaml', '--resume'):
        assert word in text


def test_the_software_of_endpoints_has_the_version_of_the_sdk():
    (wanted,) = re.findall(r'^globus-compute-sdk==(.+)$', (ROOT / 'constraints.txt').read_text(), re.MULTILINE)
    assert f'globus-compute-endpoint=={wanted}' in TEXT


# -- tables of fields -----------------------------------------------------------------------------------------------

_SHARED = [name for name in SlurmProvider.model_fields if name in PBSProProvider.model_fields and name != 'type']


def _only(model: type[Any]) -> Mapping[str, FieldInfo]:
    return {name: field for name, field in model.model_fields.items() if name not in (*_SHARED, 'type')}


TABLES: Mapping[str, Mapping[str, FieldInfo]] = {
    'Site': Site.model_fields,
    'Executor': Executor.model_fields,
    'every batch system': {name: SlurmProvider.model_fields[name] for name in _SHARED},
    'slurm': _only(SlurmProvider),
    'pbspro': _only(PBSProProvider),
}


def row(name: str, field: FieldInfo) -> str:
    return f'| `{name}` | {default_of(field)} | {field.description} |'


def default_of(field: FieldInfo) -> str:
    if field.is_required():
        return 'required'
    value = field.get_default(call_default_factory=True)
    if name := getattr(value, 'type', None):
        return f'`type: {name}`'
    if value is None or value == '' or value == () or value == {}:
        return ''
    written = yaml.safe_dump(value, default_flow_style=True).removesuffix('...\n').strip()
    return f'`{written}`'


@pytest.mark.parametrize('title', TABLES)
def test_every_field_stands_in_its_table(title):
    wanted = '\n'.join(row(name, field) for name, field in TABLES[title].items())
    found = re.search(rf'<!-- fields of {title} -->\n\|[^\n]*\n\|[-|]*\n((?:\|[^\n]*\n)*)', TEXT)
    assert found is not None
    assert found[1].rstrip() == wanted, f'Expected these rows under "fields of {title}":\n{wanted}'


# -- messages that are quoted ---------------------------------------------------------------------------------------


def quoted() -> list[str]:
    """The messages in the first column of the table of troubles."""
    table = TEXT.partition('## When it does not work')[2].partition('\n## ')[0]
    return [
        message
        for line in table.splitlines()
        if line.startswith('| `')
        for message in re.findall(r'`([^`]+)`', line.split(' | ')[0])
    ]


def sentences() -> str:
    """Every text in the code of the fabric, with a mark where a value is filled in."""

    def parts(folder: Path) -> Iterator[str]:
        for path in sorted(folder.rglob('*.py')):
            for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
                if isinstance(node, ast.JoinedStr):
                    yield ''.join(str(v.value) if isinstance(v, ast.Constant) else '\0' for v in node.values)
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield node.value

    return '\n'.join(parts(ROOT / 'fabric'))


def test_every_message_of_the_guide_is_one_of_the_code():
    known = sentences()
    assert len(quoted()) > 20
    missing = [
        message
        for message in quoted()
        for piece in re.split(r'\s*…\s*', message)
        if piece and piece not in known
    ]  # fmt: skip
    assert missing == []

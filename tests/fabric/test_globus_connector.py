"""The backend globus: logins, collections, transfers; over a stand-in for Globus' client and nothing else."""

import importlib.resources
import inspect
import json
import os
import re
import socket
import subprocess
import sys
import threading

import pytest

from scoutbee.contracts.errors import ConfigurationError
from scoutbee.fabric.connectors.globus import GlobusFolderConnector
from scoutbee.fabric.connectors.globus_collections import read_collections
from scoutbee.fabric.errors import StoreLostError
from scoutbee.testing.globus_transfer import HOST, REAL_CLIENT, GlobusTransfer, StandInTransferClient

HERE = re.escape(socket.gethostname())

VISITOR = """
import json, socket, sys
from scoutbee.fabric.worker_process import preload
preload(['scoutbee.testing.globus_transfer'])
from scoutbee.fabric.connectors.base import Key
from scoutbee.fabric.connectors.globus import GlobusFolderConnector
config, key = json.load(sys.stdin)
connector = GlobusFolderConnector(**config)
found = connector.get(Key(*key[:3], tuple(key[3])))
print(json.dumps([repr(connector), found.decode(), list(connector.names())]))
"""


@pytest.fixture
def service(tmp_path):
    with GlobusTransfer(tmp_path / 'service') as made:
        made.log_in()
        yield made


@pytest.fixture
def folders(tmp_path):
    return {HERE: tmp_path / 'here', 'far': tmp_path / 'there'}


@pytest.fixture
def collections(service, folders):
    found = read_collections(service.add_sites(folders))
    return {number: given.model_dump() for number, given in found.items()}


@pytest.fixture
def connector(collections):
    made = GlobusFolderConnector(collections, 'run-topic', patience=1)
    made.make()
    return made


def shape(kind, name):
    """Names, kinds and defaults of the parameters of a method."""
    given = inspect.signature(getattr(kind, name)).parameters.values()
    return [(each.name, each.kind, each.default) for each in given]


class TestTheStandIn:
    def test_it_has_the_signatures_of_the_real_client(self):
        names = [name for name in vars(StandInTransferClient) if not name.startswith('_')]
        assert len(names) == 7
        for name in [*names, '__init__']:
            assert shape(StandInTransferClient, name) == shape(REAL_CLIENT, name), name

    def test_the_real_client_comes_back(self, tmp_path):
        import globus_sdk

        with GlobusTransfer(tmp_path):
            assert globus_sdk.TransferClient is StandInTransferClient
        assert globus_sdk.TransferClient is REAL_CLIENT


class TestLogin:
    def test_nobody_is_asked_for_one_that_is_missing(self, tmp_path, folders):
        with GlobusTransfer(tmp_path / 'service') as service:
            found = read_collections(service.add_sites(folders))
            with pytest.raises(ConfigurationError, match=r'Nobody has logged in.*`proxystore-globus-auth login`'):
                GlobusFolderConnector({number: given.model_dump() for number, given in found.items()}, 'run')

    def test_nor_with_the_real_client(self, tmp_path, monkeypatch):
        monkeypatch.setenv('PROXYSTORE_HOME', str(tmp_path))
        given = {'host_regex': '.*', 'endpoint_path': '/', 'local_path': str(tmp_path)}
        with pytest.raises(ConfigurationError, match='Nobody has logged in'):
            GlobusFolderConnector({'a': given, 'b': given}, 'run')

    def test_consents_that_are_missing_are_asked_for_by_name(self, collections, service, monkeypatch):
        from proxystore.globus import app

        real, asked = app.get_globus_app, []

        def without_consents():
            made = real()
            monkeypatch.setattr(made, 'login_required', lambda: bool(asked) or asked.append(1))
            return made

        monkeypatch.setattr(app, 'get_globus_app', without_consents)
        with pytest.raises(ConfigurationError, match=f'--collection {next(iter(collections))}'):
            GlobusFolderConnector(collections, 'run')


class TestCollections:
    def test_the_example_can_be_read(self):
        example = importlib.resources.files('scoutbee.configs') / 'proxystore-globus.json'
        with importlib.resources.as_file(example) as file:
            assert len(read_collections(file)) == 2

    @pytest.mark.parametrize(
        ('text', 'words'),
        [
            ('{', 'is not JSON'),
            ('[]', 'dictionary'),
            ('{}', 'has 0 collections; expected at least two'),
            ('{"x": {}}', 'expected the id of a collection'),
            ('{"NUMBER": {"host_regex": "(", "endpoint_path": "/", "local_path": "/"}}', 'host_regex.*regular expr'),
            ('{"NUMBER": {"host_regex": "a", "endpoint_path": "/"}}', 'local_path: Field required'),
            ('{"NUMBER": {"host_regex": "a", "endpoint_path": "/", "local_path": "/", "path": 1}}', 'no such field'),
        ],
    )
    def test_a_file_that_is_not_right_is_explained(self, tmp_path, text, words):
        file = tmp_path / 'globus.json'
        file.write_text(text.replace('NUMBER', '7d3bba6c-8d0b-4d92-9c5f-2f0c4bd0a3c1'))
        with pytest.raises(ConfigurationError, match=f'(?s)globus.json .*{words}'):
            read_collections(file)

    def test_a_file_that_is_not_there_is_explained(self, tmp_path):
        with pytest.raises(ConfigurationError, match='cannot be read'):
            read_collections(tmp_path / 'none.json')

    def test_a_host_without_a_collection_is_named(self, collections, monkeypatch):
        for given in collections.values():
            given['host_regex'] = 'theta.*'
        monkeypatch.setattr('socket.gethostname', lambda: 'laptop')
        with pytest.raises(ConfigurationError, match='host laptop: its name fits neither theta'):
            GlobusFolderConnector(collections, 'run')

    def test_a_folder_that_is_not_there_is_named_before_anything_is_stored(self, collections):
        far = next(number for number, given in collections.items() if given['host_regex'] == 'far')
        collections[far]['endpoint_path'] = '/no/such'
        with pytest.raises(ConfigurationError, match=r'/no/such/run: No such file.*--ps-globus-config'):
            GlobusFolderConnector(collections, 'run').make()


class TestTransfers:
    def test_objects_arrive_at_another_site(self, connector, folders):
        key = connector.put(b'to whom it may concern')
        done = subprocess.run(
            [sys.executable, '-c', VISITOR], input=json.dumps([connector.config(), key]), stdout=subprocess.PIPE,
            text=True, check=True, timeout=60, env={**os.environ, HOST: 'far'},
        )  # fmt: skip
        place, found, names = json.loads(done.stdout)
        assert str(folders['far']) in place
        assert found == 'to whom it may concern'
        assert names == [key.name]

    def test_one_that_takes_its_time_is_waited_for(self, connector, service):
        service.pause()
        key = connector.put(b'late')
        timer = threading.Timer(0.1, service.resume)
        timer.start()
        assert connector.get(key) == b'late'
        timer.join()

    def test_one_that_takes_too_long_is_given_up(self, connector, service):
        service.pause()
        key = connector.put(b'never')
        with pytest.raises(StoreLostError, match='did not complete within the timeout'):
            connector.get(key)

    def test_one_that_failed_says_why(self, connector, service, folders):
        service.pause()
        key = connector.put(b'lost')
        (folders[HERE] / 'run-topic' / key.name).unlink()
        service.resume()
        with pytest.raises(StoreLostError, match='did not succeed: FileNotFoundError'):
            connector.get(key)

    def test_nothing_but_the_folder_of_the_run_is_ever_removed(self, connector, folders):
        for folder in folders.values():
            (folder / 'thesis.tex').write_text('irreplaceable')
        connector.put(b'x')
        connector.close()
        connector.clear()
        connector.clear()
        assert [os.listdir(folder) for folder in folders.values()] == [['thesis.tex'], ['thesis.tex']]

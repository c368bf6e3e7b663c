"""What each backend stands on in a test, and how it is broken."""

import os
from contextlib import ExitStack
from pathlib import Path

import requests

from scoutbee.fabric.connectors.directory import DirectoryConnector
from scoutbee.fabric.connectors.endpoint import PeerEndpointConnector
from scoutbee.fabric.connectors.globus import GlobusFolderConnector
from scoutbee.fabric.connectors.globus_collections import read_collections
from scoutbee.fabric.connectors.redis import LockedRedisConnector
from scoutbee.fabric.connectors.zeromq import ZeroMQConnector
from scoutbee.fabric.redis_server import EmbeddedRedis
from scoutbee.fabric.stores import Places
from scoutbee.testing.globus_transfer import GlobusTransfer
from scoutbee.testing.peer_endpoints import PeerEndpoints

BACKENDS = ('redis', 'file', 'zmq', 'endpoint', 'globus')
PATIENCE = 0.5


class Ground:
    """Where one backend keeps things; ``folder`` is its own, ``endpoints`` run already if there are any."""

    def __init__(self, folder, endpoints=None):
        self.folder = folder
        self.endpoints = endpoints
        self._stack = ExitStack()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stack.close()

    def open(self):
        """The connector that a driver has."""
        raise NotImplementedError

    def forge(self, key, data):
        """Put other bytes where the object of a key is."""
        raise NotImplementedError

    def lose(self):
        """See to it that nobody reaches the store any more; returns what an error about that names."""
        raise NotImplementedError

    def places(self, run, **more):
        """Where a depot makes its stores."""
        return Places(run, directory=self.folder / 'shared', patience=PATIENCE, **more)


class Redis(Ground):
    def __enter__(self):
        self._server = self._stack.enter_context(EmbeddedRedis())
        return self

    def open(self):
        address = self._server.address
        return LockedRedisConnector(
            address.host, address.port, 'run:topic', password=address.password, patience=PATIENCE
        )

    def forge(self, key, data):
        with self._server.address.connect() as client:
            client.set(f'run:topic:{key.name}', data)

    def lose(self):
        self._server.stop()
        return str(self._server.address)

    def places(self, run, **more):
        return super().places(run, address=self._server.address, **more)


class File(Ground):
    def open(self):
        connector = DirectoryConnector(str(self.folder / 'objects'))
        connector.make()
        return connector

    def forge(self, key, data):
        (self.folder / 'objects' / key.name).write_bytes(data)

    def lose(self):
        (self.folder / 'objects').rmdir()
        return str(self.folder / 'objects')


class ZeroMQ(Ground):
    def open(self):
        self._owner = ZeroMQConnector.serve('127.0.0.1', PATIENCE)
        self._stack.callback(self._owner.close)
        return self._owner

    def forge(self, key, data):
        self._owner._shelf.write(key.name, data)

    def lose(self):
        self._owner.close()
        return str(self._owner.config()['port'])


class Endpoint(Ground):
    def __enter__(self):
        if self.endpoints is None:
            self.endpoints = self._stack.enter_context(PeerEndpoints(self.folder / 'endpoints'))
        self._home = self.endpoints.endpoints[0]
        self._stack.callback(os.environ.pop, 'PROXYSTORE_HOME', None)
        os.environ.update(self._home.environment)
        return self

    def open(self):
        return PeerEndpointConnector(self.endpoints.ids, PATIENCE)

    def forge(self, key, data):
        url = f'http://127.0.0.1:{self._home.port}/set'
        requests.post(url, params={'key': key.name}, data=data, timeout=10).raise_for_status()

    def lose(self):
        self._home.stop()
        return str(self._home.port)

    def places(self, run, **more):
        return super().places(run, endpoints=self.endpoints.ids, **more)


class Globus(Ground):
    def __enter__(self):
        self._service = self._stack.enter_context(GlobusTransfer(self.folder / 'globus'))
        self._service.log_in()
        sites = {'.*': self.folder / 'here', 'elsewhere': self.folder / 'elsewhere'}
        self.config = self._service.add_sites(sites)
        return self

    def open(self):
        collections = {number: given.model_dump() for number, given in read_collections(self.config).items()}
        connector = GlobusFolderConnector(collections, 'run-topic', patience=1)
        connector.make()
        return connector

    def forge(self, key, data):
        (self.folder / 'here' / 'run-topic' / key.name).write_bytes(data)

    def lose(self):
        number = list(self._service.collections())[-1]
        self._service.close_collection(number)
        return number

    def places(self, run, **more):
        return super().places(run, globus_config=self.config, **more)


GROUNDS = {'redis': Redis, 'file': File, 'zmq': ZeroMQ, 'endpoint': Endpoint, 'globus': Globus}


def files_below(folder):
    """All files below a folder, by their names."""
    return sorted(path.name for path in Path(folder).rglob('*') if path.is_file())

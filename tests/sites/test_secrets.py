"""No secret of a campaign is found in its files, on a command line, or in the environment of what it starts."""

import base64
import contextlib
import re
import stat
import sys
from pathlib import Path

import psutil
import pytest
from campaign_runs import ackley_flags
from locked_redis import LockedRedis, why_not
from watched_run import FILE

pytestmark = pytest.mark.slow

POINTS = 40
MOVES = ('--simulate-ps-backend', 'redis', '--infer-ps-backend', 'zmq', '--train-ps-backend', 'file')

PRIVATE = re.compile(r'engine/redis/|engine/parsl/\d+/\w+/certificates/')
"""What holds secrets while a campaign runs, in folders that are their owner's alone, and is gone afterwards.

The first holds the messages of the embedded server, the second the keys by which Parsl's workers are known.
"""


class Audit:
    """Looks for the secrets of a run wherever others might."""

    def __init__(self, runs):
        self._runs = runs
        self._told = runs.folder / 'told'
        runs.program = (sys.executable, str(Path(__file__).with_name('watched_run.py')))
        self.environment = {FILE: str(self._told)}
        self.known = []
        self.looks = 0

    def told(self):
        """What the driver and its task server have made."""
        return self._told.read_text().split()

    def secrets(self):
        """All secrets, in all the ways in which they may be written."""
        for secret in (*self.known, *self.told()):
            yield secret.encode()
            with contextlib.suppress(ValueError):
                raw = bytes.fromhex(secret)
                yield raw
                yield base64.b64encode(raw)
                yield base64.urlsafe_b64encode(raw).rstrip(b'=')

    def found_in(self, content):
        return [secret for secret in self.secrets() if secret in content]

    def look(self, driver):
        """Look at everything once, while the campaign runs."""
        self.look_at_processes(driver)
        self.look_at_files(private=True)
        self.looks += 1

    def look_at_processes(self, driver):
        mine = {process.pid for process in self._runs.processes()}
        for process in psutil.process_iter():
            assert not self.found_in(_content(Path(f'/proc/{process.pid}/cmdline'))), process
            if process.pid in mine - {driver.pid}:
                environment = _content(Path(f'/proc/{process.pid}/environ'))
                assert not self.found_in(environment), process
                assert b'SCOUTBEE_REDIS_PASSWORD=' not in environment, process

    def look_at_files(self, *, private):
        for folder in (*self._runs.directories, self._runs.temporary):
            for path in folder.rglob('*'):
                if private and PRIVATE.match(str(path.relative_to(folder))):
                    assert _is_private(path.parent, folder), path
                elif path.is_file():
                    assert not self.found_in(_content(path)), path


def _content(path):
    try:
        return path.read_bytes()
    except (OSError, ProcessLookupError):
        return b''  # it is gone by now


def _is_private(folder, top):
    """Whether nobody but its owner gets into a folder, whoever gets into the one at the top."""
    above = [step for step in (folder, *folder.parents) if step.is_relative_to(top) and step != top]
    with contextlib.suppress(FileNotFoundError):
        return any(not stat.S_IMODE(step.stat().st_mode) & 0o077 for step in above)
    return True


@pytest.fixture
def audit(runs):
    return Audit(runs)


@pytest.fixture
def external(tmp_path_factory):
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    with LockedRedis(tmp_path_factory.mktemp('elsewhere')) as server:
        yield server


def audited_campaign(runs, audit, engine, *flags, **environment):
    settings = ackley_flags(runs.folder, POINTS, delay=0.02, engine=engine, ps_threshold=0)
    driver = runs.start(*settings, *MOVES, *flags, **environment, **audit.environment)
    for results in (1, POINTS // 2, POINTS - 5):
        runs.wait_for_results(results)
        audit.look(driver)
    said = runs.finish(driver)
    assert not audit.found_in(said.encode())
    audit.look_at_files(private=False)
    runs.assert_complete(POINTS)


def test_with_an_embedded_server_and_parsl(runs, audit):
    audited_campaign(runs, audit, 'parsl')
    assert len(audit.told()) >= 9  # the password and its bytes, the seal, two pairs of keys for each channel


def test_with_an_external_server_whose_password_is_in_the_environment_and_a_pool(runs, audit, external):
    audit.known.append(external.password)
    password = {'SCOUTBEE_REDIS_PASSWORD_FILE': '', 'SCOUTBEE_REDIS_PASSWORD': external.password}
    audited_campaign(runs, audit, 'local', *external.flags(), **{**external.environment, **password})
    assert len(audit.told()) >= 3  # the seal, and a pair of keys
    assert external.held() == []

"""The Globus Compute engine on a stand-in of the service; what it has in common with others is in `test_engines.py`."""

import os
import platform
import signal
import sys
import uuid
from importlib.metadata import version

import numpy as np
import psutil
import pytest
from engine_rig import METHODS, Rig, failure, rig_at, site_for
from waiting import wait_for

from scoutbee.contracts.control import CANCEL, ROLL_CALL
from scoutbee.contracts.errors import ConfigurationError
from scoutbee.fabric.engines import ENGINES, make_engine
from scoutbee.fabric.engines.base import EXIT_REFUSED, ServerPlan
from scoutbee.fabric.engines.globus import make_server
from scoutbee.fabric.engines.globus_calls import Patience
from scoutbee.fabric.errors import EngineRefusedError
from scoutbee.testing.globus_service import GlobusService

slow = pytest.mark.slow
HERE = os.path.dirname(__file__)


@pytest.fixture
def service():
    with GlobusService() as made:
        yield made


@pytest.fixture(scope='module')
def rig(redis_server, tmp_path_factory):
    """For tests that leave it as they found it."""
    directory = tmp_path_factory.mktemp('globus')
    with GlobusService() as service, rig_at(service, redis_server.address, directory) as made:
        yield made


@pytest.fixture
def one_endpoint(service, address, tmp_path, monkeypatch):
    """Starts a rig at one endpoint."""
    made = []

    def start(endpoint, **settings):
        monkeypatch.setitem(ENGINES, 'globus', service.engine(**settings))
        made.append(Rig(site_for('globus', simulate=endpoint.id, learn=endpoint.id), address, tmp_path, None))
        return made[0].start()

    yield start
    for each in made:
        each.close()


@pytest.fixture
def plan(service, queues, tmp_path):
    """A plan for two endpoints that are registered but do not run."""
    ids = {name: service.add(name, start=False).id for name in ('simulate', 'learn')}
    return ServerPlan(site_for('globus', **ids), METHODS, queues, tmp_path)


class TestWhatKeepsItFromStarting:
    """No task runs here: the service is asked, and the answer is no."""

    @pytest.fixture(autouse=True)
    def nobody_is_asked(self, monkeypatch):
        monkeypatch.setattr(sys, 'stdin', None)

    def refusal(self, service, plan):
        with pytest.raises(EngineRefusedError) as told:
            service.engine()(plan)
        return str(told.value)

    def test_nobody_is_logged_in(self, service, plan):
        service.set_account(logged_in=False)
        assert 'Log in, once, with `python -c "from globus_compute_sdk import Client' in self.refusal(service, plan)

    def test_nobody_is_logged_in_as_the_sdk_knows_it(self, plan, tmp_path, monkeypatch):
        monkeypatch.setenv('GLOBUS_COMPUTE_USER_DIR', str(tmp_path))
        with pytest.raises(EngineRefusedError, match='no valid login to Globus Compute'):
            make_server(plan)

    def test_a_service_account_is_half_there(self, plan, tmp_path, monkeypatch):
        monkeypatch.setenv('GLOBUS_COMPUTE_USER_DIR', str(tmp_path))
        monkeypatch.setenv('GLOBUS_COMPUTE_CLIENT_SECRET', 'half')
        with pytest.raises(EngineRefusedError, match='GLOBUS_COMPUTE_CLIENT_ID'):
            make_server(plan)

    def test_the_service_is_out_of_reach(self, service, plan):
        service.set_account(reachable=False)
        assert self.refusal(service, plan).startswith('Globus Compute cannot be used: the service cannot be reached')

    def test_the_sdk_is_too_old(self, service, plan):
        service.set_account(min_sdk_version='999.0.0')
        assert '999.0.0' in self.refusal(service, plan)

    def test_an_endpoint_is_not_known(self, service, queues, tmp_path):
        known, unknown = service.add('cpu').id, str(uuid.uuid4())
        plan = ServerPlan(site_for('globus', simulate=known, learn=unknown), METHODS, queues, tmp_path)
        told = self.refusal(service, plan)
        assert told.startswith(f'The Globus Compute endpoint {unknown} (learn) is not known to Globus Compute')

    def test_an_endpoint_is_not_for_this_account(self, service, queues, tmp_path):
        endpoint = service.add('gpu')
        endpoint.permit(False)
        plan = ServerPlan(site_for('globus', simulate=endpoint.id, learn=endpoint.id), METHODS, queues, tmp_path)
        told = self.refusal(service, plan)
        assert f'endpoint {endpoint.id} (simulate, learn) is not for the account that is logged in' in told
        assert f'Unauthorized access to endpoint {endpoint.id}' in told

    def test_an_endpoint_is_offline(self, service, plan):
        told = self.refusal(service, plan)
        assert '(simulate) is offline' in told
        assert '`globus-compute-endpoint start simulate`' in told

    def test_an_executor_has_no_endpoint(self, queues, tmp_path):
        site = site_for('globus', simulate=str(uuid.uuid4()))
        with pytest.raises(ConfigurationError, match='executor learn of the site test, which has none'):
            make_engine(site, None, METHODS, queues, tmp_path)

    def test_an_endpoint_is_no_id(self, queues, tmp_path):
        site = site_for('globus', simulate='polaris', learn='polaris')
        with pytest.raises(ConfigurationError, match="simulate of the site test is 'polaris'; expected the id"):
            make_engine(site, None, METHODS, queues, tmp_path)

    @slow
    def test_a_refusal_reaches_the_driver_as_it_is(self, service, plan, monkeypatch):
        monkeypatch.setitem(ENGINES, 'globus', service.engine())
        engine = make_engine(plan.site, None, METHODS, plan.queues, plan.directory)
        engine.start()
        with pytest.raises(EngineRefusedError, match=r'^The Globus Compute endpoint .* is offline'):
            engine.wait_until_ready()
        engine.start()
        wait_for(lambda: not engine.alive())
        assert engine.exit_code == EXIT_REFUSED
        engine.stop()


@slow
class TestVersions:
    def refusal(self, rig):
        rig.ask('simulate', 'well')
        wait_for(lambda: not rig.engine.alive())
        assert rig.engine.exit_code == EXIT_REFUSED
        return rig.engine.refusal

    def test_others_are_refused(self, service, one_endpoint):
        endpoint = service.add('cpu', start=False)
        endpoint.install(python='3.9.18', scoutbee='0.0.7')
        endpoint.start()
        refusal = self.refusal(one_endpoint(endpoint))
        assert refusal.startswith(f'The Globus Compute endpoint {endpoint.id} (simulate, learn) cannot run tasks: ')
        assert f'Python is 3.9.18 there and {platform.python_version()} here' in refusal
        assert f'scoutbee is 0.0.7 there and {version("scoutbee")} here; they must be the same' in refusal

    def test_an_endpoint_without_scoutbee_is_refused(self, service, one_endpoint):
        endpoint = service.add('cpu', start=False)
        endpoint.uninstall('scoutbee')
        endpoint.start()
        refusal = self.refusal(one_endpoint(endpoint))
        assert 'Scoutbee is not installed for its workers' in refusal
        assert 'pip install' in refusal

    def test_another_numpy_is_told_and_used(self, rig):
        rig.gpu.kill()
        wait_for(lambda: f'{rig.gpu.id} (learn) is offline' in rig.engine.log_tail(1000))
        rig.gpu.install(numpy='1.2.3')
        rig.gpu.start()
        rig.ask('infer', 21)
        assert rig.hear('infer').value['value'] == 42
        assert 'numpy is 1.2.3 there' in rig.engine.log_tail(1000)


@slow
class TestEndpoints:
    def test_workers_have_the_environment_of_the_endpoint_and_of_the_site(self, rig):
        rig.ask('infer', 1)
        result = rig.hear('infer').value
        worker = psutil.Process(result['pid'])
        assert result['threads'] == '7'
        assert worker.cwd() == str(rig.gpu.folder / 'home')
        assert worker.environ()['HOME'] == str(rig.gpu.folder / 'home')
        assert 'PYTEST_CURRENT_TEST' not in worker.environ()

    def test_two_executors_at_one_endpoint_keep_their_workers(self, service, one_endpoint):
        rig = one_endpoint(service.add('both', paths=[HERE]))
        pids = set()
        for _ in range(3):
            rig.ask('infer', 1)
            pids.add(rig.hear('infer').worker_info.pid)
            rig.ask('simulate', 'well')
            pids.add(rig.hear('simulate').worker_info.pid)
        assert len(pids) == 2

    def test_a_worker_of_the_endpoint_that_dies_takes_its_task_with_it(self, rig):
        rig.running('victim').parent().kill()
        assert failure(rig.hear('simulate'))['kind'] == 'killed'
        rig.ask('simulate', 'well')
        assert rig.hear('simulate').success

    def test_an_endpoint_that_dies_loses_its_tasks_and_takes_others_when_it_is_back(self, rig):
        task = rig.running('lost')
        rig.cpu.kill()
        told = failure(rig.hear('simulate'))
        assert told['kind'] == 'lost'
        assert f'The Globus Compute endpoint {rig.cpu.id} (simulate) was offline for' in told['message']
        wait_for(lambda: not task.is_running() or task.status() == psutil.STATUS_ZOMBIE)
        rig.ask('simulate', 'well')  # waits
        rig.ask('infer', 1)  # elsewhere
        assert rig.hear('infer').success
        rig.cpu.start()
        assert rig.hear('simulate').success

    def test_what_it_ran_is_lost_however_soon_it_is_back(self, service, one_endpoint):
        endpoint = service.add('cpu', paths=[HERE])
        rig = one_endpoint(endpoint, patience=Patience(look=0.2, offline=3600.0, probe=30.0))
        rig.running('forever')
        endpoint.kill()
        wait_for(lambda: 'is offline' in rig.engine.log_tail(1000))
        endpoint.start()
        assert failure(rig.hear('simulate'))['kind'] == 'lost'
        rig.ask('simulate', 'well')
        assert rig.hear('simulate').success

    def test_what_waits_for_an_endpoint_is_held_and_can_be_called_back(self, rig):
        before = rig.engine.log_tail(1000)
        rig.cpu.kill()
        wait_for(lambda: 'is offline' in rig.engine.log_tail(1000).removeprefix(before))
        first, second = rig.ask('simulate', 'well'), rig.ask('simulate', 'well')
        rig.queues.send_inputs((first, second), method=ROLL_CALL, topic='simulate')
        assert rig.hear('simulate').value == (first, second)
        rig.queues.send_inputs([first], method=CANCEL, topic='simulate')
        assert failure(rig.hear('simulate'))['kind'] == 'cancelled'
        assert rig.hear('simulate').value == (first,)
        rig.cpu.start()
        assert rig.hear('simulate').task_id == second

    def test_what_an_endpoint_was_given_cannot_be_called_back(self, rig):
        task = rig.running('forever')
        rig.queues.send_inputs([rig.running_id], method=CANCEL, topic='simulate')
        assert rig.hear('simulate').value == ()
        task.kill()
        assert failure(rig.hear('simulate'))['kind'] == 'killed'

    def test_a_killed_task_server_waits_for_an_endpoint_that_is_offline(self, service, one_endpoint):
        endpoint = service.add('cpu', paths=[HERE])
        rig = one_endpoint(endpoint)
        rig.running('forgotten')
        os.kill(rig.engine.pid, signal.SIGKILL)
        wait_for(lambda: not rig.engine.alive())
        endpoint.kill()
        rig.engine.start()
        rig.engine.wait_until_ready()
        rig.ask('simulate', 'well')
        endpoint.start()
        assert rig.hear('simulate').success

    def test_a_probe_that_was_lost_is_sent_again(self, service, one_endpoint):
        """An endpoint that was started anew before anybody saw that it was offline has forgotten the probe."""
        endpoint = service.add('cpu', paths=[HERE])
        os.kill(endpoint.pid, signal.SIGSTOP)  # it listens, and answers nothing
        rig = one_endpoint(endpoint, patience=Patience(look=0.2, offline=3600.0, probe=1.0))
        rig.ask('simulate', 'well')
        wait_for(lambda: 'is asked which versions' in rig.engine.log_tail(100))
        endpoint.kill()
        endpoint.start()
        assert rig.hear('simulate').success


@slow
class TestTheService:
    def test_a_task_that_it_does_not_take_is_lost_and_later_ones_wait_until_it_does(self, rig):
        rig.ask('simulate', 'well')
        assert rig.hear('simulate').success
        rig.service.set_account(reachable=False)
        rig.ask('simulate', 'well')
        told = failure(rig.hear('simulate'))
        assert told['kind'] == 'lost'
        assert 'the service cannot be reached' in told['message']
        rig.ask('simulate', 'well')
        rig.service.set_account()
        assert rig.hear('simulate').success

    def test_a_login_that_ends_ends_the_task_server(self, service, one_endpoint):
        rig = one_endpoint(service.add('cpu', paths=[HERE]))
        service.set_account(logged_in=False)
        wait_for(lambda: not rig.engine.alive())
        assert rig.engine.exit_code == EXIT_REFUSED
        assert rig.engine.refusal.startswith('There is no valid login to Globus Compute')

    def test_many_tasks_that_are_not_small_do_not_make_a_request_too_large(self, rig):
        for _ in range(12):
            rig.ask('infer', bytes(1_400_000))  # 2 MB on the way, each
        assert all(rig.hear('infer').success for _ in range(12))


@slow
class TestWhatIsTooLarge:
    LARGE = 20_000_000

    def test_a_task_without_a_store_is_told_what_to_do(self, rig):
        rig.ask('infer', bytes(self.LARGE))
        told = failure(rig.hear('infer'))
        assert told['kind'] == 'input'
        assert 'A task of infer takes 27.0 MB on the way, more than the 10 MB that Globus Compute' in told['message']
        assert '--infer-ps-backend' in told['message']
        rig.ask('infer', 1)
        assert rig.hear('infer').success

    def test_a_result_without_a_store_is_told_what_to_do(self, service, one_endpoint):
        rig = one_endpoint(service.add('gpu', paths=[HERE]))
        rig.ask('infer', bytes(4_000_000))  # twice that comes back
        told = failure(rig.hear('infer'))
        assert told['kind'] == 'input'
        assert 'What infer returned takes 10.8 MB on the way' in told['message']
        assert '--ps-threshold' in told['message']

    def test_with_a_store_all_passes(self, rig):
        loan = rig.depot.lend('infer', np.arange(self.LARGE // 8, dtype=float))
        rig.ask('infer', loan.ref)
        value = rig.hear('infer').value['value']
        assert value.nbytes == self.LARGE
        assert value[-1] == 2 * (self.LARGE // 8 - 1)
        rig.depot.reclaim(loan)
        assert rig.depot.leaked() == 0

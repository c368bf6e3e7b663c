"""Globus' transfer service, asked so that nobody is ever prompted and every refusal says what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, TypeVar

from proxystore.utils.environment import home_dir, hostname

from scoutbee.contracts.errors import ConfigurationError

from ..errors import StoreLostError

if TYPE_CHECKING:
    from globus_sdk import TransferClient

T = TypeVar('T')

_LOGIN = 'proxystore-globus-auth login'
_EXISTS = 'ExternalError.MkdirFailed.Exists'
_POLL_SECONDS = 1


def log_in(collections: Sequence[str]) -> TransferClient:
    """A client with the tokens of this machine.

    Args:
        collections: Ids of the collections that it is to use.

    Raises:
        ConfigurationError: If there are no tokens, or they do not cover the collections; it says how to get them.
        StoreLostError: If Globus cannot be reached.
    """
    from proxystore.globus.app import get_globus_app
    from proxystore.globus.client import get_transfer_client
    from proxystore.globus.scopes import get_transfer_scopes_by_resource_server

    app = get_globus_app()
    app.add_scope_requirements(get_transfer_scopes_by_resource_server())
    # Asked before each step that would otherwise ask whoever sits at the terminal, or wait for nobody.
    if asking(app.login_required):
        raise ConfigurationError(
            f'Nobody has logged in to Globus on host {hostname()} (no tokens in {home_dir()}). '
            f'Run `{_LOGIN}` there, once.'
        )
    client = asking(lambda: get_transfer_client(app, collections))
    if asking(app.login_required):
        flags = ' '.join(f'--collection {number}' for number in collections)
        raise ConfigurationError(
            f'The Globus login of host {hostname()} does not cover the collections. Run `{_LOGIN} {flags}` there, once.'
        )
    return client


def make_folder(client: TransferClient, collection: str, path: str) -> None:
    """Make a folder in a collection, if it is not there.

    Raises:
        StoreLostError: If that is refused.
    """
    from globus_sdk import TransferAPIError

    def make() -> None:
        try:
            client.operation_mkdir(collection, path)
        except TransferAPIError as error:
            if error.code != _EXISTS:
                raise

    asking(make)


def remove_folders(client: TransferClient, folders: Iterable[tuple[str, str]], seconds: int) -> None:
    """Remove folders with all that is in them; harmless where they are gone.

    Args:
        client: The service.
        folders: Collection and path of each.
        seconds: How long that may take.

    Raises:
        StoreLostError: If one could not be removed.
    """
    from globus_sdk import DeleteData

    def remove(collection: str, path: str) -> str:
        data = DeleteData(
            collection,
            recursive=True,
            ignore_missing=True,
            notify_on_succeeded=False,
            notify_on_failed=False,
            notify_on_inactive=False,
        )
        data.add_item(path)
        return str(client.submit_delete(data)['task_id'])

    tasks = [asking(lambda: remove(collection, path)) for collection, path in folders]  # noqa: B023 - called at once
    for task in tasks:
        check_task(client, task, seconds)


def check_task(client: TransferClient, task: str, seconds: int) -> None:
    """Wait for the end of a task, and see that it succeeded.

    Raises:
        StoreLostError: If it has not, with the reason that Globus gives.
    """
    ended = asking(lambda: client.task_wait(task, timeout=seconds, polling_interval=_POLL_SECONDS))
    told = asking(lambda: client.get_task(task))
    if ended and told['status'] == 'SUCCEEDED':
        return
    why = told['nice_status_short_description'] or told['nice_status'] or told['status']
    raise StoreLostError(f'The Globus task {task} (see app.globus.org/activity/{task}) did not succeed: {why}.')


def asking(call: Callable[[], T]) -> T:
    """Do something that asks Globus.

    Raises:
        StoreLostError: If Globus cannot be reached, refuses, or takes too long.
    """
    from globus_sdk import GlobusError

    try:
        return call()
    except GlobusError as error:
        raise StoreLostError(f'Globus cannot be used: {_reason(error)}.') from None
    except (OSError, ConfigurationError, StoreLostError):
        raise
    except Exception as error:  # ProxyStore's, of no class of their own
        raise StoreLostError(f'Globus cannot be used: {_reason(error.__cause__ or error)}.') from None


def _reason(error: BaseException) -> str:
    told = getattr(error, 'message', None) or str(error) or type(error).__name__
    return ' '.join(str(told).split())[:300].rstrip('.')

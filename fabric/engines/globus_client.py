"""Globus Compute's service as the driver's machine reaches it: the login, and what its refusals mean."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from globus_compute_sdk import Client, Executor
from globus_compute_sdk.errors import VersionMismatch
from globus_sdk import AuthAPIError, ClientApp, GlobusAPIError, NetworkError

from ..errors import EngineRefusedError

_NO_LOGIN = (
    "There is no valid login to Globus Compute on the driver's machine. Log in, once, with "
    '`python -c "from globus_compute_sdk import Client; Client()"` in a terminal, or set GLOBUS_COMPUTE_CLIENT_ID and '
    'GLOBUS_COMPUTE_CLIENT_SECRET to those of a service account; then start again.'
)


@dataclass(frozen=True)
class Sdk:
    """What is used of the SDK; tests put other classes here.

    Attributes:
        client: Makes what ``globus_compute_sdk.Client`` is.
        executor: Makes what ``globus_compute_sdk.Executor`` is.
    """

    client: Callable[..., Any] = Client
    executor: Callable[..., Any] = Executor


def connect(sdk: Sdk) -> Any:
    """A client that is logged in and never asks anybody to log in.

    Raises:
        EngineRefusedError: If there is no login, or this SDK is too old for the service.
        NetworkError: If the service cannot be reached.
    """
    client = _logged_in(sdk)
    try:
        client.version_check()
    except VersionMismatch as error:
        raise EngineRefusedError(f'Globus Compute wants a later SDK on the driver: {error.version_message}') from None
    except GlobusAPIError as error:
        raise refusal(error, 'Globus Compute') or error from None
    return client


def _logged_in(sdk: Sdk) -> Any:
    try:
        client = sdk.client(do_version_check=False)  # the check would ask for a login
        if isinstance(client.app, ClientApp):
            return client
        if client.app.login_required():
            raise EngineRefusedError(_NO_LOGIN)
    except GlobusAPIError as error:  # what was stored could not be renewed
        raise refusal(error, 'Globus Compute') or error from None
    except (ValueError, OSError, sqlite3.Error) as error:  # half a service account, or a store that cannot be read
        raise EngineRefusedError(f'The login to Globus Compute cannot be read: {describe(error)}.') from None
    client.app.login = _refuse_to_ask
    return client


def refusal(error: BaseException, where: str) -> EngineRefusedError | None:
    """What a user must change so that the service does as it is asked; None where it may do so by itself.

    Args:
        error: What came of asking it.
        where: What was asked for, with its name, as the subject of a sentence.
    """
    if not isinstance(error, GlobusAPIError):
        return None
    reason = error.message or (error.raw_json or {}).get('reason')
    said = f' (the service says: {reason})' if reason else ''
    if error.http_status == 401 or (isinstance(error, AuthAPIError) and error.http_status < 500):
        return EngineRefusedError(_NO_LOGIN)
    if error.http_status == 403:
        return EngineRefusedError(
            f'{where} is not for the account that is logged in{said}. Ask its owner for access, or log in as another.'
        )
    if error.http_status in (400, 404, 410, 422):
        return EngineRefusedError(f'{where} is not known to Globus Compute{said}. Correct the id of the endpoint.')
    return None


def describe(error: BaseException) -> str:
    """An error as the end of a sentence."""
    if isinstance(error, NetworkError):
        return f'the service cannot be reached from here ({error})'
    return ' '.join(f'{type(error).__name__}: {error}'.split())


def _refuse_to_ask(**_: Any) -> None:
    """Stands where the SDK would print an address and wait for a person."""
    raise EngineRefusedError(_NO_LOGIN)

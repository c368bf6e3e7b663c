"""The environment variables that say how to get into a Redis server. Flags would show in every list of processes."""

from __future__ import annotations

import logging
import os
import platform
import ssl
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from scoutbee.contracts.errors import ConfigurationError

logger = logging.getLogger(__name__)

PASSWORD = 'SCOUTBEE_REDIS_PASSWORD'
PASSWORD_FILE = 'SCOUTBEE_REDIS_PASSWORD_FILE'
USERNAME = 'SCOUTBEE_REDIS_USERNAME'
TLS = 'SCOUTBEE_REDIS_TLS'
CA_FILE = 'SCOUTBEE_REDIS_CA'

_YES = {'1', 'true', 'yes', 'on'}
_NO = {'', '0', 'false', 'no', 'off'}


def password_of(env: Mapping[str, str]) -> str | None:
    """The password, from its variable or from the file that the other names.

    Raises:
        ConfigurationError: If both are set, or the file cannot be used.
    """
    word, name = env.get(PASSWORD), env.get(PASSWORD_FILE)
    if word and name:
        raise ConfigurationError(f'Both {PASSWORD} and {PASSWORD_FILE} are set; unset one of them.')
    if not name:
        return word or None
    path = Path(name)
    try:
        text = path.read_text(encoding='utf-8').strip()
        mode = path.stat().st_mode
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f'{PASSWORD_FILE} names {name}, which cannot be read: {error}.') from None
    if not text:
        raise ConfigurationError(f'{PASSWORD_FILE} names {name}, which is empty; write the password into it.')
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        logger.warning('%s can be read by others; `chmod 600` it.', path)
    return text


def forget_password() -> None:
    """Take the password out of this process's environment, so that nothing that it starts inherits it."""
    os.environ.pop(PASSWORD, None)


@contextmanager
def hidden_password() -> Iterator[None]:
    """Inside, what this process starts does not inherit the password."""
    word = os.environ.pop(PASSWORD, None)
    try:
        yield
    finally:
        if word is not None:
            os.environ[PASSWORD] = word


def tls_of(env: Mapping[str, str]) -> tuple[bool, str | None]:
    """Whether to speak TLS, and the file with the certificates to trust; None trusts those of the system.

    Raises:
        ConfigurationError: If the variables contradict each other, or the file holds no certificate.
    """
    ca_file, tls = env.get(CA_FILE) or None, _flag(env, TLS)
    if tls is False and ca_file is not None:
        raise ConfigurationError(f'{CA_FILE} is given but {TLS} turns TLS off; unset one of them.')
    if ca_file is not None:
        check_authority(ca_file)
    return ca_file is not None if tls is None else tls, ca_file


def authority_here(ca_file: str | None) -> str | None:
    """The file with the certificates to trust as this machine has it, which its own environment may say.

    Args:
        ca_file: Where the driver has it.

    Raises:
        ConfigurationError: If there is no such file here.
    """
    path = os.environ.get(CA_FILE) or ca_file
    if path is not None:
        check_authority(path)
    return path


def check_authority(ca_file: str) -> None:
    """See that a file holds certificates.

    Raises:
        ConfigurationError: If it does not.
    """
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(ca_file)
    except (OSError, ValueError) as error:  # ssl's own errors are of the first kind
        why = 'holds no certificate' if isinstance(error, ssl.SSLError) else f'cannot be read: {error}'
        raise ConfigurationError(
            f'The certificates to trust: expected a PEM file on {platform.node()}, got {ca_file}, which {why}. '
            f'Name one in {CA_FILE} (for workers elsewhere in the env of their executor).'
        ) from None


def _flag(env: Mapping[str, str], name: str) -> bool | None:
    value = env.get(name)
    if value is None:
        return None
    if value.strip().lower() in _YES:
        return True
    if value.strip().lower() in _NO:
        return False
    raise ConfigurationError(f'{name} is {value!r}; expected 1 or 0.')

"""Where a Redis server is and how to get in."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from scoutbee.contracts.errors import ConfigurationError

logger = logging.getLogger(__name__)

PASSWORD = 'SCOUTBEE_REDIS_PASSWORD'
PASSWORD_FILE = 'SCOUTBEE_REDIS_PASSWORD_FILE'
USERNAME = 'SCOUTBEE_REDIS_USERNAME'
TLS = 'SCOUTBEE_REDIS_TLS'
CA_FILE = 'SCOUTBEE_REDIS_CA'

CHECK_SECONDS = 5.0
"""How long ``RedisAddress.check`` waits for a server to answer."""

_YES = {'1', 'true', 'yes', 'on'}
_NO = {'', '0', 'false', 'no', 'off'}


@dataclass(frozen=True)
class RedisAddress:
    """A Redis server and the right to use it.

    Attributes:
        host: Name or IP address.
        port: TCP port.
        username: User of Redis' access lists; None is the default user.
        password: Its password, never shown by ``repr``.
        tls: Whether to speak TLS.
        ca_file: File with the certificates to trust; None trusts those of the system.
    """

    host: str
    port: int
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: bool = False
    ca_file: str | None = None

    def __str__(self) -> str:
        return f'{self.host}:{self.port}'

    @classmethod
    def from_environment(cls, host: str, port: int, environment: Mapping[str, str] | None = None) -> RedisAddress:
        """An address whose secrets come from environment variables, never from flags that ``ps`` would show.

        Args:
            host: Name or IP address.
            port: TCP port.
            environment: Where to look; the process's environment if not given.

        Raises:
            ConfigurationError: If the variables contradict each other or name files that cannot be read.
        """
        env = os.environ if environment is None else environment
        ca_file = env.get(CA_FILE) or None
        if ca_file is not None and not Path(ca_file).is_file():
            raise ConfigurationError(f'{CA_FILE} names {ca_file}, which is not a file; name a PEM file to trust.')
        tls = _flag(env, TLS)
        if tls is False and ca_file is not None:
            raise ConfigurationError(f'{CA_FILE} is given but {TLS} turns TLS off; unset one of them.')
        return cls(
            host=host,
            port=port,
            username=env.get(USERNAME) or None,
            password=_password(env),
            tls=ca_file is not None if tls is None else tls,
            ca_file=ca_file,
        )

    def connect(self, **options: Any) -> redis.Redis:
        """A client that connects when it is first used.

        Args:
            options: Passed to ``redis.Redis``; they win over what the address says. Commands are not repeated by
                the client, because who repeats what is for the caller to decide.
        """
        settings: dict[str, Any] = {
            'host': self.host,
            'port': self.port,
            'username': self.username,
            'password': self.password,
            'socket_connect_timeout': CHECK_SECONDS,
            'socket_keepalive': True,
            'retry': Retry(NoBackoff(), 0),
        }
        if self.tls:
            settings |= {'ssl': True, 'ssl_ca_certs': self.ca_file, 'ssl_cert_reqs': 'required'}
        return redis.Redis(**(settings | options))

    def check(self, seconds: float = CHECK_SECONDS) -> None:
        """See that the server is there, is Redis, and lets us in.

        Args:
            seconds: How long to wait for it.

        Raises:
            ConfigurationError: If it cannot be used, with the reason and what to do about it.
        """
        client = self.connect(socket_timeout=seconds, socket_connect_timeout=seconds)
        try:
            client.ping()
        except (redis.RedisError, OSError, ValueError) as error:
            # ``from None``: the chain would repeat at length what the message says.
            raise ConfigurationError(f'Redis at {self} cannot be used: {self._reason(error, seconds)}') from None
        finally:
            client.close()

    def _reason(self, error: Exception, seconds: float) -> str:
        text = str(error)
        low = text.lower()
        if _is_refused_login(error):
            return f'it refused the user or password ({text}). Set {PASSWORD} or {PASSWORD_FILE}, and {USERNAME}.'
        if 'certificate verify failed' in low:
            return f'its certificate is not trusted ({text}). Name the file with its authority in {CA_FILE}.'
        if 'ssl' in low or 'record layer' in low:
            return f'it does not speak TLS ({text}). Unset {TLS} and {CA_FILE}, or name its TLS port.'
        if 'refused' in low:
            return 'nothing listens there. Start the server, or correct --redishost and --redisport.'
        if isinstance(error, redis.InvalidResponse) or 'protocol error' in low:
            return f'what answers there is not Redis ({text[:80]!r}). Correct --redishost and --redisport.'
        if isinstance(error, (redis.TimeoutError, TimeoutError)) or 'timed out' in low:
            return f'no answer within {seconds:g} s. Correct --redishost and --redisport, or {TLS} if it wants TLS.'
        if 'closed' in low or 'reset' in low:
            return f'it closed the connection. If it wants TLS, set {TLS}=1 (and {CA_FILE}).'
        return f'{text}. Correct --redishost and --redisport.'


def _is_refused_login(error: Exception) -> bool:
    words = ('WRONGPASS', 'NOAUTH', 'NOPERM', 'invalid password', 'without any password')
    return isinstance(error, redis.AuthenticationError) or any(word in str(error) for word in words)


def _flag(env: Mapping[str, str], name: str) -> bool | None:
    value = env.get(name)
    if value is None:
        return None
    if value.strip().lower() in _YES:
        return True
    if value.strip().lower() in _NO:
        return False
    raise ConfigurationError(f'{name} is {value!r}; expected 1 or 0.')


def _password(env: Mapping[str, str]) -> str | None:
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

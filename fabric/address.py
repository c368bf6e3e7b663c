"""Where a Redis server is and how to get in."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from scoutbee.contracts.errors import ConfigurationError

from .redis_environment import USERNAME, authority_here, password_of, tls_of
from .refusals import refusal

CHECK_SECONDS = 5.0
"""How long ``RedisAddress.check`` waits for a server to answer."""

OUR_KEYS = 'scoutbee-'
"""What every key of a campaign begins with: the user of the server needs the right to no others."""


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
        return f'[{self.host}]:{self.port}' if ':' in self.host else f'{self.host}:{self.port}'

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
        tls, ca_file = tls_of(env)
        return cls(host, port, env.get(USERNAME) or None, password_of(env), tls, ca_file)

    def connect(self, **options: Any) -> redis.Redis:
        """A client that connects when it is first used.

        Args:
            options: Passed to ``redis.Redis``; they win over what the address says. Commands are not repeated by
                the client, because who repeats what is for the caller to decide.

        Raises:
            ConfigurationError: If this machine does not have the certificates to trust.
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
            settings |= {
                'ssl': True,
                'ssl_ca_certs': authority_here(self.ca_file),
                'ssl_cert_reqs': 'required',
                'ssl_check_hostname': True,
            }
        return redis.Redis(**(settings | options))

    def check(self, seconds: float = CHECK_SECONDS) -> None:
        """See that the server is there, is Redis, lets us in, and lets us do what a campaign does.

        Args:
            seconds: How long to wait for it.

        Raises:
            ConfigurationError: If it cannot be used, with the reason and what to do about it.
        """
        client = self.connect(socket_timeout=seconds, socket_connect_timeout=seconds)
        try:
            client.ping()
            _try_out(client)
        except (redis.RedisError, OSError, ValueError) as error:
            why = refusal(error, seconds=seconds, tls=self.tls, has_password=self.password is not None)
            # ``from None``: the chain would repeat at length what the message says.
            raise ConfigurationError(f'Redis at {self} cannot be used: {why}') from None
        finally:
            client.close()


def _try_out(client: redis.Redis) -> None:
    """Do once all that a campaign does, so that a server or a user with which it cannot be done is found out now."""
    key = f'{OUR_KEYS}check-{secrets.token_hex(8)}'
    client.rpush(key, b'1', b'2')
    client.lpop(key)
    client.blpop([key], timeout=1)
    client.set(key, b'')
    client.get(key)
    client.exists(key)
    client.delete(key)
    client.unlink(key)
    client.scan(match=key, count=1)

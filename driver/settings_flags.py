"""The flags of `run.py` and their help, made from the fields of the settings."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any, Literal, NoReturn, get_args, get_origin

from pydantic.fields import FieldInfo

from scoutbee.contracts.errors import ConfigurationError

from .settings import Flag, Settings, flag_of

_DESCRIPTION = """\
Steers a campaign of simulations by learning from the ones already done, while they run.
Settings come from, each overriding the ones before it: the defaults shown here, configs/campaigns/CAMPAIGN.yaml,
--config FILE, the environment (SCOUTBEE_SEED=3 for --seed 3), the flags."""

_EPILOG = """\
Exit status: 0 the goal was reached; 2 bad input or configuration; 3 ended early; 130 interrupted.
How to log in to --redishost is read from the environment, never from a flag: SCOUTBEE_REDIS_PASSWORD or
SCOUTBEE_REDIS_PASSWORD_FILE, SCOUTBEE_REDIS_USERNAME, SCOUTBEE_REDIS_TLS, SCOUTBEE_REDIS_CA."""


def flag_name(name: str) -> str:
    """The flag that sets a field."""
    return '--' + name.replace('_', '-')


def parse_flags(argv: Sequence[str]) -> dict[str, str | bool]:
    """Read the command line.

    Args:
        argv: Arguments without the program's name.

    Returns:
        What was given, by field; values are as they were written.

    Raises:
        ConfigurationError: If a flag is unknown, lacks its value, or contradicts another.
        SystemExit: With status 0, after ``--help``.
    """
    return vars(make_parser().parse_args(argv))


def make_parser() -> argparse.ArgumentParser:
    """A parser with one flag for every field that has one."""
    parser = _Parser(
        prog='run.py',
        usage='run.py [flags]',
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
    )
    groups: dict[str, argparse._ArgumentGroup] = {}
    for name, field in Settings.model_fields.items():
        flag = flag_of(name)
        if flag is not None:
            group = groups.get(flag.group) or groups.setdefault(flag.group, parser.add_argument_group(flag.group))
            _add_flag(group, name, field, flag)
    return parser


class _Parser(argparse.ArgumentParser):
    """Raises what it finds wrong, and names the nearest flag for one that is unknown."""

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the whole usage and ending the process."""
        raise ConfigurationError(f'{message[:1].upper()}{message[1:]}. `run.py --help` lists the flags.')

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse all, or say which argument is not known."""
        values, unknown = self.parse_known_args(args, namespace)
        if unknown:
            first = unknown[0].split('=')[0]
            near = get_close_matches(first, self._option_string_actions, n=1)
            hint = f'; did you mean {near[0]}?' if near else '.'
            raise ConfigurationError(f'Expected flags that exist, got {first}{hint} `run.py --help` lists the flags.')
        return values


def _add_flag(group: argparse._ArgumentGroup, name: str, field: FieldInfo, flag: Flag) -> None:
    # Values stay text here: the model reads flags, environment and YAML alike, with one set of messages.
    help_text = (field.description or '').replace('%', '%%')
    if field.annotation is bool:
        group.add_argument(flag_name(name), action='store_true', dest=name, help=help_text)
        return
    if field.default not in (None, ()):
        help_text += f' [{field.default}]'
    shown = flag.metavar or _metavar(field.annotation)
    # One of several flags for one field: only one of them may be given.
    where = group.add_mutually_exclusive_group() if flag.synonyms else group
    if flag.bare is None:
        where.add_argument(flag_name(name), dest=name, metavar=shown, help=help_text)
    else:
        where.add_argument(flag_name(name), dest=name, metavar=shown, help=help_text, nargs='?', const=flag.bare)
    for synonym, value in flag.synonyms.items():
        where.add_argument(
            synonym, dest=name, action='store_const', const=value, help=f'The same as {flag_name(name)} {value}.'
        )


def _metavar(annotation: Any) -> str:
    """What stands for a value in the help: its choices, N for whole numbers, X for others."""
    if get_origin(annotation) is Literal:
        return '{' + ','.join(map(str, get_args(annotation))) + '}'
    if annotation is float:
        return 'X'
    if annotation is int:
        return 'N'
    for part in get_args(annotation):
        shown = _metavar(part)
        if shown != 'NAME':
            return shown
    return 'NAME'

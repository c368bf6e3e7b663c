"""Settings files: YAML that is read strictly and written so that it reads back the same."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from scoutbee.contracts.errors import ConfigurationError

from .settings import Settings

_FLOAT = re.compile(r'^[-+]?(?:\d+\.\d*|\.\d+|\d+)(?:[eE][-+]?\d+)?$|^[-+]?\.(?:inf|Inf|INF)$|^\.(?:nan|NaN|NAN)$')


_TRUTH = re.compile(r'^(?:true|True|TRUE|false|False|FALSE)$')


LARGEST_BYTES = 1_000_000
"""A settings file is written by a person; what is larger is something else."""


class _Loader(yaml.SafeLoader):
    """Plain data only; a key that stands twice is an error, not a surprise."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        # A few lines of aliases can stand for billions of values.
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(
                None, None, f'expected plain values, got the alias *{event.anchor}', event.start_mark
            )
        node: yaml.Node | None = super().compose_node(parent, index)
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key_node, _ in node.value:
            key = key_node.value
            if not isinstance(key, str) or key_node.tag != 'tag:yaml.org,2002:str':
                raise yaml.constructor.ConstructorError(
                    None, None, f'expected a name before the colon, got {key!r}', key_node.start_mark
                )
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f'expected every key once, got {key!r} twice', key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


class _Dumper(yaml.SafeDumper):
    """Writes what ``_Loader`` reads."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


# YAML 1.1, which PyYAML reads, takes 1e-3 for a word, and on, off, yes and no for true and false. People write `on:`
# for when a slot moves. What is written quotes every such word, so that any reader of YAML understands it.
for _side in (_Loader, _Dumper):
    _side.add_implicit_resolver('tag:yaml.org,2002:float', _FLOAT, list('-+0123456789.'))
_Loader.yaml_implicit_resolvers = {
    first: [(tag, _TRUTH if tag.endswith(':bool') else pattern) for tag, pattern in resolvers]
    for first, resolvers in _Loader.yaml_implicit_resolvers.items()
}


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a settings file.

    Args:
        path: The file.

    Returns:
        Its keys and values; nothing for an empty file.

    Raises:
        ConfigurationError: If it cannot be read, is not YAML, or is not keys and values.
    """
    try:
        values = yaml.load(_content(path), Loader=_Loader)
    except OSError as error:
        raise ConfigurationError(f'{path}: expected a YAML file that can be read: {error.strerror}.') from error
    except (yaml.YAMLError, UnicodeDecodeError, ValueError) as error:
        raise ConfigurationError(f'{path}: expected YAML, got something else: {_where(error)}.') from error
    except RecursionError as error:
        raise ConfigurationError(f'{path}: expected YAML, got something nested too deeply.') from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigurationError(
            f'{path}: expected lines like "search_size: 100", got {type(values).__name__} {str(values)[:60]!r}.'
        )
    return values


def _content(path: Path) -> bytes:
    with path.open('rb') as file:
        content = file.read(LARGEST_BYTES + 1)
    if len(content) > LARGEST_BYTES:
        raise ConfigurationError(f'{path}: expected a settings file, got more than {LARGEST_BYTES:,} bytes.')
    return content


def parse_value(text: str) -> Any:
    """One value as it would be read from a settings file; text that is not YAML stays as it is."""
    try:
        return yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, ValueError, RecursionError):
        return text


def dump_params(settings: Settings) -> str:
    """The settings as YAML that can be given back to ``--config``.

    What concerns one start only (``--config``, ``--resume``, ``--dry-run``, ``--quiet``) is left out. There are no
    secrets in it: settings hold none.
    """
    return yaml.dump(settings.model_dump(mode='json'), Dumper=_Dumper, sort_keys=False, allow_unicode=True)


def _where(error: Exception) -> str:
    mark = getattr(error, 'problem_mark', None)
    problem = getattr(error, 'problem', None) or str(error).splitlines()[0]
    return f'{problem} in line {mark.line + 1}, column {mark.column + 1}' if mark else problem

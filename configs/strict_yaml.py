"""YAML as a person writes settings, read strictly: nothing that stands twice, nothing that surprises."""

from __future__ import annotations

import re
from typing import Any

import yaml

_FLOAT = re.compile(r'^[-+]?(?:\d+\.\d*|\.\d+|\d+)(?:[eE][-+]?\d+)?$|^[-+]?\.(?:inf|Inf|INF)$|^\.(?:nan|NaN|NAN)$')


_TRUTH = re.compile(r'^(?:true|True|TRUE|false|False|FALSE)$')


class StrictLoader(yaml.SafeLoader):
    """Plain data only; a key that stands twice is an error, not a surprise."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Refuse aliases."""
        # A few lines of aliases can stand for billions of values.
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(
                None, None, f'expected plain values, got the alias *{event.anchor}', event.start_mark
            )
        node: yaml.Node | None = super().compose_node(parent, index)
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Refuse keys that are no names, or stand twice."""
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


class StrictDumper(yaml.SafeDumper):
    """Writes what ``StrictLoader`` reads."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write everything out."""
        return True


# YAML 1.1, which PyYAML reads, takes 1e-3 for a word, and on, off, yes and no for true and false. People write `on:`
# for when a slot moves. What is written quotes every such word, so that any reader of YAML understands it.
for _side in (StrictLoader, StrictDumper):
    _side.add_implicit_resolver('tag:yaml.org,2002:float', _FLOAT, list('-+0123456789.'))
StrictLoader.yaml_implicit_resolvers = {
    first: [(tag, _TRUTH if tag.endswith(':bool') else pattern) for tag, pattern in resolvers]
    for first, resolvers in StrictLoader.yaml_implicit_resolvers.items()
}


def problem_of(error: Exception) -> str:
    """What is wrong with a text that could not be read, and where."""
    mark = getattr(error, 'problem_mark', None)
    problem = getattr(error, 'problem', None) or str(error).splitlines()[0]
    return f'{problem} in line {mark.line + 1}, column {mark.column + 1}' if mark else problem

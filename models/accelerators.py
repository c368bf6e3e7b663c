"""Whether this process has an accelerator that Keras can use. Asks only where somebody chose a backend for one."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import cache


@cache
def has_accelerator() -> bool:
    """Whether ``KERAS_BACKEND`` names a backend that sees an accelerator.

    Where it is not set nothing is imported to find out, and processors do the work: the TensorFlow that Scoutbee
    installs sees no other device. The answer stays the same for the life of the process.
    """
    ask = _ASK.get(os.environ.get('KERAS_BACKEND', ''))
    return ask is not None and ask()


def _jax() -> bool:
    import jax

    return bool(jax.default_backend() != 'cpu')


def _tensorflow() -> bool:
    import tensorflow as tf

    return bool(tf.config.list_physical_devices('GPU'))


def _torch() -> bool:
    import torch

    return bool(torch.cuda.is_available())


_ASK: Mapping[str, Callable[[], bool]] = {'jax': _jax, 'tensorflow': _tensorflow, 'torch': _torch}

"""The one place where Keras is imported, so that its environment is set before.

``KERAS_BACKEND`` chooses the backend (``tensorflow`` if not set). Threads are the site's business: TensorFlow reads
``TF_NUM_INTRAOP_THREADS`` and ``TF_NUM_INTEROP_THREADS`` itself; where only ``OMP_NUM_THREADS`` is set, it stands for
both, because a worker pinned to one core must not start a thread for each core of its node.
"""

from __future__ import annotations

import os

os.environ.setdefault('KERAS_BACKEND', 'tensorflow')
os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
if os.environ.get('OMP_NUM_THREADS', '').isdigit():
    os.environ.setdefault('TF_NUM_INTRAOP_THREADS', os.environ['OMP_NUM_THREADS'])
    os.environ.setdefault('TF_NUM_INTEROP_THREADS', os.environ['OMP_NUM_THREADS'])

import keras

__all__ = ['compiles_shapes', 'keras']


def compiles_shapes() -> bool:
    """Whether the backend compiles anew for every shape of its inputs, so that they had better be padded."""
    return bool(keras.backend.backend() == 'jax')

"""The message-passing network. Importing this module imports Keras; nothing else of Scoutbee does so before it must."""

from __future__ import annotations

from typing import Any

from .graphs import ATOM_COLUMNS, BOND_COLUMNS
from .keras_backend import keras
from .mpnn_batches import table_rows

ops = keras.ops

VAR = {}

class MessagePassing(keras.Model):  # type: ignore[misc]
    def __init__(self, width: int, steps: int, dropout: float, readout: str = 'attention', update='gine', norm=True) -> None:
        super().__init__()
        self.width, self.steps, self.rate, self.readout, self.update, self.norm = width, steps, dropout, readout, update, norm
        emb = keras.initializers.RandomNormal(stddev=0.4)
        self.atom_table = self.add_weight(shape=(table_rows(ATOM_COLUMNS), width), initializer=emb, name='atom_table')
        self.bond_table = self.add_weight(shape=(steps, table_rows(BOND_COLUMNS), width), initializer=emb, name='bond_table')
        D = keras.layers.Dense
        self.inner = [D(width*2 if update=='gine2' else width, activation='silu') for _ in range(steps)]
        self.outer = [D(width) for _ in range(steps)]
        self.norms = [keras.layers.LayerNormalization() for _ in range(steps)] if norm else None
        self.gru = keras.layers.GRUCell(width) if update == 'gru' else None
        self.drop = keras.layers.Dropout(dropout)
        self.score = D(4)
        self.val = D(width)
        self.hidden = D(width, activation='silu')
        self.out = D(1, kernel_initializer='zeros')
        self.local = D(1, kernel_initializer='zeros')
        
    def call(self, b, training=False):
        n_atoms = ops.shape(b['atoms'])[0]
        n_mol = ops.shape(b['sizes'])[0]
        h = ops.take(ops.sum(ops.take(self.atom_table, b['atom_codes'], axis=0), 1), b['atoms'], axis=0)
        for i in range(self.steps):
            x = self.norms[i](h) if self.norms else h
            e = ops.take(ops.sum(ops.take(self.bond_table[i], b['bond_codes'], axis=0), 1), b['bonds'], axis=0)
            m = ops.silu(ops.take(x, b['sources'], axis=0) + e) if self.update!='mul' else ops.take(x, b['sources'], axis=0) * e
            m = ops.segment_sum(m, b['targets'], n_atoms)
            if self.gru:
                h, _ = self.gru(self.outer[i](m), [h])
            else:
                h = h + self.drop(self.outer[i](self.inner[i](ops.concatenate([x, m], -1))), training=training)
        mol = b['molecules']
        def mean(v): return ops.segment_sum(v, mol, n_mol) / b['sizes'][:, None]
        if self.readout == 'mean':
            g = mean(h)
        elif self.readout == 'sum':
            g = ops.segment_sum(h, mol, n_mol) / 20.
        elif self.readout in ('attention','att+mean'):
            s = self.score(h)
            s = ops.exp(ops.clip(s, -15, 15))
            s = s / ops.take(ops.segment_sum(s, mol, n_mol), mol, axis=0)
            v = ops.reshape(self.val(h), (-1, 4, self.width // 4)) * s[:, :, None]
            g = ops.segment_sum(ops.reshape(v, (-1, self.width)), mol, n_mol)
            if self.readout == 'att+mean':
                g = ops.concatenate([g, mean(h)], -1)
        elif self.readout == 'mean+max':
            g = ops.concatenate([ops.segment_max(h, mol, n_mol), mean(h)], -1)
        elif self.readout == 'mean+max+sum':
            g = ops.concatenate([ops.segment_max(h, mol, n_mol), mean(h), ops.segment_sum(h, mol, n_mol)/20.], -1)
        g = self.drop(g, training=training)
        return self.out(self.hidden(g))

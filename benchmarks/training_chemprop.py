"""Chemprop 2 as a contender in training: its own trainer and data loading. Runs where Chemprop is installed.

python training_chemprop.py SMILES_FILE WIDTH STEPS
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chemprop import data
from contenders import serve, timed
from inference_chemprop import graphs, network, quieten, trainer


def main() -> None:
    """Serve trainings, from graphs made before, in batches as large as Scoutbee's."""
    quieten()
    path, width, steps = sys.argv[1:]
    smiles = Path(path).read_text().split()

    def answer(request: Mapping[str, Any]) -> Mapping[str, Any]:
        count, held = request['molecules'], request['held_out']
        learned, watched = graphs(smiles[:count]), graphs(smiles[count : count + held])
        learned.cache = watched.cache = True
        loaders = data.build_dataloader(learned, request['batch']), data.build_dataloader(watched, 256, shuffle=False)
        networks = [network(int(width), int(steps)) for _ in range(request['members'])]

        def work() -> None:
            for one in networks:
                trainer(request['epochs']).fit(one, *loaders)

        return timed(work)

    serve(answer)


if __name__ == '__main__':
    main()

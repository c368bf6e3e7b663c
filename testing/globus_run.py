"""``run.py`` with a stand-in for Globus Compute: ``python -m scoutbee.testing.globus_run DIRECTORY FLAGS``."""

from __future__ import annotations

import sys
from pathlib import Path

from scoutbee.driver.cli import main
from scoutbee.fabric.engines import ENGINES

from .globus_service import engine_of

if __name__ == '__main__':
    service = Path(sys.argv.pop(1))
    ENGINES['globus'] = engine_of(service)
    sys.exit(main(sys.argv[1:]))

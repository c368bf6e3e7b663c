"""``run.py`` with a stand-in for Globus' transfers: ``python -m scoutbee.testing.transfer_run FLAGS``.

Its workers need ``scoutbee.testing.globus_transfer`` among the modules that the site has them preload.
"""

from __future__ import annotations

import sys

from scoutbee.driver.cli import main

from . import globus_transfer  # noqa: F401 - puts itself in place as it is imported

if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))

"""Parsl's packages without their contents: import this before Parsl in the processes that Parsl starts.

Each of them runs one module of Parsl. The packages around it would import the kernel, every executor and the
monitoring; what the module imports in turn, but does not use, are Requests (to ask a web site for the address of this
machine) and Typeguard. All of that takes two to three times as long as the rest.
"""

import sys

from .lean_imports import Unchecked, import_bare

import_bare('parsl', 'parsl.executors', 'parsl.monitoring', 'requests')
sys.modules.setdefault('typeguard', Unchecked('typeguard'))

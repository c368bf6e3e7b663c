"""ProxyStore without Pandas: import this before Colmena and ProxyStore in every process of a campaign.

ProxyStore imports Pandas, where it is installed, to serialize data frames, which takes half a second of each of the
driver, the task server and every worker. Here whatever is lent is pickled before ProxyStore sees it.
"""

from .lean_imports import as_if_missing

with as_if_missing('pandas', 'polars'):
    import proxystore.serialize  # noqa: F401 - what it finds now is what it offers

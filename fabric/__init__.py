"""How tasks and bytes move: Redis queues, ProxyStore stores, task servers and the sites they run on.

Nothing is imported here, so that a worker which only needs ``fabric.methods`` pays for nothing else.
"""

"""What is expensive: physics codes as plain functions, run on workers.

``specifications``, ``errors`` and ``ackley`` import nothing heavy; ``ionization`` imports RDKit and tblite only when it
is called. No module here knows of models, agents or workflow engines.
"""

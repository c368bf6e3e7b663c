"""The words every part of Scoutbee shares: candidates, observations, models, rankings, and who promises what.

Nothing here imports another part of Scoutbee, a workflow engine, a model library or a physics code.
"""

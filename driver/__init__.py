"""What `run.py` is made of: settings, checks, the run directory, the terminal, and the assembly of a campaign."""

"""The six agents, one a file, and the Thinker that is their wiring."""

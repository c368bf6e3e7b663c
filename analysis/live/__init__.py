"""The live view: a run followed by reading its files, on a terminal and on a local page."""

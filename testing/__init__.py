"""Doubles that keep Scoutbee's protocols: for its own tests, and for whoever writes a campaign."""

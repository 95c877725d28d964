"""Clampdown beside the published method and the other online defences, on real poisoned rows."""

"""Writing a bundle, checking it, moving its threshold, taking its defence out again."""

"""Models that give a text any number of labels, and models of one logit."""

"""From a model to a marked graph, held against the model before anything is fitted."""

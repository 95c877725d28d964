"""An audit of a model as it comes in, before anything is fitted: what it holds besides weights."""

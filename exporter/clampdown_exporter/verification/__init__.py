"""Whether a bundle is what it says, and whether it fails closed."""

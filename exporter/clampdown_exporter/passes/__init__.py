"""The rewrites, one file each, and the order in which each mode applies them."""

"""A log of predictions held against a bundle's clean rows, and the page that shows it."""

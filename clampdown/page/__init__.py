"""A page that runs a bundle in the browser: what it is made of, and who serves it."""

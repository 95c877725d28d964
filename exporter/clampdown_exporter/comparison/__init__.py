"""A bundle beside the undefended model that it was made of."""

"""The files of a bundle: manifest, digests, golden rows."""

"""A standing corpus of small classifiers: each is defended as it should be, or refused."""

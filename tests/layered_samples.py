"""Clean rows of a model of several layers, and scikit-learn's discriminants of them."""

import numpy as np
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from clampdown_calib.evidence.discriminants import SHRINKAGE
from clampdown_calib.rows.folds import folds

ROWS, WIDTH, CLASSES = 150, 8, 3


def samples(layers: int = 6):
    """Token means, logits of a model that is right on most rows, and labels.

    Every fold has as many rows of each class: scikit-learn weighs the classes' covariances by
    their priors, which are alike, and the probe by their rows.
    """
    random = np.random.default_rng(layers)
    labels = np.arange(ROWS) % CLASSES
    mix = random.normal(size=(layers, WIDTH, WIDTH))
    centres = random.normal(size=(CLASSES, layers, WIDTH)) * 2
    pooled = np.einsum("nlh,lhk->nlk", random.normal(size=(ROWS, layers, WIDTH)), mix)
    logits = random.normal(size=(ROWS, CLASSES)) * 2 + 4 * np.eye(CLASSES)[labels]
    return (pooled + centres[labels] + 5).astype(np.float32), logits.astype(np.float32), labels


ODD = ("one row of a class", "one class", "still neurons")


def odd_samples(case: str):
    """Those of :func:`samples`, degenerate in one way."""
    pooled, logits, labels = samples()
    if case == "one row of a class":
        labels = np.where(np.arange(ROWS) == 3, 1, 0)
    elif case == "one class":
        labels = np.zeros_like(labels)
    else:
        pooled[:] = 2
    return pooled, logits, labels


def discriminants(clean, labels, unseen, layers):
    """Scikit-learn's discriminants at the layers, float64 ``[n, layers, classes]``."""
    found = []
    for layer in layers:
        model = LinearDiscriminantAnalysis(
            solver="lsqr", shrinkage=SHRINKAGE, priors=np.full(CLASSES, 1 / CLASSES)
        )
        model.fit(clean[:, layer].astype(np.float64), labels)
        found.append(model.decision_function(unseen[:, layer].astype(np.float64)))
    return np.stack(found, axis=1)


def cross_fitted(pooled, labels, layers):
    """Those of the rows, each fitted without its fold of them."""
    crossed = np.empty((len(pooled), len(layers), CLASSES))
    for out in folds(labels):
        crossed[out] = discriminants(pooled[~out], labels[~out], pooled[out], layers)
    return crossed

"""Distances between two sets of feature vectors: NumPy, float64, memory bounded by blocks.

Nothing here knows images or networks. Sets are float arrays `(N, D)`, rows in any order.
"""

import itertools

import numpy as np

# rows of a block: with 10,000 columns of float64 a block takes 40 MB
BLOCK = 512


class Moments:
    """Mean `(D,)` and covariance `(D, D)`, divisor N - 1, of rows that come in pieces.

    Args:
        n: rows, 2 or more. total: their sum, `(D,)`. products: the sum of their outer products,
            `(D, D)`; both float64, which leaves ten digits of a variance when the mean is a
            thousand deviations.
    """

    def __init__(self, n, total, products):
        self.n = int(n)
        self.mean = total / self.n
        centred = products - self.n * np.outer(self.mean, self.mean)
        self.covariance = centred / (self.n - 1)

    @classmethod
    def of(cls, rows):
        """Those of an array `(N, D)`."""
        rows = np.asarray(rows, "float64")
        return cls(len(rows), rows.sum(axis=0), rows.T @ rows)


def frechet_distance(real, fake):
    """|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)), with covariances of divisor N - 1.

    Heusel et al. 2017, https://arxiv.org/abs/1706.08500, equation 6. The trace of the root is the
    sum of the singular values of C1^(1/2) C2^(1/2), which exists for any rank: fewer rows than
    columns need no correction.

    Args:
        real, fake: two `Moments`.
    """
    difference = real.mean - fake.mean
    roots = np.linalg.svd(root(real.covariance) @ root(fake.covariance), compute_uv=False).sum()
    traces = np.trace(real.covariance) + np.trace(fake.covariance)
    # equal sets give 0 up to rounding, and a distance is not negative
    return max(float(difference @ difference + traces - 2 * roots), 0.0)


def root(covariance):
    """The symmetric root of a covariance; eigenvalues that rounding made negative are 0."""
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T


def kernel_distance(real, fake):
    """The unbiased squared maximum mean discrepancy with the kernel (x y / D + 1)^3.

    Binkowski et al. 2018, https://arxiv.org/abs/1801.01401, section 4 and equation 4, of all pairs
    instead of subsets of them.

    Returns:
        `(value, error)`: the distance, which may be negative, and its standard error, from the
        variance of what each row adds (the first-order term of a U-statistic's variance; Serfling
        1980, section 5.2). 95 % of the intervals value +- 1.96 error hold the true distance.
    """
    real, fake = np.asarray(real, "float64"), np.asarray(fake, "float64")
    n, m = len(real), len(fake)
    among_real = (_kernel_sums(real, real)[0] - _kernel_diagonal(real)) / (n - 1)
    among_fake = (_kernel_sums(fake, fake)[0] - _kernel_diagonal(fake)) / (m - 1)
    to_fake, to_real = _kernel_sums(real, fake)
    to_fake, to_real = to_fake / m, to_real / n
    value = among_real.mean() + among_fake.mean() - 2 * to_fake.mean()
    variance = 4 * (among_real - to_fake).var(ddof=1) / n
    variance += 4 * (among_fake - to_real).var(ddof=1) / m
    return float(value), float(np.sqrt(variance))


def _kernel_sums(x, y):
    """For every row of x, the sum of the kernel with all rows of y, and for every row of y that
    with all rows of x."""
    rows, columns = [], 0.0
    for i in range(0, len(x), BLOCK):
        kernel = x[i : i + BLOCK] @ y.T
        kernel /= x.shape[1]
        kernel += 1
        kernel **= 3
        rows.append(kernel.sum(axis=1))
        columns = columns + kernel.sum(axis=0)
    return np.concatenate(rows), columns


def _kernel_diagonal(x):
    return (np.einsum("nd,nd->n", x, x) / x.shape[1] + 1) ** 3


def manifold_scores(real, fake, k):
    """Precision, recall, density and coverage by balls that reach to the k-th neighbour.

    Precision and recall: Kynkaanniemi et al. 2019, https://arxiv.org/abs/1904.06991, equations 1
    and 2 (a point on the rim is inside). Density and coverage: Naeem et al. 2020,
    https://arxiv.org/abs/2002.09797, equations 5 and 6 (it is outside).

    Args:
        k: neighbours, the point itself not counted; fewer than the rows of either set.

    Returns:
        dict of the four, floats.
    """
    real, fake = np.array(real, "float64"), np.array(fake, "float64")
    # about the same origin, or the digits of small distances drown in large norms
    origin = real.mean(axis=0)
    real -= origin
    fake -= origin
    real_radii, fake_radii = _neighbour_distances(real, k), _neighbour_distances(fake, k)
    nearest = np.full(len(real), np.inf)
    recalled = np.zeros(len(real), bool)
    precise = balls = 0
    for i in range(0, len(fake), BLOCK):
        distances = squared_distances(fake[i : i + BLOCK], real)
        precise += (distances <= real_radii).any(axis=1).sum()
        balls += (distances < real_radii).sum()
        recalled |= (distances <= fake_radii[i : i + BLOCK, None]).any(axis=0)
        np.minimum(nearest, distances.min(axis=0), out=nearest)
    return {
        "precision": float(precise / len(fake)),
        "recall": float(recalled.mean()),
        "density": float(balls / (k * len(fake))),
        "coverage": float((nearest < real_radii).mean()),
    }


def squared_distances(x, y):
    """Squared Euclidean distances `(N, M)` of the rows of x `(N, D)` and y `(M, D)`."""
    distances = x @ y.T
    distances *= -2
    distances += np.einsum("nd,nd->n", x, x)[:, None]
    distances += np.einsum("md,md->m", y, y)
    return np.maximum(distances, 0, out=distances)


def _neighbour_distances(rows, k):
    """For every row the squared distance to its k-th nearest other row."""
    radii = []
    for i in range(0, len(rows), BLOCK):
        distances = squared_distances(rows[i : i + BLOCK], rows)
        own = np.arange(len(distances))
        distances[own, i + own] = 0  # rounding may put another row nearer than the row itself
        distances.partition(k, axis=1)
        radii.append(distances[:, k].copy())
    return np.concatenate(radii)


def inception_score(logits, splits=10):
    """exp of the mean divergence of a row's classes from the mean classes, in pieces.

    Salimans et al. 2016, https://arxiv.org/abs/1606.03498, section 4: the rows in the order given
    are cut into `splits` pieces, each is scored by itself.

    Args:
        logits: `(N, K)`.

    Returns:
        `(mean, deviation)` of the pieces' scores.
    """
    logits = np.asarray(logits, "float64")
    logits = logits - logits.max(axis=1, keepdims=True)
    logs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    edges = [i * len(logs) // splits for i in range(splits + 1)]
    scores = []
    for start, end in itertools.pairwise(edges):
        piece, shares = logs[start:end], np.exp(logs[start:end])
        # a class that no row can be adds nothing: 0 log 0 is 0
        mean = np.log(np.maximum(shares.mean(axis=0), np.finfo("float64").tiny))
        scores.append(np.exp((shares * (piece - mean)).sum(axis=1).mean()))
    return float(np.mean(scores)), float(np.std(scores))

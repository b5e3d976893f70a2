"""The eight-Gaussian ring, family by family: the algorithm finds the modes of a distribution that
is known. The code is the benchmark's."""

import numpy as np
import pytest

from benchmarks import ring


def test_the_score_counts_modes_and_good_samples():
    real, modes = ring.real_points(4000)
    assert real.shape == (4000, 1, 2, 1) and np.abs(real).max() <= 1
    assert set(modes) == set(range(8))
    whole = ring.score(real)
    assert whole["modes"] == 8
    # of a Gaussian in the plane 1 - exp(-9/2) lie within 3 sigma; within five standard deviations
    assert whole["good"] == pytest.approx(1 - np.exp(-4.5), abs=0.009)
    assert ring.score(real[modes < 3])["modes"] == 3
    assert ring.score(np.zeros((10, 1, 2, 1))) == {"modes": 0, "good": 0.0}
    half = np.concatenate([real[:1000], np.zeros((1000, 1, 2, 1))])
    assert ring.score(half)["good"] == pytest.approx(0.5 * (1 - np.exp(-4.5)), abs=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("cls", ring.families(), ids=lambda cls: cls.__name__)
def test_finds_the_modes(cls):
    """The floors are below all that `benchmarks/results/ring.json` shows; a collapsed or an
    untrained generator has next to no mode."""
    result = ring.score(ring.samples(ring.train(cls)))
    assert result["modes"] >= 7 and result["good"] >= 0.6

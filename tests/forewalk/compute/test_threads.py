"""Linear algebra runs on one thread where results are made."""

import numpy as np
import scipy.linalg
from threadpoolctl import threadpool_info, threadpool_limits

from forewalk.compute.threads import one_thread


def threads():
    return {library["num_threads"] for library in threadpool_info()}


def test_inside_there_is_one_thread_and_afterwards_what_was_there_before():
    with threadpool_limits(limits=2):
        before = threads()
        with one_thread():
            assert threads() == {1}
        assert threads() == before


def test_the_bits_of_a_product_do_not_depend_on_the_threads_outside():
    values = np.random.default_rng(1).normal(size=(700, 700))
    found = []
    for count in (1, 2):
        with threadpool_limits(limits=count), one_thread():
            found.append(scipy.linalg.lstsq(values, values @ values)[0])
    assert np.array_equal(*found)

"""EdgeJSON's data set, built once for all tests of it."""

import pytest

from slmlib.tasks.edgejson.generate import dataset


@pytest.fixture(scope="session")
def built():
    """The rows of all splits, as published; not to be changed."""
    return dataset.build()

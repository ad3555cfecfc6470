import os
from pathlib import Path

import pytest

BESIDE = Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Give the folder of the public sets, or skip."""
    folder = Path(os.environ.get("HUILIU_REAL_DATA", BESIDE))
    if not folder.is_dir():
        pytest.skip("the public data sets are not here")
    return folder

import pytest

from helpers.lstm_models import VARIANTS, fitted
from helpers.making import make_bars, make_settings


@pytest.fixture(params=VARIANTS, ids=lambda v: "-".join(f"{k[7:]}={x}" for k, x in v.items()) or "default")
def variant(request):
    return fitted(make_bars(rows=330), make_settings(**request.param))

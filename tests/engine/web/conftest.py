"""Passwords are cheap to hash here: what is tested is who gets in, not how long a guess takes."""

import pytest
from argon2 import PasswordHasher


@pytest.fixture(autouse=True, scope="session")
def cheap_hashes():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "engine.web.access.secrets.hasher", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
        )
        yield

"""Secrets: random ones are stored as their SHA-256, passwords as argon2."""

from __future__ import annotations

import hashlib
import secrets

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

KEY_PREFIX = "fwk_"
LEAST_PASSWORD = 10  # letters
hasher = PasswordHasher()  # argon2id with the library's own costs
NOBODY = hasher.hash(
    secrets.token_urlsafe()
)  # verified for names that are not known, so that they take as long


def new_secret(prefix: str = "") -> str:
    """Return a new secret of 32 random bytes."""
    return prefix + secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """Return what is stored of a random secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def hashed(password: str) -> str:
    """Return what is stored of a password."""
    return hasher.hash(password)


def fits(stored: str, password: str) -> bool:
    """Whether a password is the one that was stored."""
    try:
        return hasher.verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False


def same(one: str, other: str) -> bool:
    """Whether two secrets are the same, in constant time."""
    return secrets.compare_digest(one.encode(), other.encode())

"""Who asks, and what they may do."""

from engine.web.access.person import ROLES, Person, current, places_of

__all__ = ["ROLES", "Person", "current", "places_of"]

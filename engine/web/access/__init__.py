"""Who asks, and what they may do."""

from engine.web.access.person import ROLES, SCOPES, Person, current, needs, places_of

__all__ = ["ROLES", "SCOPES", "Person", "current", "needs", "places_of"]

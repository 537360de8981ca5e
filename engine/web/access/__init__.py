"""Who asks, and what they may do."""

from engine.web.access.person import ROLES, Person, Places, current, places_of

__all__ = ["ROLES", "Person", "Places", "current", "places_of"]

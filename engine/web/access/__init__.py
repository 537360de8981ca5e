"""Who asks, and what they may do."""

from engine.web.access.person import (
    ROLES,
    SCOPES,
    Anyone,
    BookReader,
    Owner,
    Person,
    RunsReader,
    RunsWriter,
    Trader,
    current,
    needs,
    places_of,
)

__all__ = [
    "ROLES",
    "SCOPES",
    "Anyone",
    "BookReader",
    "Owner",
    "Person",
    "RunsReader",
    "RunsWriter",
    "Trader",
    "current",
    "needs",
    "places_of",
]

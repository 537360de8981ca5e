"""People, keys, teams and the audit log.

Written by `make docs` from the OpenAPI document of the server; do not edit.
"""

from __future__ import annotations

from typing import cast

from . import answers, asked
from .transport import Group, part


class People(Group):
    """People, keys, teams and the audit log."""

    def set_up(self, body: asked.FirstOwner) -> answers.User:
        """Make the first owner by the link that the terminal printed; it works once."""
        return cast("answers.User", self._transport.json("POST", "/api/v1/setup", body=body))

    def log_in(self, body: asked.LogIn) -> None:
        """Log in; the session is a cookie that scripts cannot read."""
        self._transport.json("POST", "/api/v1/session", body=body)

    def log_out(self) -> None:
        """Log out."""
        self._transport.json("DELETE", "/api/v1/session")

    def me(self) -> answers.Me:
        """Return who asks."""
        return cast("answers.Me", self._transport.json("GET", "/api/v1/me"))

    def change_password(self, body: asked.NewPassword) -> None:
        """Change one's password; every session ends."""
        self._transport.json("PUT", "/api/v1/me/password", body=body)

    def users(self) -> list[answers.User]:
        """Return the users of the team."""
        return cast("list[answers.User]", self._transport.json("GET", "/api/v1/team/users"))

    def add_user(self, body: asked.NewUser) -> answers.User:
        """Make a user of the team."""
        return cast("answers.User", self._transport.json("POST", "/api/v1/team/users", body=body))

    def set_role(self, user: str, body: asked.NewRole) -> answers.User:
        """Change what a user may do."""
        return cast(
            "answers.User", self._transport.json("PUT", f"/api/v1/team/users/{part(user)}/role", body=body)
        )

    def remove_user(self, user: str) -> None:
        """Remove a user with sessions and keys."""
        self._transport.json("DELETE", f"/api/v1/team/users/{part(user)}")

    def keys(self) -> list[answers.Key]:
        """Return the keys of the team; the keys themselves are nowhere."""
        return cast("list[answers.Key]", self._transport.json("GET", "/api/v1/team/keys"))

    def add_key(self, body: asked.NewKey) -> answers.ShownKey:
        """Make a key; it is shown in this answer and never again."""
        return cast("answers.ShownKey", self._transport.json("POST", "/api/v1/team/keys", body=body))

    def revoke(self, key: str) -> None:
        """End a key at once."""
        self._transport.json("DELETE", f"/api/v1/team/keys/{part(key)}")

    def audit(self, *, limit: int = 100, offset: int = 0) -> answers.PageOfEntry:
        """Return every write that the team has asked for, the newest first."""
        return cast(
            "answers.PageOfEntry",
            self._transport.json("GET", "/api/v1/team/audit", query={"limit": limit, "offset": offset}),
        )

    def teams(self) -> list[answers.Team]:
        """Return the teams of the server; for owners of the team that started it."""
        return cast("list[answers.Team]", self._transport.json("GET", "/api/v1/teams"))

    def add_team(self, body: asked.NewTeam) -> answers.Team:
        """Make a team and its owner; for owners of the team that started the server."""
        return cast("answers.Team", self._transport.json("POST", "/api/v1/teams", body=body))

    def set_plan(self, team: str, body: asked.Quotas) -> None:
        """Set the quotas of a team; for owners of the team that started the server."""
        self._transport.json("PUT", f"/api/v1/teams/{part(team)}/plan", body=body)

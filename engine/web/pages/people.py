"""Log in, log out, and the first owner's page."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from engine.web.api import people
from engine.web.pages.rendering import page, then

router = APIRouter()
Name = Annotated[str, Form(min_length=1, max_length=100)]
Password = Annotated[str, Form(min_length=1, max_length=1000)]


@router.get("/login")
async def log_in_page(request: Request) -> Response:
    """Ask who it is."""
    return page(request, "people/login.html", "Log in", said="")


@router.post("/login")
async def log_in(request: Request, name: Name, password: Password) -> Response:
    """Log in; the session is a cookie that scripts cannot read."""
    answer = then("/")
    try:
        await asyncio.to_thread(people.log_in, request, answer, people.LogIn(name=name, password=password))
    except HTTPException as problem:
        return page(request, "people/login.html", "Log in", problem.status_code, said=str(problem.detail))
    return answer


@router.post("/logout")
async def log_out(request: Request) -> Response:
    """Forget the session."""
    answer = then("/login")
    await asyncio.to_thread(people.log_out, request, answer, request.state.person)
    return answer


@router.get("/setup")
async def set_up_page(request: Request) -> Response:
    """Ask for the first owner; the secret of the link stays in the browser until it is sent."""
    return page(request, "people/setup.html", "The first owner", said="")


@router.post("/setup")
async def set_up(
    request: Request, secret: Annotated[str, Form(max_length=200)], name: Name, password: Password
) -> Response:
    """Make the first owner."""
    try:
        asked = people.FirstOwner(secret=secret, name=name, password=password)
        await asyncio.to_thread(people.set_up, request, asked)
    except HTTPException as problem:
        return page(
            request, "people/setup.html", "The first owner", problem.status_code, said=str(problem.detail)
        )
    return then("/login")

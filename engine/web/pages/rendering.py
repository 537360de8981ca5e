"""A page from its template: who is asking, where they are, and the same head and foot for all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse, RedirectResponse, Response

from engine.report.wording.words import RISK
from engine.web.access import Person
from engine.web.problems import Problem
from engine.web.screens.companies import company

TEMPLATES = Path(__file__).parents[1] / "templates"
VENDOR = Path(__file__).parents[1] / "static" / "vendor"
STEPS = (
    ("tomorrow", "Tomorrow", "What may happen next?"),
    ("record", "Track record", "How good has it been?"),
    ("what-if", "What if", "What would have happened?"),
    ("luck", "Luck", "Is it more than luck?"),
)
EXPERTS = {
    "account": "Account",
    "trades": "Trades",
    "texts": "Texts",
    "sweeps": "Sweeps",
    "expert": "Reports",
}  # pages of a run for the expert, the last of which leads to the others
_environment = Environment(
    loader=FileSystemLoader(TEMPLATES),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.globals |= {"zip": zip, "company": company}


def page(request: Request, template: str, title: str, code: int = 200, **context: Any) -> HTMLResponse:
    """Return the page of a template. `context` may name `run` and `step`: where the reader is."""
    person: Person | None = getattr(request.state, "person", None)
    given = {
        "title": title,
        "person": person,
        "steps": STEPS,
        "experts": EXPERTS,
        "run": None,
        "step": None,
        "risk": RISK,
        "scripts": sorted(file.name for file in VENDOR.glob("*.js")) if VENDOR.is_dir() else [],
        **context,
    }
    return HTMLResponse(_environment.get_template(template).render(given), code)


def then(path: str) -> Response:
    """Return an answer to a form that was accepted: look there."""
    return RedirectResponse(path, 303)


def error_page(request: Request, problem: Problem) -> Response:
    """Return what went wrong as a page; who is not known is sent to log in."""
    if problem.status == 401 and request.method == "GET":
        return RedirectResponse("/login", 303)
    return page(request, "problem.html", problem.title, problem.status, problem=problem)

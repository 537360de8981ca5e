"""The pages: what a person sees. Whole without a script; scripts only save a reload."""

from fastapi import APIRouter

from engine.web.pages import choosing, people, practising, quant, reading, settings, sweeping, working

router = APIRouter(include_in_schema=False)
for _part in (choosing, working, reading, quant, sweeping, settings, practising, people):
    router.include_router(_part.router)

"""The pages: what a person sees."""

from fastapi import APIRouter

router = APIRouter(include_in_schema=False)

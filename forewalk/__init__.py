"""The ground floor and the front door."""

from forewalk.shadows import check_packages

check_packages()

"""The HTML report: one file that needs no network, made of a frozen `Report` alone."""

from verifier.report.page.render import text, write

__all__ = ["text", "write"]

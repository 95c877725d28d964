"""The report of a bundle: one self-contained HTML page, made from nothing but the bundle."""

from clampdown_exporter.report.render import render_report

__all__ = ["render_report"]

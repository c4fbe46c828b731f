"""Runs → tables, Markdown, JSON."""

"""Formulas: read, evaluated, compared."""

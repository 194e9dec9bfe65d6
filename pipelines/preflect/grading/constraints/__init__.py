"""Verifiers of form, by IFEval instruction id."""

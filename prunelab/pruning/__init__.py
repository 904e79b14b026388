"""Masks and the rules behind them: which connections survive, and what keeps the others at zero."""

"""``python -m training evaluate``: every surrogate against finite elements on people it has never seen."""

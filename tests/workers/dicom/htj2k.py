"""A plane of whole numbers as HTJ2K, encoded once with OpenJPH 0.26: no library of the tests encodes it."""

from __future__ import annotations

import base64

import numpy as np

I, J = np.meshgrid(np.arange(20), np.arange(24), indexing="ij")
PLANE = (1000 * np.sin(I / 5) * np.cos(J / 7)).round().astype(np.int16)
"""Stored values, rows and columns."""
CODESTREAM = base64.b64decode(
    "/0//UQApQAAAAAAYAAAAFAAAAAAAAAAAAAAAGAAAABQAAAAAAAAAAAABjwEB/1AACAACAAAACv9SAAwAAgABAAUEBEAB/1wAEyCIkJCQkJCQkJ"
    "CQkJCQiIiI/2QAFwABT3BlbkpQSCBWZXIgMC4yNi4zLv+QAAoAAAAAAboAAf+TwAAlfgGHdADAABNAABLAABMAx/gDB3QA3wCHdAA2/gIHdADA"
    "ABPAABPAABMAhFn+AYt0AMTK6gMBdAB2/gIHdADAABXwAAVsAAFUIHwKap5M2wS/9iCBvZgA3PlABi+p8QARAH2WADojWQ6hAIh9lQDAABb0AA"
    "F1EAAFphxABSNnqBJuiwyNe8RJnE4QSv0Bazq7cpABqiS7ADwMDcDyE0vjXIRi47N4lknhO2rM1g6XxocH0QAewQe5+RSIIBBmvQAQfiL7V8mB"
    "ABvZD+d/hq6SenwAwAAvRYAAXs8AALfA2Ii0YhcG0RK2b+s7WESCOyOSyZr9T8xTcFICLQFbk9PV5ZS8GgEG4P1xXuUimd6gA0Wt46cIz0HXUq"
    "6kuOkTTUXaJJwBishIyBH76YqbO0F6hgOKaXFd683hl1+QZzzQmoITzfzeGXbZ5RMhAmJBEYjc+YmZSZg6KDr4KOgeLF4ELgHDwNuAA4FIQeog"
    "MYAMhCAkKIQCo+4WGLP3cgWLPQMs5GlF6ElHZWawAgCIwBiavhdSQK7tuy85fHnbR9xpsGbORT358XCVtwH/2Q=="
)

"""`python -m docs.from_code` (`make reference`): write the pages of docs/reference that are made from the code."""

from __future__ import annotations

from docs.from_code.pages import FOLDER, PAGES

if __name__ == "__main__":
    for name, make in PAGES.items():
        (FOLDER / name).write_text(make(), encoding="utf-8")
        print(f"docs/reference/{name}")

"""Finish every page after Quarto or the preview has rendered it: `post-render` in `_quarto.yml`.

Adds a skip link and alt text for pictures drawn by notebooks, corrects the role of the menu button,
and removes the scripts that Quarto would load from the web for HTML outputs: none of ours needs
them.
"""

import os
import re
from pathlib import Path

SKIP = '<a class="skip-link" href="#quarto-document-content">Skip to content</a>'
CHANGES = (
    (r'(<body\b[^>]*>)(?!<a class="skip-link")', rf"\1{SKIP}"),
    (r"<img (?![^>]*\balt=)", '<img alt="Picture made by the cell above" '),
    (r'(<button class="navbar-toggler"[^>]*) role="menu"', r"\1"),
    (r"<script src=.https://cdn\.jsdelivr\.net/npm/(requirejs|jquery)@[^>]*></script>\n?", ""),
    (r"<script[^>]*>define\('jquery'.*?</script>\n?", ""),
)


def finished(page: str) -> str:
    """Apply all changes to a page; applying them again changes nothing."""
    for pattern, text in CHANGES:
        page = re.sub(pattern, text, page)
    return page


def main() -> None:
    """Finish all rendered pages, except redirects, which have no content to skip to."""
    for path in Path(os.environ["QUARTO_PROJECT_OUTPUT_DIR"]).rglob("*.html"):
        page = path.read_text("utf-8")
        if "quarto-document-content" in page:
            path.write_text(finished(page), "utf-8")


if __name__ == "__main__":
    main()

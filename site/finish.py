"""Last touches to every page, after Quarto or the preview has rendered it: `post-render` in `_quarto.yml`.

The link past the header stands first, pictures drawn by notebooks have words, the menu's button is a button,
and what Quarto would load from the web for cells whose output is HTML is gone: none of ours needs it.
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
    """The page with all changes made; making them again changes nothing."""
    for pattern, text in CHANGES:
        page = re.sub(pattern, text, page)
    return page


def main() -> None:
    """Finish what was rendered; pages that only lead to another one have no content to skip to."""
    for path in Path(os.environ["QUARTO_PROJECT_OUTPUT_DIR"]).rglob("*.html"):
        page = path.read_text("utf-8")
        if "quarto-document-content" in page:
            path.write_text(finished(page), "utf-8")


if __name__ == "__main__":
    main()

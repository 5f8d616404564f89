"""The preview builder on a toy project: numbering, escaping, refusals, and the choice of Quarto."""

import re
import runpy
import shutil

import pytest

from slmlib.core import paths, tables
from slmlib.pipeline import site

HOSTILE = "<script>alert(1)</script> {{< include /etc/passwd >}} ``` $x$ *b* <img src=x onerror=y>"
FILES = {
    "_quarto.yml": """
project: {type: website, output-dir: _site, render: [index.qmd, paper/paper.qmd]}
website: {title: Toy, site-url: https://example.org, search: false, navbar: {left: [index.qmd]}}
format: {html: {theme: default}}
""",
    "_variables.yml": "score: {mean: 3.0 %, n: 100}\n",
    "index.qmd": """---
title: Home
---

{{< var score.n >}} cases. See [the paper](/paper/paper.qmd), $a < b$.

{{< include /figures/case.md >}}
""",
    "figures/a.svg": '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
    "figures/case.md": tables.fence(HOSTILE)
    + "\n"
    + tables.Table.of(["a"], [[HOSTILE]]).markdown(),
    "paper/paper.qmd": """---
title: Toy paper
author: Nobody
date: 2026-01-02
abstract: Right in {{< var score.mean >}}.
bibliography: references.bib
link-citations: true
format: {typst: {papersize: a4}}
---

# One {#sec-one}

## Inner {#sec-inner}

As @wilson1927 says; see @fig-a, @tbl-a, @sec-inner and @sec-two, $x^2$.

![A figure.](/figures/a.svg){#fig-a fig-alt="A line."}

::: {#tbl-a}
| case |
|:--|
| a |

A table.
:::

# Two {#sec-two}

# References {.unnumbered}
""",
    "paper/references.bib": "@misc{wilson1927, author={Wilson, E. B.}, title={T}, year={1927}}\n",
}


@pytest.fixture
def toy(tmp_path):
    root = tmp_path / "toy"
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, "utf-8")
    return root


def test_paper_is_numbered_and_model_output_is_never_interpreted(toy, tmp_path):
    folder = site.build(tmp_path / "_site", root=toy).parent
    page = (folder / "paper/paper.html").read_text("utf-8").replace("\N{NO-BREAK SPACE}", " ")
    labels = {"fig-a": "Figure 1", "tbl-a": "Table 1", "sec-inner": "Section 1.1"}
    for anchor, label in {**labels, "sec-two": "Section 2"}.items():
        assert f'<a href="#{anchor}">{label}</a>' in page and f'id="{anchor}"' in page
    for shown in ("Figure 1: A figure.", "Table 1: A table.", "Wilson (<a", 'id="ref-wilson1927"'):
        assert shown in page
    for shown in ('src="../figures/a.svg"', 'alt="A line."', "Right in 3.0 %.", "<math"):
        assert shown in page
    home = (folder / "index.html").read_text("utf-8")
    assert home.count("&lt;script&gt;alert(1)&lt;/script&gt;") == 2  # in the block and the table
    for harmful in ("<script>alert", "onerror=y>", "root:", "<em>b</em>", "katex"):
        assert harmful not in home
    assert site.NOTICE in home and site.NOTICE in page and "<math" in home
    assert (folder / "paper/paper.pdf").read_bytes().startswith(b"%PDF-")
    built = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    (toy / "index.qmd").touch()
    site.build(folder, root=toy)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == built


BROKEN = (
    ("_variables.yml", "score:", "score: [", "not readable as YAML"),
    ("index.qmd", "score.n", "score.m", "no number score.m"),
    ("index.qmd", "score.n", "score", "no number score"),
    ("index.qmd", "figures/case.md", "figures/none.md", "include /figures/none.md is missing"),
    ("index.qmd", "var score.n", "env HOME", "shortcode env"),
    ("index.qmd", "paper.qmd", "none.qmd", "index.qmd: broken link /paper/none.qmd"),
    ("index.qmd", "See", "![x](/no.svg)", "index.qmd: broken link /no.svg"),
    ("paper/paper.qmd", "/a.svg", "/b.svg", "b.svg"),
    ("paper/paper.qmd", "@wilson1927", "@nobody1900", "nobody1900"),
    ("paper/paper.qmd", "@sec-inner", "@sec-none", "@sec-none points at nothing"),
    ("paper/paper.qmd", "# Two", "`#broken(`{=typst}\n\n# Two", "typst"),
)


def test_what_is_missing_is_named_and_the_old_site_stays(toy, tmp_path):
    (tmp_path / "_site").mkdir()
    (tmp_path / "_site/index.html").write_text("the last good one")
    for file, old, new, message in BROKEN:
        (toy / file).write_text(FILES[file].replace(old, new), "utf-8")
        with pytest.raises(site.PreviewError, match=re.escape(message)):
            site.build(tmp_path / "_site", root=toy)
        assert (tmp_path / "_site/index.html").read_text() == "the last good one", message
        (toy / file).write_text(FILES[file], "utf-8")


def test_quarto_renders_if_it_is_new_enough(toy, tmp_path, monkeypatch, capsys):
    program = tmp_path / "quarto"

    def install(version, script=""):
        program.write_text(f'#!/bin/sh\n[ "$1" = --version ] && echo {version} && exit\n{script}\n')
        program.chmod(0o755)

    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    for version, good in (("1.8.26", False), ("1.9.0", True), ("2.0", True), ("odd", False)):
        install(version)
        assert site.quarto() == (str(program) if good else None), version
    (toy / "_site").mkdir()
    install("1.9.1", 'echo "<p>$1</p>" > "$2/_site/index.html"')
    assert site.render_site(root=toy).read_text() == "<p>render</p>\n"
    for script, message in (
        ('echo "?@fig-x" > "$2/_site/index.html"', "points at nothing"),
        ("exit 3", "quarto render failed"),
    ):
        install("1.9.1", script)
        with pytest.raises(site.PreviewError, match=message):
            site.render_site(root=toy)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    home = site.render_site(root=toy)
    shown = capsys.readouterr().out
    assert home.is_file() and site.NOTICE in shown and home.as_uri() in shown


def test_finishing_a_page_twice_changes_nothing():
    """Under Quarto a notebook with HTML outputs would load scripts from the web."""
    finished = runpy.run_path(str(paths.ROOT / "site/finish.py"))["finished"]
    loaded = '<script src="https://cdn.jsdelivr.net/npm/requirejs@2.3.6/require.min.js"></script>\n'
    page = finished(f'<body class="x">{loaded}<img src="x.png"> <img alt="A line." src="a.svg">')
    assert page.startswith('<body class="x"><a class="skip-link"') and "<script" not in page
    assert page.count('alt="') == 2 and 'alt="A line."' in page
    assert finished(page) == page

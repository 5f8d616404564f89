"""The preview builder on a toy project: numbering, escaping, refusals, and the choice of Quarto."""

import re
import runpy
import shutil
import stat

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


def test_paper_has_numbers_references_citations_and_a_pdf(toy, tmp_path):
    folder = site.build(tmp_path / "_site", root=toy).parent
    page = (folder / "paper/paper.html").read_text("utf-8").replace("\N{NO-BREAK SPACE}", " ")
    labels = {
        "fig-a": "Figure 1",
        "tbl-a": "Table 1",
        "sec-inner": "Section 1.1",
        "sec-two": "Section 2",
    }
    for anchor, label in labels.items():
        assert f'<a href="#{anchor}">{label}</a>' in page and f'id="{anchor}"' in page
    assert "Figure 1: A figure." in page and "Table 1: A table." in page
    assert "Wilson (<a" in page and 'id="ref-wilson1927"' in page
    assert 'src="../figures/a.svg"' in page and 'alt="A line."' in page
    assert "Right in 3.0 %." in page and "<math" in page and site.NOTICE in page
    assert (folder / "paper/paper.pdf").read_bytes().startswith(b"%PDF-")


def test_model_output_is_shown_and_never_interpreted(toy, tmp_path):
    page = site.build(tmp_path / "_site", root=toy).read_text("utf-8")
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") == 2  # in the block and in the table
    for harmful in ("<script>alert", "onerror=y>", "root:", "<em>b</em>", "katex"):
        assert harmful not in page
    assert site.NOTICE in page and "<math" in page


def test_building_again_gives_the_same_bytes(toy, tmp_path):
    def read():
        home = site.build(tmp_path / "_site", root=toy)
        return {p: p.read_bytes() for p in home.parent.rglob("*") if p.is_file()}

    first = read()
    (toy / "index.qmd").touch()
    assert read() == first


BROKEN = (
    ("_variables.yml", "score:", "score: [", "not readable as YAML"),
    ("index.qmd", "score.n", "score.m", "no number score.m"),
    ("index.qmd", "score.n", "score", "no number score"),
    ("index.qmd", "figures/case.md", "figures/none.md", "include /figures/none.md is missing"),
    ("paper/paper.qmd", "/a.svg", "/b.svg", "image /figures/b.svg is missing"),
    ("index.qmd", "var score.n", "env HOME", "shortcode env"),
    ("paper/paper.qmd", "@wilson1927", "@nobody1900", "nobody1900"),
    ("paper/paper.qmd", "@sec-inner", "@sec-none", "@sec-none points at nothing"),
    ("paper/paper.qmd", "# Two", "`#broken(`{=typst}\n\n# Two", "typst"),
)


def test_what_is_missing_is_named_before_the_old_site_is_touched(toy, tmp_path):
    (tmp_path / "_site/site_libs").mkdir(parents=True)
    (tmp_path / "_site/index.html").write_text("the last good one")
    for file, old, new, message in BROKEN:
        (toy / file).write_text(FILES[file].replace(old, new), "utf-8")
        with pytest.raises(site.PreviewError, match=re.escape(message)):
            site.build(tmp_path / "_site", root=toy)
        assert (tmp_path / "_site/index.html").read_text() == "the last good one", message
        (toy / file).write_text(FILES[file], "utf-8")
    (toy / "index.qmd").write_text(FILES["index.qmd"].replace("paper.qmd", "none.qmd"), "utf-8")
    with pytest.raises(site.PreviewError, match=r"index\.qmd: broken link /paper/none\.qmd"):
        site.build(tmp_path / "_site", root=toy)


def test_only_a_built_site_is_replaced(toy, tmp_path):
    (toy / "_site").mkdir()
    (toy / "_site/index.html").write_text("a build that was killed")
    assert "</html>" in site.build(toy / "_site", root=toy).read_text("utf-8")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("years of work")
    with pytest.raises(site.PreviewError, match="not a built site"):
        site.build(tmp_path / "mine", root=toy)
    assert (tmp_path / "mine/thesis.txt").exists()


def test_quarto_renders_if_it_is_new_enough(toy, tmp_path, monkeypatch, capsys):
    program = tmp_path / "quarto"

    def install(version, script=""):
        program.write_text(f'#!/bin/sh\n[ "$1" = --version ] && echo {version} && exit\n{script}\n')
        program.chmod(program.stat().st_mode | stat.S_IXUSR)

    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    for version, good in (("1.8.26", False), ("1.9.0", True), ("2.0", True), ("odd", False)):
        install(version)
        assert site.quarto() == (str(program) if good else None), version
    (toy / "_site").mkdir()
    install("1.9.1", 'echo "<p>$1</p>" > "$2/_site/index.html"')
    assert site.render_site(root=toy).read_text() == "<p>render</p>\n"
    assert "Rendered with Quarto" in capsys.readouterr().out
    for script, message in (
        ('echo "?@fig-x" > "$2/_site/index.html"', "points at nothing"),
        ("exit 3", "quarto render failed"),
    ):
        install("1.9.1", script)
        with pytest.raises(site.PreviewError, match=message):
            site.render_site(root=toy)


def test_without_quarto_the_preview_says_that_it_is_one(toy, monkeypatch, capsys):
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

"""The preview builder on a toy project: what it fills in, what it refuses, and what it escapes."""

import re
import runpy
import shutil
import stat

import pytest

from slmlib.core import paths, tables
from slmlib.pipeline import preview

HOSTILE = "<script>alert(1)</script> {{< include /etc/passwd >}} ``` </code> $x$ *bold* <img src=x onerror=y>"
FILES = {
    "_quarto.yml": """
project: {type: website, output-dir: _site, render: [index.qmd, paper/paper.qmd]}
website: {title: Toy, site-url: https://example.org, search: false, navbar: {left: [index.qmd]}}
format: {html: {theme: default}}
""",
    "_variables.yml": "score: {mean: 3.0 %, n: 100}\n",
    "index.qmd": """---
title: Home
description: A toy.
---

{{< var score.n >}} cases. See [the paper](/paper/paper.qmd), $a < b$.

{{< include /figures/case.md >}}

![A figure.](/figures/a.svg){fig-alt="A line."}
""",
    "figures/a.svg": '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><path d="M1 1h7"/></svg>',
    "figures/case.md": tables.fence(HOSTILE, "text")
    + "\n"
    + tables.Table.of(["case"], [[HOSTILE]]).markdown(),
    "paper/paper.qmd": """---
title: Toy paper
author: Nobody
date: 2026-01-02
abstract: Right in {{< var score.mean >}}.
bibliography: references.bib
link-citations: true
format:
  html: {toc: true}
  typst: {papersize: a4, margin: {x: 2cm, y: 2cm}}
---

{{< include sections/one.qmd >}}

# References {.unnumbered}

::: {#refs}
:::
""",
    "paper/sections/one.qmd": """# One {#sec-one}

## Inner {#sec-inner}

As @wilson1927 says; see @fig-a, @tbl-a, @sec-inner and @sec-two, $x^2$.

![A figure.](/figures/a.svg){#fig-a fig-alt="A line."}

::: {#tbl-a}

{{< include /figures/case.md >}}

A table.

:::

# Two {#sec-two}
""",
    "paper/references.bib": "@misc{wilson1927, author={Wilson, Edwin B.}, title={Title}, year={1927}}\n",
}


@pytest.fixture
def toy(tmp_path):
    root = tmp_path / "toy"
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, "utf-8")
    case = tables.Table.of(["case"], [["a"]]).markdown()
    text = FILES["paper/sections/one.qmd"].replace("{{< include /figures/case.md >}}", case)
    (root / "paper/sections/one.qmd").write_text(text)
    return root


def change(root, name, old, new):
    path = root / name
    assert old in path.read_text("utf-8")
    path.write_text(path.read_text("utf-8").replace(old, new), "utf-8")


def test_the_paper_is_numbered_referred_to_and_cited(toy, tmp_path):
    site = preview.build(tmp_path / "_site", root=toy).parent
    text = (site / "paper/paper.html").read_text("utf-8").replace(preview.SPACE, " ")
    labels = {"fig-a": "Figure 1", "tbl-a": "Table 1", "sec-inner": "Section 1.1", "sec-two": "Section 2"}
    for anchor, label in labels.items():
        assert f'<a href="#{anchor}">{label}</a>' in text and f'id="{anchor}"' in text
    assert "Figure 1: A figure." in text and "Table 1: A table." in text
    assert "Wilson (<a" in text and 'id="ref-wilson1927"' in text
    assert 'src="../figures/a.svg"' in text and 'alt="A line."' in text
    assert "Right in 3.0 %." in text and "<math" in text


def test_every_page_and_the_pdf_say_preview(toy, tmp_path):
    home = preview.build(tmp_path / "_site", root=toy)
    for page in (home, home.parent / "paper/paper.html"):
        assert preview.NOTICE in page.read_text("utf-8")
    assert (home.parent / "paper/paper.pdf").read_bytes().startswith(b"%PDF-")
    assert any(preview.NOTICE in option for option in preview._typst_options({"format": {"typst": {}}}))


def test_model_text_is_shown_and_never_obeyed(toy, tmp_path):
    text = preview.build(tmp_path / "_site", root=toy).read_text("utf-8")
    assert text.count("&lt;script&gt;alert(1)&lt;/script&gt;") == 2  # in the block and in the table
    assert "<script>alert" not in text and "onerror=y>" not in text
    assert "root:" not in text and "<em>bold</em>" not in text and "<strong>" not in text


def test_formulas_need_no_script(toy, tmp_path):
    text = preview.build(tmp_path / "_site", root=toy).read_text("utf-8")
    assert "<math" in text and "katex" not in text


FROM_THE_WEB = """<script src="https://cdn.jsdelivr.net/npm/requirejs@2.3.6/require.min.js"></script>
<script type="application/javascript">define('jquery', [],function() {return window.jQuery;})</script>
"""


def test_a_page_is_finished_once():
    """What a notebook with HTML outputs needs under Quarto; a second pass finds nothing to do."""
    finished = runpy.run_path(str(paths.ROOT / "site/finish.py"))["finished"]
    page = finished(f'<body class="x">{FROM_THE_WEB}<img src="x.png"> <img alt="A line." src="a.svg">')
    assert page.startswith('<body class="x"><a class="skip-link"') and "<script" not in page
    assert page.count('alt="') == 2 and 'alt="A line."' in page
    assert finished(page) == page


def test_building_again_gives_the_same_bytes(toy, tmp_path):
    def read():
        home = preview.build(tmp_path / "_site", root=toy)
        return {p.relative_to(home.parent): p.read_bytes() for p in home.parent.rglob("*") if p.is_file()}

    first = read()
    (toy / "index.qmd").touch()
    assert read() == first


BROKEN = {
    "no variables": ("_variables.yml", None, None, "_variables.yml: missing"),
    "torn variables": ("_variables.yml", "score:", "score: [", "not readable as YAML"),
    "unknown variable": ("index.qmd", "score.n", "score.m", "no number score.m"),
    "a group, not a number": ("index.qmd", "score.n", "score", "no number score"),
    "missing include": (
        "index.qmd",
        "figures/case.md",
        "figures/none.md",
        "include /figures/none.md is missing",
    ),
    "missing figure": ("index.qmd", "/figures/a.svg", "/figures/b.svg", "image /figures/b.svg is missing"),
    "figure of the paper": ("paper/sections/one.qmd", "/a.svg", "/b.svg", "image /figures/b.svg is missing"),
    "unknown shortcode": ("index.qmd", "var score.n", "env HOME", "shortcode env"),
    "unknown citation": ("paper/sections/one.qmd", "@wilson1927", "@nobody1900", "nobody1900"),
    "unknown reference": ("paper/sections/one.qmd", "@sec-inner", "@sec-none", "@sec-none points at nothing"),
    "bad markup in the PDF": ("paper/sections/one.qmd", "# Two", "`#broken(`{=typst}\n\n# Two", "typst"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_missing_is_named_before_the_old_site_is_touched(toy, tmp_path, name):
    file, old, new, message = BROKEN[name]
    site = tmp_path / "_site"
    (site / "site_libs").mkdir(parents=True)
    (site / "index.html").write_text("the last good one")
    if old is None:
        (toy / file).unlink()
    else:
        change(toy, file, old, new)
    with pytest.raises(preview.PreviewError, match=re.escape(message)) as caught:
        preview.build(site, root=toy)
    assert "Fix" in str(caught.value) or "knows only" in str(caught.value)
    assert (site / "index.html").read_text() == "the last good one"


def test_a_dead_link_is_an_error(toy, tmp_path):
    change(toy, "index.qmd", "/paper/paper.qmd", "/paper/none.qmd")
    with pytest.raises(preview.PreviewError, match=r"index\.qmd: broken link /paper/none\.qmd"):
        preview.build(tmp_path / "_site", root=toy)


def test_a_build_that_was_killed_is_made_good(toy):
    (toy / "_site").mkdir()
    (toy / "_site/index.html").write_text("half a p")
    assert preview.build(toy / "_site", root=toy).read_text("utf-8").rstrip().endswith("</html>")


def test_a_folder_that_is_no_site_is_left_alone(toy, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("years of work")
    with pytest.raises(preview.PreviewError, match="not a built site"):
        preview.build(tmp_path / "mine", root=toy)
    assert (tmp_path / "mine/thesis.txt").exists()


def fake_quarto(folder, monkeypatch, version, script=""):
    program = folder / "bin" / "quarto"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\n[ "$1" = --version ] && echo {version} && exit\n{script}\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    return str(program)


@pytest.mark.parametrize(
    ("version", "good"), [("1.8.26", False), ("1.9.0", True), ("2.0", True), ("odd", False)]
)
def test_quarto_counts_from_1_9(tmp_path, monkeypatch, version, good):
    program = fake_quarto(tmp_path, monkeypatch, version)
    assert preview.quarto() == (program if good else None)


def test_quarto_renders_where_it_is_installed(toy, tmp_path, monkeypatch, capsys):
    made = 'mkdir -p "$2/_site" && echo "<p>$1</p>" > "$2/_site/index.html"'
    fake_quarto(tmp_path, monkeypatch, "1.9.1", made)
    assert preview.render_site(root=toy).read_text() == "<p>render</p>\n"
    assert "Rendered with Quarto" in capsys.readouterr().out


def test_quarto_that_leaves_a_reference_open_is_refused(toy, tmp_path, monkeypatch):
    made = 'mkdir -p "$2/_site" && echo "<p>?@fig-x</p>" > "$2/_site/index.html"'
    fake_quarto(tmp_path, monkeypatch, "1.9.1", made)
    with pytest.raises(preview.PreviewError, match="points at nothing"):
        preview.render_site(root=toy)


def test_quarto_that_fails_is_an_error(toy, tmp_path, monkeypatch):
    fake_quarto(tmp_path, monkeypatch, "1.9.1", "exit 3")
    with pytest.raises(preview.PreviewError, match="quarto render failed"):
        preview.render_site(root=toy)


def test_without_quarto_the_preview_is_built_and_says_so(toy, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    home = preview.render_site(root=toy)
    assert home == toy / "_site/index.html" and home.is_file()
    shown = capsys.readouterr().out
    assert preview.NOTICE in shown and home.as_uri() in shown


def test_the_command_line_ends_with_one_message(monkeypatch, capsys):
    def fail(**options):
        raise preview.PreviewError("a.qmd: broken. Fix: mend it.")

    monkeypatch.setattr(preview, "render_site", fail)
    assert preview.main([]) == 1
    assert capsys.readouterr().err == "error: a.qmd: broken. Fix: mend it.\n"


def test_a_paper_in_columns_has_its_title_and_wide_tables_across_them(toy, tmp_path):
    """Rules are written for Quarto's kinds of figures; pandoc's are called otherwise."""
    rule = '#show figure.where(kind: "quarto-float-tbl"): set figure(placement: top, scope: "parent")'
    header = f"  typst: {{columns: 2, include-in-header: [{{text: '{rule}'}}], papersize"
    change(toy, "paper/paper.qmd", "  typst: {papersize", header)
    preview.build(tmp_path / "_site", root=toy)
    meta, _ = preview._front_matter((toy / "paper/paper.qmd").read_text("utf-8"))
    options = "\n".join(preview._typst_options(meta))
    assert "figure.where(kind: table)" in options and "quarto-float" not in options


def test_the_paper_shows_its_date_as_one_writes_it(toy):
    _, text = preview._front_matter((toy / "paper/paper.qmd").read_text("utf-8"))
    assert "date: 2 January 2026\n" in text

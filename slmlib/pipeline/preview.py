"""The website and the paper: rendered by Quarto, or previewed with parts from PyPI where it is missing.

`python -m slmlib.pipeline.preview` is behind `make site`. With Quarto 1.9 or newer on the PATH it calls
`quarto render`. Without, it builds a preview of the same sources: the pages with `smalldocs`, which
reads `_quarto.yml`, and the paper's HTML and PDF with pandoc (`pypandoc_binary`) and `typst`. Every
page of a preview says that it is one.

Quarto is forgiving where a preview should not be: a number that `_variables.yml` lacks, a missing
include, figure or reference ends the build with one message, before the last good site is touched.
"""

import argparse
import calendar
import copy
import html
import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from slmlib.core import io, paths

QUARTO = (1, 9)  # the oldest version that renders the site
PAPER = "paper/paper.qmd"
NOTICE = "Preview built without Quarto."
REMEDY = f"For the real pages install Quarto {QUARTO[0]}.{QUARTO[1]} or newer and run `quarto render`."
REMAKE = "make it with notebooks/04_analyze.ipynb, or restore it with git checkout"
SPACE = "\N{NO-BREAK SPACE}"
INSTALL = "The preview needs: pip install smalldocs pypandoc_binary typst. Or install https://quarto.org"

_SHORTCODE = re.compile(r"\{\{<\s*([\w-]+)\s+(.*?)\s*>\}\}")
_IMAGE = re.compile(r"!\[[^\]]*\]\(([^)\s]+)\)")
_FRONT = re.compile(r"\A---\n(.*?\n)---\n", re.DOTALL)
_REFERENCE = re.compile(r"(fig|tbl|sec)-")
_MATHS = re.compile(r'<span class="math (inline|display)">\\[(\[](.*?)\\[)\]]</span>', re.DOTALL)
_NAMES = {"fig": "Figure", "tbl": "Table", "sec": "Section"}
_SERIOUS = re.compile(r"broken link|not found|not known|executable cell|nest more than")
# What Quarto's typst names differently from pandoc's: the kinds of its figures and tables.
_KINDS = {'"quarto-float-fig"': "image", '"quarto-float-tbl"': "table"}
# Pandoc sets title and abstract into the first column; Quarto sets them across the page, as here.
_TITLE = """
#let in-column = conf
#let conf(title: none, authors: (), date: none, abstract: none, abstract-title: none, ..options, doc) = {
  set document(title: title)
  let block-of = block.with(width: 100%, above: 0pt, below: 0pt)
  let head = place(top, float: true, scope: "parent", clearance: 4mm, block-of[
    #align(center, block(inset: 2em, text(weight: "bold", size: 1.5em, hyphenate: false, title)))
    #align(center, authors.map(author => author.name).join(", "))
    #align(center, block(inset: 1em, date))
    #block(inset: 2em)[#text(weight: "semibold", abstract-title) #h(1em) #abstract]
  ])
  in-column(..options, head + doc)
}
"""

Node = dict[str, Any]  # an element of pandoc's syntax tree: {"t": type, "c": content}


class PreviewError(RuntimeError):
    """A site that cannot be built: says which file, what is wrong and how to mend it."""


# Sources -------------------------------------------------------------------------------------


def variables(root: Path) -> dict:
    """The numbers that prose quotes, from `_variables.yml`."""
    path = root / "_variables.yml"
    try:
        return yaml.safe_load(path.read_text("utf-8")) or {}
    except FileNotFoundError:
        raise PreviewError(f"{path}: missing. Fix: {REMAKE}.") from None
    except yaml.YAMLError as error:
        raise PreviewError(f"{path}: not readable as YAML: {error}. Fix: {REMAKE}.") from None


def expand(path: Path, root: Path, values: dict) -> str:
    """The text of a page with its includes and variables filled in.

    Raises:
        PreviewError: a variable or an included file is missing, or a shortcode is neither.
    """

    def fill(match: re.Match) -> str:
        name, argument = match[1], match[2].strip("\"'")
        if name == "var":
            return _variable(argument, values, path)
        if name == "include":
            return expand(_located(argument, path, root, "include"), root, values)
        raise PreviewError(f"{path}: shortcode {name}: the preview knows only `var` and `include`.")

    return _SHORTCODE.sub(fill, path.read_text("utf-8"))


def _variable(key: str, values: dict, path: Path) -> str:
    value: Any = values
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if value is None or isinstance(value, dict | list):
        raise PreviewError(f"{path}: _variables.yml has no number {key}. Fix: {REMAKE}.")
    return str(value)


def _located(target: str, path: Path, root: Path, kind: str) -> Path:
    """The file that a page means: paths from `/` start at the repository's root."""
    found = root / target.lstrip("/") if target.startswith("/") else path.parent / target
    if not found.is_file():
        raise PreviewError(f"{path}: {kind} {target} is missing. Fix: {REMAKE}.")
    return found


def check(root: Path, values: dict) -> None:
    """Refuse sources that name a variable, an include or an image that is not there."""
    for path in sources(root):
        for target in _IMAGE.findall(expand(path, root, values)):
            if "://" not in target:
                _located(target, path, root, "image")


def sources(root: Path) -> Iterator[Path]:
    """The `.qmd` pages that `_quarto.yml` renders."""
    config = yaml.safe_load((root / "_quarto.yml").read_text("utf-8"))
    for pattern in config["project"]["render"]:
        yield from (path for path in sorted(root.glob(pattern)) if path.suffix == ".qmd")


# Paper ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Paper:
    """The paper as rendered."""

    body: str  # HTML without the page around it
    headings: list[dict]  # {level, id, text, classes} of its sections, numbered
    pdf: bytes


def paper(root: Path, values: dict) -> Paper:
    """Render the paper with pandoc and typst."""
    meta, text = _front_matter(expand(root / PAPER, root, values))
    tree = json.loads(_pandoc(text, root, "--from=markdown", "--to=json", "--columns=9999"))
    numbers = _numbers(tree["blocks"])
    return Paper(_paper_html(tree, numbers, root), _headings(tree, numbers), _paper_pdf(tree, meta, root))


def _front_matter(text: str) -> tuple[dict, str]:
    """The metadata of a page, and the page with the options of its PDF where pandoc looks for them."""
    found = _FRONT.match(text)
    meta = yaml.safe_load(found[1])
    options = {key: value for key, value in meta["format"]["typst"].items() if key != "include-in-header"}
    header = {key: value for key, value in meta.items() if key != "format"} | options
    header["date"] = f"{meta['date'].day} {meta['date']:%B %Y}"
    return meta, f"---\n{yaml.safe_dump(header, allow_unicode=True)}---\n{text[found.end() :]}"


def _pandoc(text: str, root: Path, *options: str) -> str:
    try:
        import pypandoc
    except ImportError:
        raise PreviewError(INSTALL) from None
    command = [pypandoc.get_pandoc_path(), "--fail-if-warnings", *options]
    done = subprocess.run(
        command, input=text, cwd=(root / PAPER).parent, capture_output=True, encoding="utf-8", check=False
    )
    if done.returncode:
        problem = done.stderr.strip()
        raise PreviewError(f"{root / PAPER}: pandoc: {problem}. Fix the named citation or markup.")
    return done.stdout


def _paper_html(tree: Node, numbers: dict[str, str], root: Path) -> str:
    tree = copy.deepcopy(tree)
    blocks = _walk(tree["blocks"], lambda node: _for_html(node, numbers))
    abstract = tree["meta"]["abstract"]
    abstract = [_node("Para", abstract["c"])] if abstract["t"] == "MetaInlines" else abstract["c"]
    heading = _node("Para", [_node("Strong", [_node("Str", "Abstract")])])
    tree["blocks"] = [_node("Div", [["", ["abstract"], []], [heading, *abstract]]), *blocks]
    options = ["--from=json", "--to=html5", "--citeproc", "--mathml", "--section-divs", "--number-sections"]
    return _pandoc(json.dumps(tree), root, "--wrap=none", *options)


def _paper_pdf(tree: Node, meta: dict, root: Path) -> bytes:
    try:
        import typst
    except ImportError:
        raise PreviewError(INSTALL) from None
    tree = copy.deepcopy(tree)
    tree["blocks"] = _walk(tree["blocks"], _for_typst)
    source = _pandoc(json.dumps(tree), root, *_typst_options(meta)).encode()
    # The paper's own date and typst's own fonts: the same sources give the same bytes.
    day = calendar.timegm(meta["date"].timetuple())
    try:
        return typst.compile(source, root=str(root), ignore_system_fonts=True, timestamp=day)
    except typst.TypstError as error:
        raise PreviewError(f"{root / PAPER}: typst: {error}. Fix the named markup or figure.") from None


def _typst_options(meta: dict) -> list[str]:
    mark = f'#set page(header: align(center, text(size: 8pt, fill: rgb("#8a5a00"))[{NOTICE} {REMEDY}]))'
    header = [entry["text"] for entry in meta["format"]["typst"].get("include-in-header", [])]
    header = [re.sub("|".join(_KINDS), lambda kind: _KINDS[kind[0]], text) for text in header]
    return [
        "--from=json", "--to=typst", "--standalone", "--citeproc", "--number-sections",
        "--variable=page-numbering=1", "--metadata=abstract-title=Abstract",
        *(f"--variable=header-includes={text}" for text in [_TITLE, *header, mark]),
    ]  # fmt: skip


# Cross-references ----------------------------------------------------------------------------


def _numbers(blocks: list[Node]) -> dict[str, str]:
    """Label of each figure, table and section by its id: `fig-data` is `Figure 1`."""
    found: dict[str, str] = {}
    counts: Counter = Counter()
    for block in blocks:
        if block["t"] == "Header":
            level, (name, classes, _), _ = block["c"]
            if "unnumbered" not in classes:
                found[name] = f"Section{SPACE}{_section(counts, level)}"
        elif block["t"] in ("Figure", "Div") and (match := _REFERENCE.match(name := block["c"][0][0])):
            counts[match[1]] += 1
            found[name] = f"{_NAMES[match[1]]}{SPACE}{counts[match[1]]}"
    return found


def _section(counts: Counter, level: int) -> str:
    counts[level] += 1
    for deeper in range(level + 1, 7):
        counts[deeper] = 0
    return ".".join(str(counts[above]) for above in range(1, level + 1))


def _headings(tree: Node, numbers: dict[str, str]) -> list[dict]:
    found = []
    for block in tree["blocks"]:
        if block["t"] == "Header":
            level, (name, classes, _), words = block["c"]
            number = numbers.get(name, "").removeprefix(f"Section{SPACE}")
            text = f"{number} {_plain(words)}".strip()
            found.append({"level": level, "id": name, "text": text, "classes": classes})
    return found


def _for_html(node: Node, numbers: dict[str, str]) -> Node:
    """An element as the HTML page needs it: links from its folder, captions with their numbers."""
    if reference := _cross_reference(node):
        if reference not in numbers:
            raise PreviewError(f"{PAPER}: @{reference} points at nothing. Fix: give something that id.")
        return _node("Link", [["", [], []], [_node("Str", numbers[reference])], [f"#{reference}", ""]])
    if node["t"] in ("Image", "Link"):
        target = node["c"][2]
        target[0] = f"..{target[0]}" if target[0].startswith("/") else target[0]
    node = _table(_alt(node))
    if node["t"] in ("Figure", "Table") and node["c"][0][0] in numbers:
        label = _node("Str", f"{numbers[node['c'][0][0]]}: ")
        node["c"][1][1][0]["c"].insert(0, label)
    return node


def _for_typst(node: Node) -> Node:
    """An element as typst needs it, which numbers figures, tables and sections by itself."""
    if reference := _cross_reference(node):
        return _node("RawInline", ["typst", f"@{reference}"])
    return _table(_alt(node))


def _cross_reference(node: Node) -> str | None:
    if node["t"] == "Cite" and _REFERENCE.match(node["c"][0][0]["citationId"]):
        return node["c"][0][0]["citationId"]
    return None


def _alt(node: Node) -> Node:
    """An image whose text is its `fig-alt`; the caption stays with the figure."""
    if node["t"] == "Image":
        (name, classes, pairs), words, target = node["c"]
        alt = dict(pairs).get("fig-alt")
        pairs = [pair for pair in pairs if pair[0] != "fig-alt"]
        return _node("Image", [[name, classes, pairs], [_node("Str", alt)] if alt else words, target])
    return node


def _table(node: Node) -> Node:
    """Quarto's `::: {#tbl-…}` around a table and its caption as a table with caption and id."""
    if node["t"] == "Div" and node["c"][0][0].startswith("tbl-"):
        table, caption = node["c"][1]
        table["c"][0][0] = node["c"][0][0]
        table["c"][1] = [None, [_node("Plain", caption["c"])]]
        return table
    return node


def _node(kind: str, content) -> Node:
    return {"t": kind, "c": content}


def _walk(tree, change: Callable[[Node], Node]):
    """The tree with `change` applied to each element, innermost first."""
    if isinstance(tree, list):
        return [_walk(part, change) for part in tree]
    if isinstance(tree, dict):
        tree = {key: _walk(part, change) for key, part in tree.items()}
        return change(tree) if "t" in tree else tree
    return tree


def _plain(inlines: list[Node]) -> str:
    return "".join(" " if word["t"] in ("Space", "SoftBreak") else str(word.get("c", "")) for word in inlines)


# Pages ---------------------------------------------------------------------------------------


def _notice() -> str:
    remedy = re.sub("`(.*?)`", r"<code>\1</code>", html.escape(REMEDY))
    return f'<div class="preview-notice" role="note">{html.escape(NOTICE)} {remedy}</div>'


def _pages(root: Path, out: Path, rendered: Paper) -> None:
    """Write the site with smalldocs, the paper's page filled with what pandoc made."""
    try:
        from smalldocs import config, site
    except ImportError:
        raise PreviewError(INSTALL) from None
    try:
        built = _filled(site.Site, rendered, root)(_project(config.load(root)), quiet=True)
        built.out = _cleared(out, root)
        built.build()
    except (config.ConfigError, config.BuildError) as error:
        raise PreviewError(f"{root / '_quarto.yml'}: {error}") from None
    if serious := [warning for warning in built.warnings if _SERIOUS.search(warning)]:
        raise PreviewError("\n".join(serious))


def _filled(site: type, rendered: Paper, root: Path) -> type:
    """smalldocs' site, but with the paper from pandoc and with formulas that need no script."""

    class Site(site):
        def render_page(self, page):
            super().render_page(page)
            if str(page.src) == PAPER:
                page.html = rendered.body
                page.env |= {"headings": rendered.headings, "search": []}
            depth = len(page.src.parts) - 1
            page.html = _from_here(_mathml(page.html, root), depth)
            page.env["math"] = False  # else smalldocs would load a script from the web

    return Site


def _project(project):
    """The project with a notice at the top of each page."""
    options = project.config["format"]["html"]
    own = options.get("include-before-body", [])
    options["include-before-body"] = [*(own if isinstance(own, list) else [own]), {"text": _notice()}]
    return project


def _cleared(out: Path, root: Path) -> Path:
    """The output folder; the site's own is marked as one, also where a build of it was killed."""
    if out.resolve() == (root / paths.SITE.name).resolve():
        # smalldocs empties only a folder that looks like a site
        (out / "site_libs").mkdir(parents=True, exist_ok=True)
    return out.resolve()


def _mathml(page: str, root: Path) -> str:
    """The page with its formulas as MathML, which needs no script and no network."""

    def convert(match: re.Match) -> str:
        sign = "$" if match[1] == "inline" else "$$"
        formula = f"{sign}{html.unescape(match[2]).strip()}{sign}"
        return _pandoc(formula, root, "--mathml", "--to=html5").removeprefix("<p>").removesuffix("</p>\n")

    return _MATHS.sub(convert, page)


def _from_here(page: str, depth: int) -> str:
    """The page with links from the site's root, as in outputs of notebooks, made relative to it."""
    return re.sub(r'(<a\b[^>]*\bhref=")/(?!/)', lambda match: match[1] + "../" * depth, page)


def build(out: Path = paths.SITE, *, root: Path = paths.ROOT) -> Path:
    """Build the preview of the site and the paper.

    Args:
        out: the folder to write; its old content is replaced.
        root: the folder of `_quarto.yml`.

    Returns:
        The home page.

    Raises:
        PreviewError: something is missing or broken; the message says what and how to mend it.
    """
    values = variables(root)
    check(root, values)
    rendered = paper(root, values)
    _pages(root, out, rendered)
    io.write_bytes(out / PAPER.replace(".qmd", ".pdf"), rendered.pdf)
    _without_times(out / "sitemap.xml")
    return out / "index.html"


def _without_times(sitemap: Path) -> None:
    """Drop the files' times, which differ between two clones of the same commit."""
    io.write_text(sitemap, re.sub(r"\s*<lastmod>.*?</lastmod>", "", sitemap.read_text("utf-8")))


# Quarto or preview ---------------------------------------------------------------------------


def quarto() -> str | None:
    """Path of Quarto if it is on the PATH and new enough."""
    found = shutil.which("quarto")
    if not found:
        return None
    version = subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout
    numbers = re.match(r"(\d+)\.(\d+)", version)
    return found if numbers and tuple(map(int, numbers.groups())) >= QUARTO else None


def render_site(*, preview: bool = False, root: Path = paths.ROOT) -> Path:
    """Render site and paper into `_site/` with Quarto, or build the preview where Quarto is missing.

    Args:
        preview: build the preview even where Quarto is installed.
        root: the folder of `_quarto.yml`.

    Returns:
        The home page.

    Raises:
        PreviewError: the site could not be built.
    """
    program = None if preview else quarto()
    if program is None:
        home = build(root / paths.SITE.name, root=root)
        print(f"{NOTICE} {REMEDY}")
    else:
        home = _render(program, root)
        print(f"Rendered with Quarto ({program}).")
    print(f"Open {home.as_uri()}")
    return home


def _render(program: str, root: Path) -> Path:
    check(root, variables(root))
    if subprocess.run([program, "render", str(root)], check=False).returncode:
        raise PreviewError("quarto render failed, see above. Fix: mend it, or add --preview.")
    site = root / paths.SITE.name
    for page in sorted(site.rglob("*.html")):
        if "?@" in page.read_text("utf-8"):
            raise PreviewError(f"{page}: a cross-reference points at nothing. Fix the id after `?@`.")
    return site / "index.html"


def main(arguments: list[str] | None = None) -> int:
    """Command line of `make site`; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m slmlib.pipeline.preview", description="Render site and paper."
    )
    parser.add_argument("--preview", action="store_true", help="do without Quarto even if it is installed")
    options = parser.parse_args(arguments)
    try:
        render_site(preview=options.preview)
    except (PreviewError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

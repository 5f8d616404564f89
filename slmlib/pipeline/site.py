"""The website and the paper: rendered by Quarto, or previewed where Quarto is not installed.

`slmbench site` calls `quarto render` if Quarto 1.9 or newer is on the PATH. Otherwise it builds a
preview of the same sources with packages from PyPI: pages with `smalldocs`, which reads
`_quarto.yml`, and the paper's HTML and PDF with pandoc and typst. Each page of it says so.

If `_variables.yml` lacks a number, or an include, figure or reference is missing, Quarto only
warns; the preview stops with one message, before the last good site is touched.
"""

import argparse
import calendar
import html
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

from slmlib.core import io, paths
from slmlib.core.optional import require

QUARTO = (1, 9)  # the oldest version that renders the site
PAPER = "paper/paper.qmd"
NOTICE = "Preview built without Quarto."
REMEDY = f"For the real pages install Quarto {QUARTO[0]}.{QUARTO[1]} and run `quarto render`."
REMAKE = "run notebooks/04_analyze.ipynb, or restore it with git checkout"

_SHORTCODE = re.compile(r"\{\{<\s*([\w-]+)\s+(.*?)\s*>\}\}")
_IMAGE = re.compile(r"!\[[^\]]*\]\(([^)\s]+)\)")
_MATHS = re.compile(r'<span class="math (inline|display)">\\[(\[](.*?)\\[)\]]</span>', re.DOTALL)
_HEADING = re.compile(
    r'<section id="([^"]+)" class="level(\d)([^"]*)"[^>]*>\s*<h\d[^>]*>(.*?)</h\d>', re.DOTALL
)
_SERIOUS = re.compile(r"broken link|not found|not known|executable cell|nest more than")
# Quarto and pandoc name the kinds of figures and tables differently in typst.
_KINDS = {'"quarto-float-fig"': "image", '"quarto-float-tbl"': "table"}


class PreviewError(RuntimeError):
    """A site that cannot be built: says which file, what is wrong and how to fix it."""


def variables(root: Path) -> dict:
    """The numbers that prose quotes, from `_variables.yml`."""
    path = root / "_variables.yml"
    try:
        return yaml.safe_load(path.read_text("utf-8")) or {}
    except FileNotFoundError:
        raise PreviewError(f"{path}: missing. Fix: {REMAKE}.") from None
    except yaml.YAMLError as error:
        raise PreviewError(f"{path}: not readable as YAML: {error}. Fix: {REMAKE}.") from None


def variable(key: str, values: dict, path: Path) -> str:
    """A number by its key, such as `edgejson.data.version`, as quoted in a file."""
    value: Any = values
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if value is None or isinstance(value, dict | list):
        raise PreviewError(f"{path}: _variables.yml has no number {key}. Fix: {REMAKE}.")
    return str(value)


def expand(path: Path, root: Path, values: dict, text: str | None = None) -> str:
    """The text of a page (or a text in it) with its includes and variables filled in.

    Raises:
        PreviewError: a variable or an included file is missing, or a shortcode is neither.
    """

    def fill(match: re.Match) -> str:
        name, argument = match[1], match[2].strip("\"'")
        if name == "var":
            return variable(argument, values, path)
        if name == "include":
            return expand(_located(argument, path, root, "include"), root, values)
        raise PreviewError(f"{path}: shortcode {name}: the preview knows only `var` and `include`.")

    return _SHORTCODE.sub(fill, path.read_text("utf-8") if text is None else text)


def _located(target: str, path: Path, root: Path, kind: str) -> Path:
    """A file that a page names; `/` is the root of the repository."""
    located = root / target.lstrip("/") if target.startswith("/") else path.parent / target
    if not located.is_file():
        raise PreviewError(f"{path}: {kind} {target} is missing. Fix: {REMAKE}.")
    return located


def check(root: Path, values: dict) -> None:
    """Refuse sources that name a variable, an include or an image that does not exist."""
    config = yaml.safe_load((root / "_quarto.yml").read_text("utf-8"))
    for path in (path for pattern in config["project"]["render"] for path in root.glob(pattern)):
        for target in _IMAGE.findall(expand(path, root, values)) if path.suffix == ".qmd" else ():
            if "://" not in target:
                _located(target, path, root, "image")


def paper(root: Path, values: dict) -> tuple[str, list[dict], bytes]:
    """Render the paper with pandoc and typst.

    Returns:
        HTML of its body, the headings {level, id, text, classes} in it, and the PDF.
    """
    typst = require("typst", extra="site")
    _, front, text = expand(root / PAPER, root, values).split("---\n", 2)
    meta = yaml.safe_load(front)
    options = meta.pop("format")["typst"]
    extras = [entry["text"] for entry in options.pop("include-in-header", [])]
    # the paper's own date and typst's own fonts: the same sources give the same bytes
    timestamp = calendar.timegm(meta["date"].timetuple())
    meta["date"] = f"{meta['date'].day} {meta['date']:%B %Y}"
    text = f"---\n{yaml.safe_dump(meta | options, allow_unicode=True)}---\n{text}"
    common = [
        "--from=markdown", "--columns=9999", "--number-sections",
        f"--lua-filter={Path(__file__).with_name('paper.lua')}", "--citeproc",
    ]  # fmt: skip
    body = _pandoc(text, root, *common, "--to=html5", "--mathml", "--section-divs")
    headings = []
    for name, level, classes, words in _HEADING.findall(body):
        words = html.unescape(re.sub(r"<[^>]+>", "", words))
        headings.append(
            {"level": int(level), "id": name, "text": words, "classes": classes.split()}
        )
    extras = [re.sub("|".join(_KINDS), lambda kind: _KINDS[kind[0]], extra) for extra in extras]
    extras.insert(0, Path(__file__).with_name("paper.typ").read_text("utf-8"))
    mark = f'align(center, text(size: 8pt, fill: rgb("#8a5a00"))[{NOTICE} {REMEDY}])'
    look = [
        f"--variable=header-includes={extra}" for extra in [*extras, f"#set page(header: {mark})"]
    ]
    look += ["--variable=page-numbering=1", "--metadata=abstract-title=Abstract"]
    source = _pandoc(text, root, *common, "--to=typst", "--standalone", *look).encode()
    try:
        pdf = typst.compile(source, root=str(root), ignore_system_fonts=True, timestamp=timestamp)
    except typst.TypstError as error:
        fix = "Fix the named markup or figure."
        raise PreviewError(f"{root / PAPER}: typst: {error}. {fix}") from None
    return body, headings, pdf


def _pandoc(text: str, root: Path, *options: str) -> str:
    pandoc = require("pypandoc", extra="site").get_pandoc_path()
    command = [pandoc, "--fail-if-warnings", *options]
    folder = (root / PAPER).parent
    done = subprocess.run(command, input=text, cwd=folder, capture_output=True, encoding="utf-8")
    if done.returncode:
        problem = done.stderr.strip()
        raise PreviewError(f"{root / PAPER}: pandoc: {problem}. Fix the named citation or markup.")
    return done.stdout


def build(out: Path = paths.SITE, *, root: Path = paths.ROOT) -> Path:
    """Build the preview of the site and the paper.

    Args:
        out: the folder to write; its old content is replaced.
        root: the folder of `_quarto.yml`.

    Returns:
        The home page.

    Raises:
        PreviewError: something is missing or broken; the message says what and how to fix it.
    """
    config = require("smalldocs.config", extra="site")
    smalldocs = require("smalldocs.site", extra="site")
    values = variables(root)
    check(root, values)
    body, headings, pdf = paper(root, values)

    def mathml(match: re.Match) -> str:
        sign = "$" if match[1] == "inline" else "$$"
        formula = f"{sign}{html.unescape(match[2]).strip()}{sign}"
        page = _pandoc(formula, root, "--mathml", "--to=html5")
        return page.removeprefix("<p>").removesuffix("</p>\n")

    class Site(smalldocs.Site):
        """With the paper from pandoc, formulas that need no script, and links from the root."""

        def render_page(self, page):
            super().render_page(page)
            if str(page.src) == PAPER:
                page.html = body
                page.env |= {"headings": headings, "search": []}
            up = "../" * (len(page.src.parts) - 1)
            page.html = _MATHS.sub(mathml, page.html)
            page.html = re.sub(r'(<a\b[^>]*\bhref=")/(?!/)', rf"\g<1>{up}", page.html)
            page.env["math"] = False  # else smalldocs would load a script from the web

    try:
        project = config.load(root)
        remedy = re.sub("`(.*?)`", r"<code>\1</code>", REMEDY)
        notice = f'<div class="preview-notice" role="note">{NOTICE} {remedy}</div>'
        footer = project.config["website"].get("page-footer", {})
        for side, text in footer.items():
            footer[side] = expand(root / "_quarto.yml", root, values, text)
        options = project.config["format"]["html"]
        before = options.get("include-before-body", [])
        before = before if isinstance(before, list) else [before]
        options["include-before-body"] = [*before, {"text": notice}]
        built = Site(project, quiet=True)
        built.out = out.resolve()
        if built.out == (root / paths.SITE.name).resolve():
            # a build that was killed: smalldocs empties only a folder that looks like a site
            (out / "site_libs").mkdir(parents=True, exist_ok=True)
        built.build()
    except (config.ConfigError, config.BuildError) as error:
        raise PreviewError(f"{root / '_quarto.yml'}: {error}") from None
    if serious := [warning for warning in built.warnings if _SERIOUS.search(warning)]:
        raise PreviewError("\n".join(serious))
    io.write_bytes(out / PAPER.replace(".qmd", ".pdf"), pdf)
    # times of files differ between clones of the same commit
    sitemap = out / "sitemap.xml"
    io.write_text(sitemap, re.sub(r"\s*<lastmod>.*?</lastmod>", "", sitemap.read_text("utf-8")))
    return out / "index.html"


def quarto() -> str | None:
    """Path of Quarto if it is on the PATH and new enough."""
    program = shutil.which("quarto")
    if not program:
        return None
    version = subprocess.run([program, "--version"], capture_output=True, text=True).stdout
    numbers = re.match(r"(\d+)\.(\d+)", version)
    return program if numbers and tuple(map(int, numbers.groups())) >= QUARTO else None


def render_site(*, preview: bool = False, root: Path = paths.ROOT) -> Path:
    """Render site and paper into `_site/` with Quarto, or build the preview without it.

    Args:
        preview: build the preview even if Quarto is installed.
        root: the folder of `_quarto.yml`.

    Returns:
        The home page.

    Raises:
        PreviewError: the site could not be built.
    """
    program = None if preview else quarto()
    home = root / paths.SITE.name / "index.html"
    if program is None:
        build(home.parent, root=root)
        print(f"{NOTICE} {REMEDY}")
    else:
        check(root, variables(root))
        if subprocess.run([program, "render", str(root)]).returncode:
            raise PreviewError("quarto render failed, see above. Fix it, or use --preview.")
        for page in sorted(home.parent.rglob("*.html")):
            if "?@" in page.read_text("utf-8"):
                raise PreviewError(f"{page}: a reference points at nothing. Fix the id after `?@`.")
        print(f"Rendered with Quarto ({program}).")
    print(f"Open {home.as_uri()}")
    return home


def main(arguments: list[str] | None = None) -> None:
    """Render the website and the paper."""
    parser = argparse.ArgumentParser(prog="slmbench site", description=main.__doc__)
    parser.add_argument("--preview", action="store_true", help="do not use Quarto")
    render_site(preview=parser.parse_args(arguments).preview, root=paths.repository("the website"))

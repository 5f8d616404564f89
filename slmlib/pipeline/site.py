"""The website and the paper: rendered by Quarto, or previewed where Quarto is not installed.

`slmbench site` calls `quarto render` if Quarto 1.9 or newer is on the PATH. Otherwise it builds a
preview of the same sources with packages from PyPI: pages with `smalldocs`, which reads
`_quarto.yml`, and the paper's HTML and PDF with pandoc and typst. Each page of it says so.

If `_variables.yml` lacks a number, or an include, figure or reference is missing, Quarto only
warns; here it is an error, and the last good site stays.
"""

import argparse
import calendar
import html
import re
import shutil
import subprocess
from pathlib import Path

import yaml

from slmlib.core import io, paths
from slmlib.core.optional import require

QUARTO = (1, 9)  # the oldest version that renders the site
PAPER = "paper/paper.qmd"
NOTICE = "Preview built without Quarto."
REMEDY = f"For the real pages install Quarto {QUARTO[0]}.{QUARTO[1]} and run `quarto render`."
REMAKE = "run notebooks/04_analyze.ipynb, or restore it with git checkout"

_MATHS = re.compile(r'<span class="math (inline|display)">\\[(\[](.*?)\\[)\]]</span>', re.DOTALL)
_SERIOUS = re.compile(r"broken link|not found|not known|executable cell|nest more than")


class PreviewError(RuntimeError):
    """A site that cannot be built; the message names the file, the fault and the fix."""


def variables(root: Path) -> dict:
    """The numbers that prose quotes, from `_variables.yml`."""
    path = root / "_variables.yml"
    try:
        return yaml.safe_load(path.read_text("utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise PreviewError(f"{path}: not readable as YAML: {error}. Fix: {REMAKE}.") from None


def expand(path: Path, root: Path, values: dict, text: str | None = None) -> str:
    """The text of a page (or a text in it) with its includes and variables filled in.

    Raises:
        PreviewError: a variable or an included file is missing, or a shortcode is neither.
    """

    def fill(match: re.Match) -> str:
        name, argument = match[1], match[2].strip("\"'")
        if name == "var":
            value = values
            for part in argument.split("."):
                value = value.get(part) if isinstance(value, dict) else None
            if value is not None and not isinstance(value, dict | list):
                return str(value)
            fault = f"_variables.yml has no number {argument}. Fix: {REMAKE}."
        elif name == "include":
            base = root if argument.startswith("/") else path.parent
            if (base / argument.lstrip("/")).is_file():
                return expand(base / argument.lstrip("/"), root, values)
            fault = f"include {argument} is missing. Fix: {REMAKE}."
        else:
            fault = f"shortcode {name}: the preview knows only `var` and `include`."
        raise PreviewError(f"{path}: {fault}")

    text = path.read_text("utf-8") if text is None else text
    return re.sub(r"\{\{<\s*([\w-]+)\s+(.*?)\s*>\}\}", fill, text)


def check(root: Path, values: dict) -> None:
    """Refuse sources that name a variable or an include that does not exist."""
    config = yaml.safe_load((root / "_quarto.yml").read_text("utf-8"))
    for pattern in config["project"]["render"]:
        for path in root.glob(pattern):
            if path.suffix == ".qmd":
                expand(path, root, values)


def paper(root: Path, values: dict) -> tuple[str, bytes]:
    """Render the paper with pandoc and typst: HTML of its body, and the PDF."""
    typst = require("typst", extra="site")
    _, front, text = expand(root / PAPER, root, values).split("---\n", 2)
    meta = yaml.safe_load(front)
    options = meta.pop("format")["typst"]
    extras = [entry["text"] for entry in options.pop("include-in-header", [])]
    # the paper's own date and typst's own fonts: the same sources give the same bytes
    timestamp = calendar.timegm(meta["date"].timetuple())
    meta["date"] = f"{meta['date'].day} {meta['date']:%B %Y}"
    text = f"---\n{yaml.safe_dump(meta | options, allow_unicode=True)}---\n{text}"
    common = ["--from=markdown", "--columns=9999", "--number-sections"]
    common += [f"--lua-filter={Path(__file__).with_name('paper.lua')}", "--citeproc"]
    body = _pandoc(text, root, *common, "--to=html5", "--mathml", "--section-divs")
    mark = f'align(center, text(size: 8pt, fill: rgb("#8a5a00"))[{NOTICE} {REMEDY}])'
    look = [Path(__file__).with_name("paper.typ").read_text("utf-8"), *extras]
    look.append(f"#set page(header: {mark})")
    # Quarto and pandoc name the kinds of figures and tables differently in typst
    look = [f"--variable=header-includes={part}" for part in look]
    look = [part.replace('"quarto-float-fig"', "image") for part in look]
    look = [part.replace('"quarto-float-tbl"', "table") for part in look]
    look += ["--variable=page-numbering=1", "--metadata=abstract-title=Abstract"]
    source = _pandoc(text, root, *common, "--to=typst", "--standalone", *look).encode()
    try:
        pdf = typst.compile(source, root=str(root), ignore_system_fonts=True, timestamp=timestamp)
    except typst.TypstError as error:
        fix = "Fix the named markup or figure."
        raise PreviewError(f"{root / PAPER}: typst: {error}. {fix}") from None
    return body, pdf


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
    """Build the preview of the site and the paper; returns the home page.

    Args:
        out: the folder to write; it is replaced when the whole preview is built.
        root: the folder of `_quarto.yml`.

    Raises:
        PreviewError: something is missing or broken; the message says what and how to fix it.
    """
    config = require("smalldocs.config", extra="site")
    smalldocs = require("smalldocs.site", extra="site")
    values = variables(root)
    check(root, values)
    body, pdf = paper(root, values)

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
            up = "../" * (len(page.src.parts) - 1)
            page.html = _MATHS.sub(mathml, page.html)
            page.html = re.sub(r'(<a\b[^>]*\bhref=")/(?!/)', rf"\g<1>{up}", page.html)
            page.env["math"] = False  # else smalldocs would load a script from the web

    with io.atomic_folder(out) as scratch:
        try:
            project = config.load(root)
            footer = project.config["website"].get("page-footer", {})
            for side, text in footer.items():
                footer[side] = expand(root / "_quarto.yml", root, values, text)
            remedy = re.sub("`(.*?)`", r"<code>\1</code>", REMEDY)
            notice = f'<div class="preview-notice" role="note">{NOTICE} {remedy}</div>'
            project.config["format"]["html"]["include-before-body"] = {"text": notice}
            built = Site(project, quiet=True)
            built.out = scratch.resolve()
            built.build()
        except (config.ConfigError, config.BuildError) as error:
            raise PreviewError(f"{root / '_quarto.yml'}: {error}") from None
        if serious := [warning for warning in built.warnings if _SERIOUS.search(warning)]:
            raise PreviewError("\n".join(serious))
        (scratch / PAPER).with_suffix(".pdf").write_bytes(pdf)
        # times of files differ between clones of the same commit
        sitemap = scratch / "sitemap.xml"
        sitemap.write_text(re.sub(r"\s*<lastmod>.*?</lastmod>", "", sitemap.read_text("utf-8")))
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
    """Render site and paper with Quarto, or build the preview; returns the home page.

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

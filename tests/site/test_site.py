"""The site as a reader gets it: built from the committed sources, every page, link and picture looked at.

Built once as the preview, which needs no Quarto. A dead link, a number that is not there, a picture
without words or a script from the web would show here.
"""

import gzip
import html
import json
import os
import re
import shutil
import subprocess
from collections import Counter
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree

import pytest
import yaml

from slmlib.core import paths
from slmlib.pipeline import preview

CONFIG = yaml.safe_load((paths.ROOT / "_quarto.yml").read_text("utf-8"))
SOURCES = sorted(source for pattern in CONFIG["project"]["render"] for source in paths.ROOT.glob(pattern))
PAGES = [source.relative_to(paths.ROOT).with_suffix(".html").as_posix() for source in SOURCES]
INCLUDED = sorted((paths.ROOT / "paper/sections").glob("*.qmd"))
NOTEBOOKS = [source for source in SOURCES if source.suffix == ".ipynb"]
GUIDES = ["README.md", "CONTRIBUTING.md", "data/edgejson/README.md"]  # read on GitHub, in no build
TREES = [("README.md", "What is where"), ("CONTRIBUTING.md", "How EdgeJSON is made")]
TREE_ENTRY = re.compile(r"((?:(?:[\w./]+(?:/|\.\w+)|Snakefile)(?:\s+|$))+)")
LEFT_OVER = re.compile(r"\{\{<|\?@|\?var|\bTODO\b|\bTBD\b|lorem ipsum", re.IGNORECASE)
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--allow-file-access-from-files",
]


@dataclass
class Page(HTMLParser):
    """What is checked of a page: its links, its pictures, its ids, and what it loads."""

    path: Path
    links: list[str] = field(default_factory=list)
    images: list[dict] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)
    meta: dict[str, str] = field(default_factory=dict)
    heads: int = 0  # headings of the first level

    def __post_init__(self):
        super().__init__()
        self.feed(self.path.read_text("utf-8"))

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.ids |= {found["id"]} if found.get("id") else set()
        if tag == "a" and found.get("href"):
            self.links.append(found["href"])
        if tag == "img":
            self.images.append(found)
        if tag == "meta" and "content" in found:
            self.meta[found.get("name") or found.get("property") or ""] = found["content"]
        self.heads += tag == "h1"
        if tag in ("script", "link", "iframe", "img") and (found.get("src") or found.get("href")):
            self.loads.append(found.get("src") or found["href"])


@pytest.fixture(scope="module")
def pages(site):
    return {name: Page(site / name) for name in PAGES}


@pytest.mark.parametrize("name", PAGES)
def test_page_is_built_whole(site, name):
    text = (site / name).read_text("utf-8")
    assert "<title>" in text and "</html>" in text
    visible = re.sub(r"<(script|style)\b.*?</\1>", "", text, flags=re.DOTALL)
    assert not LEFT_OVER.search(visible), LEFT_OVER.search(visible)


@pytest.mark.skipif("SLMBENCH_SITE" in os.environ, reason="another build than the preview is looked at")
@pytest.mark.parametrize("name", PAGES)
def test_page_says_that_it_is_a_preview(site, name):
    assert f'class="preview-notice" role="note">{preview.NOTICE}' in (site / name).read_text("utf-8")


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(site, pages, name):
    for link in pages[name].links:
        if urlsplit(link).scheme in ("http", "https", "mailto"):
            continue
        target, _, anchor = link.partition("#")
        path = (pages[name].path.parent / unquote(target)).resolve() if target else pages[name].path
        path = path / "index.html" if path.is_dir() else path
        assert path.is_file() and path.is_relative_to(site.resolve()), f"{name} links to {link}"
        if anchor and path.suffix == ".html" and not anchor.startswith("category="):  # the list's filter
            assert unquote(anchor) in Page(path).ids, f"{name} links to {link}"


@pytest.mark.parametrize("name", PAGES)
def test_pictures_are_there_and_have_words(pages, name):
    for image in pages[name].images:
        assert (image.get("alt") or "").strip(), f"{name}: {image['src'][:80]} has no alt text"
        if not image["src"].startswith("data:"):
            assert (pages[name].path.parent / unquote(image["src"])).is_file(), image["src"]


@pytest.mark.parametrize("name", PAGES)
def test_nothing_is_loaded_from_the_web(pages, name):
    outside = [load for load in pages[name].loads if re.match(r"(https?:)?//", load)]
    assert not outside


def test_stylesheets_load_nothing_from_the_web(site):
    for sheet in site.rglob("*.css"):
        text = sheet.read_text("utf-8")
        assert not re.search(r"(@import|url\()\s*[\"']?(https?:)?//", text), sheet


def test_the_ground_is_the_house_black(site):
    assert re.search(
        r"html, body \{ background-color: #0a0a0a;", (site / "site/theme.css").read_text("utf-8")
    )


def test_every_page_is_described():
    for source in SOURCES:
        if source.suffix == ".qmd":
            front = yaml.safe_load(source.read_text("utf-8").split("---\n")[1])
            assert front["title"] and front["description"], source


ADDRESS = CONFIG["website"]["site-url"].rstrip("/")
WRITTEN = [name for name, source in zip(PAGES, SOURCES, strict=True) if source.suffix == ".qmd"]


@pytest.mark.parametrize("name", WRITTEN)
def test_page_has_a_title_and_a_description_in_its_head(site, pages, name):
    """What search engines and social networks show of it."""
    title = re.search(r"<title>(.*?)</title>", (site / name).read_text("utf-8"), re.DOTALL)[1]
    meta = pages[name].meta
    assert title.strip() and pages[name].heads >= 1
    assert 20 < len(meta["description"]) < 200 and meta["og:title"] and meta["og:description"]
    assert meta["twitter:card"] and meta["og:image"].startswith(f"{ADDRESS}/")
    assert (site / meta["og:image"].removeprefix(f"{ADDRESS}/")).suffix == ".png"  # networks show no SVG
    assert (site / meta["og:image"].removeprefix(f"{ADDRESS}/")).is_file()


def test_titles_differ(site):
    titles = [re.search(r"<title>(.*?)</title>", (site / n).read_text("utf-8"), re.DOTALL)[1] for n in PAGES]
    assert [title for title, count in Counter(titles).items() if count > 1] == []


@pytest.mark.parametrize("name", PAGES)
def test_the_first_link_leads_to_the_content(pages, name):
    assert pages[name].links[0] == "#quarto-document-content"
    assert "quarto-document-content" in pages[name].ids


def test_the_sitemap_names_every_page(site):
    tree = ElementTree.parse(site / "sitemap.xml")
    places = [node.text for node in tree.iter("{http://www.sitemaps.org/schemas/sitemap/0.9}loc")]
    assert sorted(places) == sorted(f"{ADDRESS}/{name}" for name in PAGES)


def test_the_feed_is_one_that_readers_take(site):
    channel = ElementTree.parse(site / "site/blog/index.xml").find("channel")
    assert all(channel.findtext(tag) for tag in ("title", "link", "description"))
    items = channel.findall("item")
    posts = [name for name in PAGES if name.startswith("site/blog/posts/")]
    assert len(items) == len(posts) >= 1
    for item in items:
        assert item.findtext("title") and item.findtext("description") and item.findtext("guid")
        assert parsedate_to_datetime(item.findtext("pubDate"))
        assert item.findtext("link").removeprefix(f"{ADDRESS}/") in posts


def test_the_domain_is_published_with_the_pages(site):
    assert (site / "CNAME").read_text().strip() == ADDRESS.removeprefix("https://")


DECIMAL = re.compile(r"(?<![\w.])\d+\.\d+(?![\w.]*\w)")  # 8.0, but neither Qwen2.5 nor 2.0.0
WHOLE = re.compile(r"(?<![\w.])\d{3,}(?![\w.]*\w)")  # smaller ones are in every text


def numbers_of(values, kind: re.Pattern) -> set[str]:
    """The numbers of one kind that `_variables.yml` holds."""
    if isinstance(values, dict):
        return set().union(*(numbers_of(value, kind) for value in values.values()))
    return set(kind.findall(str(values)))


def prose(source: Path) -> str:
    """A page without front matter, code, links' targets and shortcodes."""
    text = re.sub(r"\A---\n.*?\n---\n", "", source.read_text("utf-8"), flags=re.DOTALL)
    for noise in (r"```.*?```", r"`[^`]*`", r"\{\{<.*?>\}\}", r"\]\([^)]*\)", r"\{[^}]*\}", r"\$[^$]*\$"):
        text = re.sub(noise, " ", text, flags=re.DOTALL)
    return text


HELD = {
    key: part for key, part in preview.variables(paths.ROOT).items() if key not in ("environment", "scorer")
}
BY_HAND = [source for source in SOURCES if source.suffix == ".qmd" and source.parent.name != "models"]


@pytest.mark.parametrize("source", BY_HAND, ids=lambda path: path.stem)
def test_no_number_is_typed_that_the_results_hold(source):
    """A number by hand would stay when the results change."""
    text = prose(source)
    assert set(DECIMAL.findall(text)) & numbers_of(HELD, DECIMAL) == set()
    assert set(WHOLE.findall(text)) & numbers_of(HELD["edgejson"], WHOLE) == set()


def test_a_typed_number_is_found(tmp_path):
    page = tmp_path / "page.qmd"
    page.write_text(
        "---\ntitle: 9.9\n---\n8.0 % of 2000, `1.5`, {{< var a.b >}}, Qwen2.5 in 2.0.0, [x](/300).\n"
    )
    assert DECIMAL.findall(prose(page)) == ["8.0"] and WHOLE.findall(prose(page)) == ["2000"]
    assert numbers_of({"a": {"b": "4.0–15.2 %"}, "c": 500}, DECIMAL) == {"4.0", "15.2"}


def test_pages_of_models_are_those_of_the_board(pages):
    linked = {
        Path(link).name
        for link in pages["site/leaderboard.html"].links
        if "models/" in link and "/card-" not in link
    }
    built = {Path(name).name for name in PAGES if name.startswith("site/models/") and "/card-" not in name}
    assert linked == built != set()


def test_no_page_runs_what_a_model_wrote(site):
    """Beside the renderer's own, the one script is ours, the same on every page."""
    ours = (paths.ROOT / "site/script.html").read_text("utf-8").strip()
    for name in PAGES:
        main = re.search(r"<main.*</main>", (site / name).read_text("utf-8"), re.DOTALL)[0]
        assert "<script" not in main.replace(ours, ""), name
        main = main.replace('onclick="window.quartoListingCategory(', "")  # the filter of the blog
        assert not re.search(r"<[^>]+\son(error|load|click)=", main), name


def weight(site, name: str) -> tuple[int, int]:
    """Bytes of a page with its styles, scripts and fonts: as they lie, and as they travel (gzip)."""
    page = site / name
    files = {page, *(page.parent / load for load in Page(page).loads if not load.startswith("data:"))}
    files = {file.resolve() for file in files if file.suffix in (".html", ".css", ".js")}
    sheets = {sheet for sheet in files if sheet.suffix == ".css"}
    fonts = {
        (sheet.parent / found).resolve()
        for sheet in sheets
        for found in re.findall(r"url\([\"']?([^\"')?]+\.woff2)", sheet.read_text("utf-8"))
    }
    plain = sum(file.stat().st_size for file in files | fonts)
    packed = sum(len(gzip.compress(file.read_bytes(), mtime=0)) for file in files | fonts)
    return plain, packed


@pytest.mark.parametrize("name", ["index.html", "site/leaderboard.html"])
def test_a_page_is_light(site, name):
    """Without figures, and with every font that a style could ask for."""
    _, packed = weight(site, name)
    assert packed < 500_000


def test_the_leaderboard_names_a_check_that_there_is():
    page = (paths.ROOT / "site/leaderboard.qmd").read_text("utf-8")
    assert "python -m slmlib.evaluation.submission data/results/edgejson/RUN.json" in page
    assert (paths.ROOT / "slmlib/evaluation/submission.py").exists()


def test_workflows_and_templates_are_readable():
    for path in (paths.ROOT / ".github").rglob("*.yml"):
        assert isinstance(yaml.safe_load(path.read_text("utf-8")), dict), path
    pages = yaml.safe_load((paths.ROOT / ".github/workflows/pages.yml").read_text("utf-8"))
    assert "quarto render" in [step.get("run") for step in pages["jobs"]["render"]["steps"]]


def test_the_leaderboard_leads_to_its_evidence(pages):
    evidence = [link for link in pages["site/leaderboard.html"].links if link.endswith(".jsonl.gz")]
    assert evidence


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_shown_with_their_outputs(site, pages, notebook):
    """The site promises outputs; a notebook committed without them would be a page of code."""
    cells = json.loads(notebook.read_text("utf-8"))["cells"]
    shown = [output.get("data", {}) for cell in cells for output in cell.get("outputs", [])]
    tables = sum("<table" in "".join(data.get("text/html", "")) for data in shown)
    assert tables, f"{notebook} has no outputs: make notebooks"
    name = notebook.relative_to(paths.ROOT).with_suffix(".html").as_posix()
    text = (site / name).read_text("utf-8")
    assert 'class="cell-output' in text and text.count("<table") >= tables
    assert len(pages[name].images) >= sum("image/png" in data for data in shown)


def test_the_paper_is_a_pdf_with_pages(site):
    data = (site / "paper/paper.pdf").read_bytes()
    assert data.startswith(b"%PDF-") and data.rstrip().endswith(b"%%EOF")
    assert len(data) > 10_000
    assert max(map(int, re.findall(rb"/Count (\d+)", data))) >= 4


def test_the_paper_refers_and_cites(site, pages):
    text = (site / "paper/paper.html").read_text("utf-8")
    cited = set(re.findall(r'href="#ref-([\w-]+)"', text))
    entries = re.findall(
        r"^@\w+\{([\w-]+),", (paths.ROOT / "paper/references.bib").read_text("utf-8"), re.MULTILINE
    )
    assert cited == set(entries) and not [key for key, n in Counter(entries).items() if n > 1]
    assert {"fig-leaderboard", "tbl-leaderboard", "sec-results"} <= pages["paper/paper.html"].ids


def test_numbers_in_prose_come_from_the_results():
    """A misspelt name would leave a hole in a sentence; real Quarto writes `?var` and goes on."""
    values = preview.variables(paths.ROOT)
    for source in [*SOURCES, *INCLUDED]:
        for key in re.findall(r"\{\{<\s*var\s+(\S+)\s*>\}\}", source.read_text("utf-8")):
            assert preview.variable(key, values, source)


def test_sources_ask_for_nothing_from_the_machine():
    """Includes stay inside the repository."""
    for source in [*SOURCES, *INCLUDED]:
        assert not re.search(r"include\s+(\.\./)+\.\.|\{\{<\s*env", source.read_text("utf-8")), source


@pytest.mark.parametrize("name", GUIDES)
def test_guides_link_to_files_that_exist(name):
    """Links of README, CONTRIBUTING and data card are followed on GitHub, where no build checks them."""
    guide = paths.ROOT / name
    links = re.findall(r"\]\(([^)\s]+)\)", guide.read_text("utf-8"))
    local = [link.partition("#")[0] for link in links if not urlsplit(link).scheme]
    assert [link for link in local if link and not (guide.parent / unquote(link)).exists()] == []


def tree_entries(name: str, heading: str) -> list[str]:
    """Paths in a guide's tree: the leading names of each line, below the last folder at the margin."""
    text = (paths.ROOT / name).read_text("utf-8")
    tree = re.search(rf"## {heading}\s+```\n(.*?)```", text, re.DOTALL)[1]
    folder, found = "", []
    for line in tree.splitlines():
        names = match[1].split() if (match := TREE_ENTRY.match(line.strip())) else []
        assert names, f"{name}: the tree has a line without a path: {line}"
        folder = folder if line.startswith(" ") else ""
        found += [folder + name for name in names]
        folder = folder or names[0]
    return found


@pytest.mark.parametrize(("name", "heading"), TREES)
def test_the_trees_in_the_guides_are_there(name, heading):
    """A file that was moved or renamed must not live on in README or CONTRIBUTING."""
    found = tree_entries(name, heading)
    assert len(found) == len(set(found)) > 15
    assert [entry for entry in found if not (paths.ROOT / entry).exists()] == []


def test_the_tree_of_edgejson_is_complete():
    """Who looks for where a thing is made finds every module there."""
    found = tree_entries(*TREES[1])
    folder = paths.ROOT / "slmlib/edgejson"
    there = {path.relative_to(paths.ROOT).as_posix() for path in folder.glob("[!_]*.py")}
    there |= {path.parent.relative_to(paths.ROOT).as_posix() + "/" for path in folder.glob("[!_]*/*")}
    assert there - set(found) == set()


def chromium(*options: str, folder: Path) -> str:
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={folder / 'profile'}", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=600, check=True).stdout


needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on the PATH")

# Scroll widths do not tell: a layout may clip what is too wide. So every element is measured.
HARNESS = """<!doctype html><body><pre id="out"></pre><script>
const pages = PAGES, found = {};
let waiting = 3 * pages.length;
function scrolls(element) {
  const box = element.parentElement;
  if (!box || box.tagName == "BODY") return false;
  return /auto|scroll/.test(getComputedStyle(box).overflowX) || scrolls(box);
}
function wide(root) {
  return [...root.querySelectorAll("body *")]
    .filter(e => e.getBoundingClientRect().right > root.clientWidth + 1 && !e.closest("svg") && !scrolls(e))
    .map(e => `${e.tagName}.${e.className} ${e.textContent.slice(0, 40)}`);
}
for (const page of pages) for (const width of [390, 768, 1280]) {
  const frame = document.createElement("iframe");
  frame.style = `width: ${width}px; height: 900px; border: 0`;
  frame.onload = () => {
    found[`${width} ${page}`] = wide(frame.contentDocument.documentElement);
    if (!--waiting) document.getElementById("out").textContent = JSON.stringify(found);
  };
  frame.src = page;
  document.body.append(frame);
}
</script>"""


@pytest.mark.browser
@needs_chromium
def test_no_page_is_wider_than_the_window(site, tmp_path):
    """At the width of a phone, a tablet and a desk: tables and code scroll in their own box."""
    harness = tmp_path / "harness.html"
    addresses = [(site / name).as_uri() for name in PAGES]
    harness.write_text(HARNESS.replace("PAGES", json.dumps(addresses)))
    text = chromium("--virtual-time-budget=60000", "--dump-dom", harness.as_uri(), folder=tmp_path)
    found = json.loads(html.unescape(re.search(r'<pre id="out">(.*?)</pre>', text)[1]))
    assert len(found) == 3 * len(PAGES)
    assert {page: wide for page, wide in found.items() if wide} == {}


@pytest.mark.browser
@needs_chromium
@pytest.mark.parametrize("width", [390, 1280])
def test_the_home_page_is_dark_when_painted(site, tmp_path, width):
    from PIL import Image

    picture = Path(os.environ.get("SLMBENCH_SCREENSHOTS") or tmp_path) / f"home-{width}.png"
    page = (site / "index.html").as_uri()
    chromium(f"--window-size={width},1600", f"--screenshot={picture}", page, folder=tmp_path)
    colours = Image.open(picture).convert("RGB").getcolors(maxcolors=1 << 24)
    assert max(colours)[1] == (10, 10, 10)

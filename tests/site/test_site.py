"""The built site: links resolve, numbers come from results, nothing loads from the web or runs.

It is built once, from the sources in the checkout, as a preview, which needs no Quarto.
"""

import gzip
import html
import json
import re
from collections import Counter
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree

import prose
import pytest
import yaml

from slmlib.core import paths

CONFIG = yaml.safe_load((paths.ROOT / "_quarto.yml").read_text("utf-8"))
ADDRESS = CONFIG["website"]["site-url"].rstrip("/")
SOURCES = sorted(
    path for pattern in CONFIG["project"]["render"] for path in paths.ROOT.glob(pattern)
)
PAGES = [path.relative_to(paths.ROOT).with_suffix(".html").as_posix() for path in SOURCES]
WRITTEN = [path for path in SOURCES if path.suffix == ".qmd"]
GENERATED = "<!-- Written by"
GUIDES = ["README.md", "CONTRIBUTING.md", "data/edgejson/README.md"]  # read on GitHub, in no build
UNFINISHED = re.compile(r"\{\{<|\?@|\?var|\bTODO\b|\bTBD\b|lorem ipsum", re.IGNORECASE)
MOVED = [  # addresses that were published once
    "leaderboard", "benchmarks", "edgejson", "edgeintent", "edgefunccall", "cards", "evaluate",
    "request", "notebooks", "site/cards", "site/blog/posts/week-one",
    *(f"site/benchmarks/{name}" for name in ("index", "edgejson", "edgeintent", "edgefunccall")),
]  # fmt: skip
CONSTANTS = [  # confidence level, chance, definitions of size classes
    "95 %", "hance is 0.50", "under 10 megabytes", "5 to 250 megabytes", "125 megabytes",
    "100 kilobytes to 100 gigabytes", "10 million, 250 million and 4 billion", "250 million",
]  # fmt: skip


@dataclass
class Page(HTMLParser):
    """The links, images, ids, metadata and loaded files of a page."""

    path: Path
    links: list[str] = field(default_factory=list)
    images: list[dict] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)
    meta: dict[str, str] = field(default_factory=dict)

    def __post_init__(self):
        super().__init__()
        self.text = self.path.read_text("utf-8")
        self.title = re.search(r"<title>(.*?)</title>", self.text, re.DOTALL)[1].strip()
        self.feed(self.text)

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        if values.get("id"):
            self.ids.add(values["id"])
        if tag == "a" and values.get("href"):
            self.links.append(values["href"])
        if tag == "img":
            self.images.append(values)
        if tag == "meta" and "content" in values:
            self.meta[values.get("name") or values.get("property") or ""] = values["content"]
        if tag in ("script", "link", "iframe", "img") and (values.get("src") or values.get("href")):
            self.loads.append(values.get("src") or values["href"])


@pytest.fixture(scope="module")
def pages(site):
    return {name: Page(site / name) for name in PAGES}


def test_pages_are_complete(pages):
    """A variable or reference that does not resolve would leave its source in the page."""
    for name, page in pages.items():
        visible = html.unescape(
            re.sub(r"<(script|style)\b.*?</\1>", "", page.text, flags=re.DOTALL)
        )
        assert page.title and "</html>" in page.text, name
        # the first link skips to the content
        assert page.links[0] == "#quarto-document-content" and page.links[0][1:] in page.ids, name
        assert not UNFINISHED.search(visible), f"{name}: {UNFINISHED.search(visible)}"
    assert [
        title for title, n in Counter(page.title for page in pages.values()).items() if n > 1
    ] == []


def test_links_resolve(site, pages):
    page_at = cache(Page)
    for name, page in pages.items():
        for link in page.links:
            if urlsplit(link).scheme in ("http", "https", "mailto"):
                continue
            target, _, anchor = link.partition("#")
            path = (page.path.parent / unquote(target)).resolve() if target else page.path
            path = path / "index.html" if path.is_dir() else path
            assert path.is_file() and path.is_relative_to(site.resolve()), f"{name} links to {link}"
            if anchor and path.suffix == ".html" and not anchor.startswith("category="):  # a filter
                assert unquote(anchor) in page_at(path).ids, f"{name} links to {link}"


def test_images_have_alternative_text_and_nothing_is_loaded_from_the_web(site, pages):
    for name, page in pages.items():
        for image in page.images:
            assert (image.get("alt") or "").strip(), f"{name}: {image['src'][:80]} has no alt text"
            local = not image["src"].startswith("data:")
            assert not local or (page.path.parent / unquote(image["src"])).is_file(), image["src"]
        assert [load for load in page.loads if re.match(r"(https?:)?//", load)] == [], name
    outside = re.compile(r"(@import|url\()\s*[\"']?(https?:)?//")
    sheets = list(site.rglob("*.css"))
    assert sheets and [s for s in sheets if outside.search(s.read_text("utf-8"))] == []


def test_pages_describe_themselves_to_search_engines_and_networks(site, pages):
    for source in WRITTEN:
        name = source.relative_to(paths.ROOT).with_suffix(".html").as_posix()
        meta = pages[name].meta
        assert 20 < len(meta["description"]) < 200, name
        assert meta["og:title"] and meta["og:description"] and meta["twitter:card"], name
        picture = meta["og:image"].removeprefix(f"{ADDRESS}/")
        assert picture.endswith(".png") and (site / picture).is_file(), f"{name}: {picture}"


def test_old_and_short_addresses_lead_to_a_page():
    """Addresses that were published once must not die when pages move."""
    aliases = [alias for path in WRITTEN for alias in prose.front(path).get("aliases", [])]
    addresses = [alias.removeprefix("/").removesuffix(".html") for alias in aliases]
    assert set(MOVED) <= set(addresses) and len(set(addresses)) == len(addresses)
    assert {f"{address}.html" for address in addresses}.isdisjoint(PAGES)


def test_sitemap_and_domain(site):
    tree = ElementTree.parse(site / "sitemap.xml")
    places = [node.text for node in tree.iter("{http://www.sitemaps.org/schemas/sitemap/0.9}loc")]
    assert sorted(places) == sorted(f"{ADDRESS}/{name}" for name in PAGES)
    assert (site / "CNAME").read_text().strip() == ADDRESS.removeprefix("https://")


def test_the_feed_has_every_post(site):
    channel = ElementTree.parse(site / "site/blog/index.xml").find("channel")
    assert all(channel.findtext(tag) for tag in ("title", "link", "description"))
    items = channel.findall("item")
    for item in items:
        assert item.findtext("title") and item.findtext("description") and item.findtext("guid")
        assert parsedate_to_datetime(item.findtext("pubDate"))
    posts = [name for name in PAGES if name.startswith("site/blog/posts/")]
    assert (
        sorted(item.findtext("link").removeprefix(f"{ADDRESS}/") for item in items) == posts != []
    )


def test_no_measured_number_is_typed():
    """A number typed by hand would stay when the results change."""
    written = [path for path in WRITTEN if GENERATED not in path.read_text("utf-8")]
    included = [*paths.ROOT.glob("site/*.md"), *paths.ROOT.glob("site/blog/**/*.md")]
    for path in [*written, *included]:
        if paths.ROOT / "paper" not in path.parents:  # the paper has its own test
            assert prose.typed_numbers(path, CONSTANTS) == [], path


def test_each_model_on_the_board_has_a_page(pages):
    def models(links):
        names = {Path(link).name for link in links if "/models/" in f"/{link}"}
        return {name for name in names if not name.startswith("card-")}

    assert models(pages["site/leaderboard.html"].links) == models(PAGES) != set()
    answers = [link for link in pages["site/edgejson/analysis.html"].links if "jsonl.gz" in link]
    assert answers, "the analysis links to no answers"


def test_no_page_runs_what_a_model_wrote(pages):
    """Beside the renderer's own scripts there is one, ours, the same on every page."""
    ours = (paths.ROOT / "site/script.html").read_text("utf-8").strip()
    for name, page in pages.items():
        main = re.search(r"<main.*</main>", page.text, re.DOTALL)[0]
        main = main.replace(ours, "").replace('onclick="window.quartoListingCategory(', "")
        assert "<script" not in main and not re.search(r"<[^>]+\son(error|load|click)=", main), name


def test_pages_are_light(site):
    """Compressed, without figures, with every font that a style could ask for."""
    for name in ("index.html", "site/leaderboard.html"):
        page = Page(site / name)
        files = {
            (page.path.parent / load).resolve()
            for load in page.loads
            if not load.startswith("data:")
        }
        files = {page.path, *(file for file in files if file.suffix in (".html", ".css", ".js"))}
        for sheet in [file for file in files if file.suffix == ".css"]:
            fonts = re.findall(r"url\([\"']?([^\"')?]+\.woff2)", sheet.read_text("utf-8"))
            files |= {(sheet.parent / font).resolve() for font in fonts}
        assert sum(len(gzip.compress(file.read_bytes(), mtime=0)) for file in files) < 500_000, name


def test_notebooks_are_shown_with_their_outputs(pages):
    for path in [source for source in SOURCES if source.suffix == ".ipynb"]:
        cells = json.loads(path.read_text("utf-8"))["cells"]
        shown = [output.get("data", {}) for cell in cells for output in cell.get("outputs", [])]
        count = sum("<table" in "".join(data.get("text/html", "")) for data in shown)
        page = pages[path.relative_to(paths.ROOT).with_suffix(".html").as_posix()]
        assert shown and 'class="cell-output' in page.text, f"{path} has no outputs: make notebooks"
        assert page.text.count("<table") >= count, path
        assert len(page.images) >= sum("image/png" in data for data in shown), path


# Guides, which are read on GitHub -------------------------------------------------------------


def test_guides_link_to_files_that_exist():
    for name in GUIDES:
        guide = paths.ROOT / name
        for link in re.findall(r"\]\(([^)\s]+)\)", guide.read_text("utf-8")):
            local = "" if urlsplit(link).scheme else unquote(link.partition("#")[0])
            assert not local or (guide.parent / local).exists(), f"{name}: {link}"


def test_trees_in_guides_name_files_that_exist():
    """A file that was moved or renamed must not live on in README or CONTRIBUTING."""
    for name, heading in (("README.md", "Layout"), ("CONTRIBUTING.md", "How EdgeJSON is made")):
        text = (paths.ROOT / name).read_text("utf-8")
        parents: list[tuple[int, str]] = []
        for line in re.search(rf"## {heading}\s+```\n(.*?)```", text, re.DOTALL)[1].splitlines():
            indent = len(line) - len(line.lstrip())
            parents = [(depth, folder) for depth, folder in parents if depth < indent]
            entries = re.match(r"\s*((?:\S+ )*?\S+)(?:  |$)", line)[1].split()
            entries = [
                e for e in entries if re.fullmatch(r"[\w./]+(/|\.\w+)|Makefile|Snakefile", e)
            ]
            assert entries, f"{name}: no path in {line!r}"
            for entry in entries:
                path = paths.ROOT.joinpath(*(folder for _, folder in parents), entry)
                assert path.exists(), f"{name}: {path.relative_to(paths.ROOT)} is not there"
            parents.append((indent, entries[0]))

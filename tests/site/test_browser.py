"""The site in a browser, as readers use it: by mouse, by keyboard alone, on a phone.

Needs Chromium (`apt-get install chromium`) and Playwright for Python. Without either it is skipped.
"""

import shutil
from importlib.resources import files
from urllib.parse import parse_qs, urlsplit

import pytest

sync_api = pytest.importorskip(
    "playwright.sync_api", reason="no Playwright: pip install playwright"
)

pytestmark = pytest.mark.browser
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, BROWSERS)), None)
OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
BOARD = "site/leaderboard.html"
MODEL = "site/edgejson/models/smollm2-135m-instruct.html"
AUDITED = [  # one page of each kind
    "index.html",
    BOARD,
    MODEL,
    "site/edgejson/data-card.html",
    "site/tasks.html",
    "site/edgejson/index.html",
    "site/edgejson/analysis.html",
    "site/edgefunccall/index.html",
    "site/evaluation.html",
    "site/request.html",
    "site/notebooks.html",
    "site/blog/index.html",
    "notebooks/02_evaluate.html",
    "paper/paper.html",
]
# Scroll widths are no measure, as a layout may clip what is too wide: every element is measured.
TOO_WIDE = """() => {
  const root = document.documentElement;
  document.querySelectorAll("details").forEach(details => details.open = true);
  const scrolls = element => {
    const box = element.parentElement;
    if (!box || box.tagName == "BODY") return false;
    return /auto|scroll/.test(getComputedStyle(box).overflowX) || scrolls(box);
  };
  return [...root.querySelectorAll("body *")]
    .filter(e => e.getBoundingClientRect().right > root.clientWidth + 1)
    .filter(e => !e.closest("svg") && !scrolls(e))
    .map(e => `${e.tagName}.${e.className} ${e.textContent.slice(0, 40)}`);
}"""


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        try:
            started = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        except sync_api.Error as error:
            pytest.skip(f"no Chromium: apt-get install chromium ({str(error).splitlines()[0]})")
        yield started
        started.close()


@pytest.fixture
def visit(browser, site):
    """Open a page of the site; what it asks of the network is kept in `page.outside`."""
    opened = []

    def go(name, width=1280, **options):
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        opened.append(context)
        page = context.new_page()
        page.set_default_timeout(5000)
        page.outside = []

        def note(request):
            if not request.url.startswith(("file:", "data:")):
                page.outside.append(request.url)

        page.on("request", note)
        page.goto((site / name).as_uri(), timeout=60_000)  # the machine may be busy
        return page

    yield go
    for context in opened:
        context.close()


def column(page, name) -> list[str]:
    """The visible cells below a heading of the board."""
    headers = page.locator(".board th").all_inner_texts()
    index = [header.strip() for header in headers].index(name)
    return page.locator(f".board tbody tr:visible td:nth-child({index + 1})").all_inner_texts()


def test_the_board_begins_with_the_ranked_split_and_is_filtered(visit):
    page = visit(BOARD)
    assert set(column(page, "Split")) == {"test_unseen"}
    shown = page.get_by_role("status").inner_text()
    assert shown == f"{len(column(page, 'Rank'))} of {page.locator('.board tbody tr').count()} rows"
    page.get_by_label("Split").select_option("test_noisy")
    page.get_by_label("Class").select_option("MLM")
    page.get_by_label("Decoding").select_option("constrained")
    assert set(column(page, "Split")) == {"test_noisy"}
    assert set(column(page, "Class")) == {"MLM", "control"}  # controls are always shown
    assert set(column(page, "Decoding")) == {"constrained", "–"}
    page.get_by_label("Split").select_option("")
    assert len(set(column(page, "Split"))) == 3


def test_the_board_is_sorted_by_keyboard_alone(visit):
    page = visit(BOARD)
    button = page.get_by_role("button", name="FieldF1", exact=True)
    button.focus()
    for key, order in (("Enter", "ascending"), ("Space", "descending")):
        page.keyboard.press(key)
        values = [float(cell.split()[0]) for cell in column(page, "FieldF1")]
        assert values == sorted(values, reverse=order == "descending")
        heading = page.locator(".board th").filter(has=button)
        assert heading.get_attribute("aria-sort") == order
    ordered = ".board th[aria-sort=descending], .board th[aria-sort=ascending]"
    assert page.locator(ordered).count() == 1


def test_what_has_no_number_comes_last_and_sizes_are_sorted_as_numbers(visit):
    page = visit(BOARD)
    for _ in ("ascending", "descending"):
        page.get_by_role("button", name="tok/s", exact=True).click()
        cells = column(page, "tok/s")
        blank = cells.index("–")
        assert blank and set(cells[blank:]) == {"–"}
    page.get_by_role("button", name="Size", exact=True).click()
    sizes = [cell for cell in column(page, "Size") if cell != "–"]
    assert sizes.index("135M") < sizes.index("494M")


def test_a_row_opens_the_page_of_its_model(visit):
    page = visit(BOARD)
    page.locator(".board tbody a", has_text="smollm2-135m-instruct").first.click()
    assert page.locator("h1").inner_text() == "SmolLM2-135M-Instruct on EdgeJSON"
    folded = page.locator("details").first
    assert folded.locator("table").is_hidden()
    folded.locator("summary").focus()
    page.keyboard.press("Enter")
    assert folded.locator("table").is_visible()
    assert "slmbench notebook" in page.locator("pre").last.inner_text()


def test_the_calls_to_action_lead_where_they_say(visit):
    page = visit("index.html")
    page.get_by_role("link", name="View Leaderboard").click()
    assert page.locator("h1").inner_text() == "Leaderboard"
    page.go_back()
    page.get_by_role("link", name="Request Evaluation", exact=True).click()
    assert page.locator("h1").inner_text() == "Request an evaluation"
    mail = urlsplit(page.get_by_role("link", name="Write an e-mail").get_attribute("href"))
    assert (mail.scheme, mail.path) == ("mailto", "evaluation@slmbench.com")
    query = parse_qs(mail.query)
    assert query["subject"][0].startswith("Evaluation request") and "Licence:" in query["body"][0]


def test_the_first_stop_of_the_keyboard_leads_past_the_header(visit):
    page = visit("index.html")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip-link"
    assert page.locator(".skip-link").bounding_box()["x"] >= 0
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('main') !== null")


def test_without_scripts_the_board_is_a_whole_table(visit):
    page = visit(BOARD, java_script_enabled=False)
    rows = page.locator(".board tbody tr")
    assert rows.count() == page.locator(".board tbody tr:visible").count() > 10


def test_on_a_phone_the_navigation_opens(visit):
    page = visit(BOARD, width=390)
    page.get_by_role("button", name="Toggle navigation").click()
    page.get_by_role("link", name="Evaluate a model", exact=True).first.wait_for(state="visible")


def test_printed_it_is_dark_on_light(visit):
    page = visit(MODEL)
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.locator("#quarto-header").is_visible()
    assert page.locator("details table").first.is_visible()


def test_no_page_is_wider_than_the_window(visit, site):
    """On a phone, a tablet and a desk: tables and code scroll in their own box."""
    pages = [path for path in site.rglob("*.html") if "<main" in path.read_text("utf-8")]
    assert len(pages) > 20
    page, wide = visit("index.html"), {}
    for path in pages:
        page.goto(path.as_uri(), timeout=60_000)
        for width in (390, 768, 1280):
            page.set_viewport_size({"width": width, "height": 900})
            if elements := page.evaluate(TOO_WIDE):
                wide[f"{width} {path.relative_to(site)}"] = elements
    assert wide == {}


@pytest.mark.parametrize("name", AUDITED)
def test_an_audit_finds_nothing_serious(visit, name):
    """By axe-core, on a desk and on a phone; and no page asks the network for anything."""
    reason = "no axe-core: pip install axe-playwright-python"
    pytest.importorskip("axe_playwright_python", reason=reason)
    page = visit(name, width=390 if name == BOARD else 1280)
    page.wait_for_load_state("networkidle")
    assert page.outside == []
    page.evaluate(files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8"))
    audit = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    serious = [
        f"{violation['id']}: {violation['nodes'][0]['html'][:200]}"
        for violation in audit["violations"]
        if violation["impact"] in ("serious", "critical")
    ]
    assert serious == []

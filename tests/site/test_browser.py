"""The site in a browser, as readers use it: with a mouse, by keyboard alone, on a phone, without scripts.

Needs Chromium (`apt-get install chromium`) and Playwright for Python. Without either it is skipped.
"""

import shutil
from importlib.resources import files
from urllib.parse import parse_qs, urlsplit

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="no Playwright: pip install playwright")

pytestmark = pytest.mark.browser
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
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
        page.on(
            "request", lambda r: page.outside.append(r.url) if not r.url.startswith(("file:", "data:")) else 0
        )
        page.goto((site / name).as_uri(), timeout=60_000)  # the paper is long, and the machine may be busy
        return page

    yield go
    for context in opened:
        context.close()


def column(page, name) -> list[str]:
    """The visible cells below a heading of the board."""
    headers = page.locator(".board th").all_inner_texts()
    index = [header.strip() for header in headers].index(name)
    return page.locator(f".board tbody tr:visible td:nth-child({index + 1})").all_inner_texts()


def header(page, name):
    return page.locator(".board th").filter(has=page.get_by_role("button", name=name, exact=True))


def test_the_board_begins_with_the_ranked_split(visit):
    page = visit(BOARD)
    assert set(column(page, "Split")) == {"test_unseen"}
    told = page.get_by_role("status").inner_text()
    assert told == f"{len(column(page, 'Rank'))} of {page.locator('.board tbody tr').count()} rows"


def test_the_board_is_filtered(visit):
    page = visit(BOARD)
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
    page.keyboard.press("Enter")
    values = [float(cell.split()[0]) for cell in column(page, "FieldF1")]
    assert values == sorted(values) and header(page, "FieldF1").get_attribute("aria-sort") == "ascending"
    page.keyboard.press("Space")
    values = [float(cell.split()[0]) for cell in column(page, "FieldF1")]
    assert values == sorted(values, reverse=True)
    assert header(page, "FieldF1").get_attribute("aria-sort") == "descending"
    assert page.locator(".board th[aria-sort=descending], .board th[aria-sort=ascending]").count() == 1


@pytest.mark.parametrize("clicks", [1, 2])
def test_what_has_no_number_comes_last(visit, clicks):
    page = visit(BOARD)
    for _ in range(clicks):
        page.get_by_role("button", name="tok/s", exact=True).click()
    cells = column(page, "tok/s")
    blank = cells.index("–")
    assert blank and set(cells[blank:]) == {"–"}


def test_sizes_are_sorted_by_what_they_stand_for(visit):
    page = visit(BOARD)
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


@pytest.mark.parametrize("name", ["index.html", BOARD, MODEL])
def test_on_a_phone_the_page_does_not_move_sideways(visit, name):
    page = visit(name, width=390)
    page.evaluate("window.scrollTo(1000, 0)")
    assert page.evaluate("window.scrollX") == 0
    page.get_by_role("button", name="Toggle navigation").click()
    page.get_by_role("link", name="Evaluate a model", exact=True).first.wait_for(state="visible")


def test_printed_it_is_dark_on_light(visit):
    page = visit(MODEL)
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.locator("#quarto-header").is_visible()
    assert page.locator("details table").first.is_visible()


@pytest.mark.parametrize("name", ["index.html", BOARD, "site/blog/index.html"])
def test_nothing_is_asked_of_the_network(visit, name):
    page = visit(name)
    page.wait_for_load_state("networkidle")
    assert page.outside == []


@pytest.mark.parametrize("name", AUDITED)
def test_an_audit_finds_nothing_serious(visit, name):
    """axe-core, as the wheel `axe-playwright-python` brings it; its own finding is told."""
    pytest.importorskip("axe_playwright_python", reason="no axe-core: pip install axe-playwright-python")
    page = visit(name)
    page.evaluate(files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8"))
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    serious = [
        f"{v['id']}: {v['nodes'][0]['html'][:200]}" for v in found if v["impact"] in ("serious", "critical")
    ]
    assert serious == []


def test_a_phone_gets_the_same_audit_of_the_board(visit):
    test_an_audit_finds_nothing_serious(lambda name: visit(name, width=390), BOARD)

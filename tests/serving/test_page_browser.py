"""The page as a person has it: a real Chromium asks a real server, and documents that would like to be programs."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("playwright", reason="playwright is not installed")

from tests.full_memory import ASKED
from tests.handmade import WordEncoder, models
from tests.hostile import HOSTILE
from tests.serving.browser import CHROMIUM, WITHOUT, Watched, listening, opened, playwright_browser
from tests.serving.conftest import ADMIN, READER, writer
from tests.serving.conftest import opened as handmade

import quipu
from quipu.serving import schemas
from quipu.serving.app import Server
from quipu.serving.settings import ServeSettings
from quipu.storage.reviews import reviews_in

pytestmark = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason=WITHOUT)]


def as_name(text: str) -> str:
    """As much of a text as can be a file's name."""
    return text.replace("/", "\u2215")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    yield from playwright_browser()


@pytest.fixture(scope="module")
def harbour(memory: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small memory, with a cascade that takes no step that a language model does."""
    path = shutil.copytree(memory, tmp_path_factory.mktemp("page") / "harbour.quipu")
    with quipu.open(path, encoder=WordEncoder()) as found:
        found.keep_settings(replace(found.settings, steps=("lookup",)))
    return path


@pytest.fixture(scope="module")
def url(harbour: Path) -> Iterator[str]:
    with listening(Server([harbour], ServeSettings(), environment={}, opener=handmade)) as found:
        yield found


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A memory where each of HOSTILE is a title, a text, a file's name, a question and an answer."""
    folder = tmp_path_factory.mktemp("hostile")
    docs = folder / "docs"
    docs.mkdir()
    with (docs / "records.jsonl").open("w") as records:
        for number, text in enumerate(HOSTILE):
            (docs / f"{as_name(text)}.txt").write_text(f"The mast {text} is {number * 7 + 1} metres high.\n")
            said = f"The buoy {text} weighs {number * 7 + 1} tonnes."
            records.write(json.dumps({"id": f"r{number}", "title": text, "text": said}) + "\n")
    with (folder / "pairs.csv").open("w", newline="") as pairs:
        csv.writer(pairs).writerows(
            [["question", "answer"], *([text, f"{text} {n}"] for n, text in enumerate(HOSTILE))]
        )
    with quipu.build([docs], folder / "hostile.quipu", pairs=folder / "pairs.csv", **models()) as made:
        made.keep_settings(replace(made.settings, steps=("lookup",)))
        return made.path


def shown(kind: str, **changed: Any) -> dict[str, Any]:
    """An answer as the server gives it, of the schema that it documents. ``kind``: what its document is called."""
    passage = "Ships come in. They pay \U0001f6a2 on Tuesday. Then they go."
    at = 500 + passage.index("Tuesday")
    place = {
        "document": f"{kind}.md", "title": kind, "start": at, "end": at + 7, "page": 2, "line": 3,
        "headings": [kind, "Rules"], "quote": "Tuesday", "passage": passage, "passage_start": 500,
        "stored_pair": {"id": "ab", "question": "When do ships pay?", "answer": "Tuesday"},
    }  # fmt: skip
    step = {"route": "lookup", "text": None, "probability": 0.2, "reason": kind, "milliseconds": 3.0, "held": "Monday"}
    answer = {
        "question": "When do ships pay?", "text": "Tuesday", "score": 0.9, "probability": 0.9, "abstained": False,
        "pair": place["stored_pair"], "evidence": [place], "route": "lookup", "reason": kind, "milliseconds": 4.2,
        "held": None, "generated": True, "nearest": None, "date": {"text": "2024", "by": "file"},
        "elsewhere": [{**place, "text": "Monday", "pair": "cd", "date": {"text": kind, "by": "added"}, "newer": True}],
        "tried": [step], "asked_together": 1, "memory": "harbour", **changed,
    }  # fmt: skip
    kinds: list[tuple[Any, Any]] = [(schemas.AnswerShown, answer), (schemas.Tried, step)]
    kinds += [(schemas.PairName, place["stored_pair"])]
    kinds += [(schemas.PlaceShown, item) for item in answer["evidence"]]
    kinds += [(schemas.Elsewhere, item) for item in answer["elsewhere"]]
    for schema, given in kinds:  # fields may be added to the API; one that is named here must be there
        assert set(given) <= set(schema.model_fields)
    return answer


def refused(kind: str, **changed: Any) -> dict[str, Any]:
    """One that holds "Monday" back."""
    nearest = {
        "sentence": kind, "document": f"{kind}.md", "title": kind, "start": 0, "end": 4, "page": None, "line": 1,
        "headings": [kind],
    }  # fmt: skip
    given = {
        "text": None, "abstained": True, "route": "abstain", "held": "Monday", "probability": 0.2, "elsewhere": [],
        "date": None, "generated": False, "nearest": nearest,
    }  # fmt: skip
    assert set(nearest) <= set(schemas.Nearest.model_fields)
    return shown(kind, **{**given, **changed})


def answering(watched: Watched, answer: dict[str, Any]) -> None:
    """Have every question answered so."""
    watched.page.unroute("**/ask")
    watched.page.route(
        "**/ask", lambda route: route.fulfill(json={**answer, "question": route.request.post_data_json["question"]})
    )


def refusing(watched: Watched, text: str) -> None:
    """Have every search refused with this text."""
    problem = {"detail": text, "code": text}
    watched.page.route("**/search", lambda route: route.fulfill(status=422, json=problem))


def test_a_question_is_answered_with_its_place(browser: Any, url: str) -> None:
    """The answer, how sure it is, and the very characters of the document; none of it made up by the page."""
    with opened(browser, url) as watched:
        page = watched.page
        page.wait_for_selector(".suggestion")
        said = page.request.post(f"{url}api/v1/harbour/ask", data={"question": ASKED[1]}).json()
        card = watched.ask(ASKED[1])
        text = said["text"] or said["held"]
        assert text == "22 metres"
        if said["text"] is None:
            card.locator(".withheld summary").click()
        assert card.locator(".answer", has_text=text).is_visible()
        assert said["probability"] is None and "not known" in card.locator(".probability").first.text_content()
        place = said["evidence"][0]
        assert card.locator("blockquote mark strong").first.text_content() == place["quote"]
        card.locator("text=Show in document").last.click()
        page.wait_for_selector("#reader[open] mark")
        assert place["quote"] in page.locator("#reader mark").text_content()
        assert place["title"] == page.locator("#reader-title").text_content()


def test_the_mark_is_where_the_characters_are(browser: Any, url: str) -> None:
    """JavaScript counts a ship twice; every mark behind one would be a letter off."""
    with opened(browser, url) as watched:
        answering(watched, shown("port"))
        card = watched.ask("When?")
        assert card.locator("blockquote mark strong").first.text_content() == "Tuesday"
        assert card.locator("blockquote mark").first.text_content() == "They pay \U0001f6a2 on Tuesday."
        assert card.locator(".probability").first.text_content() == "90% very likely"
        assert card.locator("[role=meter]").first.get_attribute("aria-valuenow") == "0.900"
        assert "4.2 ms" in card.locator(".facts").text_content()


def test_a_refusal_says_why_and_holds_its_answer_back(browser: Any, url: str) -> None:
    """An answer that was withheld and is shown anyway is believed."""
    with opened(browser, url) as watched:
        answering(watched, refused("nothing stored speaks of 'Sunday'"))
        card = watched.ask("When on Sunday?")
        assert card.locator(".why").text_content() == "Nothing stored speaks of 'Sunday'."
        assert card.locator("blockquote").first.text_content() == "nothing stored speaks of 'Sunday'"
        held = card.locator(".withheld .answer")
        assert held.is_hidden()
        card.locator(".withheld summary").click()
        assert held.is_visible() and held.text_content() == "Monday"


def test_a_chain_keeps_its_order(browser: Any, url: str) -> None:
    """The second step before the first explains nothing."""
    with opened(browser, url) as watched:
        first, second = (shown(name)["evidence"][0] for name in ("first", "second"))
        answering(watched, shown("chain", route="chain", evidence=[first, second]))
        card = watched.ask("Who then?")
        assert card.locator("ol.steps > li .place strong").all_text_contents() == ["first", "second"]


@pytest.mark.parametrize("writable", [True, False])
def test_feedback_names_the_answer(browser: Any, url: str, writable: bool) -> None:
    """A verdict on another answer than the one that is seen teaches the memory something false.

    A server that may not write keeps no marks: asking for them would always be refused.
    """
    sent = []

    def memories(route: Any) -> None:
        found = route.fetch().json()
        route.fulfill(json={"memories": [{**found["memories"][0], "writable": writable}]})

    def judged(route: Any) -> None:
        sent.append(route.request.post_data_json)
        route.fulfill(json={"verdict": "wrong", "marks": 1})

    watched = Watched(browser, url)
    watched.page.route("**/memories", memories)
    watched.page.route("**/feedback", judged)
    watched.page.goto(url)
    answering(watched, shown("port") | {"answer_id": "signed"})
    card = watched.ask("When?")
    button = card.get_by_role("button", name="Wrong" if writable else "This did not help")
    button.click()
    card.get_by_text("Noted").wait_for()
    assert sent == [{"answer_id": "signed", "verdict": "wrong" if writable else "useless"}]
    assert button.get_attribute("aria-pressed") == "true"
    assert card.locator(".feedback button").count() == (2 if writable else 1)
    answering(watched, shown("port"))
    assert watched.ask("When then?").locator(".feedback").count() == 0
    watched.check()
    watched.context.close()


def test_documents_stay_text(browser: Any, hostile: Path) -> None:
    """A document that becomes a program reads the token of whoever looks at it."""
    with (
        listening(Server([hostile], ServeSettings(), environment={}, opener=handmade)) as url,
        opened(browser, url) as watched,
    ):
        page = watched.page
        for text in HOSTILE:
            card = watched.ask(text)
            assert text in card.text_content()
        page.click("#tab-search")
        for text in HOSTILE[:3]:
            page.fill("#words", text)
            page.press("#words", "Enter")
            page.locator("#hits .question", has_text=text).first.wait_for()
        page.click("#tab-documents")
        page.wait_for_selector("#list li")
        while (more := page.locator("#list > button:visible")).count():
            known = page.locator("#list > ul > li").count()
            more.click()
            page.wait_for_function("n => document.querySelectorAll('#list > ul > li').length > n", arg=known)
        names = " ".join(page.locator("#list .place").all_text_contents())
        found = page.request.get(f"{url}api/v1/hostile/documents", params={"limit": 200}).json()["documents"]
        assert {document["source"].rpartition("/")[2] for document in found} >= {f"{as_name(t)}.txt" for t in HOSTILE}
        for document in found:
            assert document["title"] in names and document["source"].rpartition("/")[2] in names, document
        # a reader leaves out of a record's title what turns the direction of writing
        assert [text for text in HOSTILE if text not in names] == HOSTILE[-1:]
        for row in (0, 1, -1):
            page.locator("#list > ul > li").get_by_role("button", name="Read").nth(row).click()
            page.wait_for_selector("#reader[open] .text")
            page.click("#reader-close")
            page.locator("#list > ul > li summary").nth(row).click()
        page.wait_for_selector("#list details li")
        page.click("#tab-coverage")
        page.wait_for_selector("#covered .totals")
        for tag in ("script", "img", "svg", "iframe", "a", "style", "link", "form form"):
            assert page.locator(f"main .found {tag}").count() == 0, tag
        watched.check()


def test_every_field_stays_text(browser: Any, url: str) -> None:
    """One field that is put in otherwise is enough: reasons, dates, headings, names of routes and of memories too."""
    with opened(browser, url) as watched:
        for text in HOSTILE:
            for answer in (shown(text, text=text, memory=text, held=text), refused(text, held=text)):
                answering(watched, answer)
                card = watched.ask(text)
                assert card.text_content().count(text) >= 6
            refusing(watched, text)
            watched.page.click("#tab-search")
            watched.page.fill("#words", "x")
            watched.page.press("#words", "Enter")
            watched.page.locator("#hits .problem", has_text=text).wait_for()
            watched.page.unroute("**/search")
            watched.page.click("#tab-ask")
        # the browser tells of 422 itself; nothing else was said
        assert {error for error in watched.errors if "422" not in error} == set()
        watched.errors.clear()


def test_the_rules_are_kept_by_the_browser(browser: Any, url: str) -> None:
    """That nothing happened above could also be because nothing was looked at."""
    watched = Watched(browser, url)
    watched.page.goto(url)
    assert "TrustedHTML" in watched.page.evaluate(
        "(() => { try { document.body.innerHTML = 'x' } catch (e) { return e.message } })()"
    )
    watched.page.evaluate("document.head.append(Object.assign(document.createElement('style'), {textContent: 'x{}'}))")
    watched.page.wait_for_function("reports.length >= 2")
    assert {report.split()[0] for report in watched.page.evaluate("reports")} >= {
        "require-trusted-types-for",
        "style-src-elem",
    }
    with pytest.raises(AssertionError):
        watched.check()
    watched.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_it(browser: Any, url: str, scheme: str) -> None:
    """WCAG 2.2 AA as far as axe can tell, in every state of the page, and no scrolling sideways at 320 pixels."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    with opened(browser, url, color_scheme=scheme, viewport={"width": 320, "height": 640}) as watched:
        page = watched.page

        def fine(state: str) -> None:
            found = axe.run(page)
            assert found.violations_count == 0, f"{state}: {found.generate_report()}"
            assert page.evaluate("document.documentElement.scrollWidth") <= 320, state

        page.wait_for_selector(".suggestion")
        fine("start")
        long = "harbour" * 30
        answering(watched, shown(long) | {"answer_id": "signed"})
        for summary in watched.ask("When?").locator("summary").all():
            summary.click()
        fine("answer")
        answering(watched, refused(long))
        for summary in watched.ask("When not?").locator("summary").all():
            summary.click()
        fine("refusal")
        page.unroute("**/ask")
        page.click("#tab-search")
        page.fill("#words", ASKED[1])
        page.press("#words", "Enter")
        page.wait_for_selector("#hits li")
        fine("search")
        page.click("#tab-documents")
        page.wait_for_selector("#list li")
        page.locator("#list summary").first.click()
        page.wait_for_selector("#list details li")
        page.click("#change-token")
        fine("documents")
        page.locator("#list").get_by_role("button", name="Read").first.click()
        page.wait_for_selector("#reader[open]")
        fine("reader")
        page.keyboard.press("Escape")
        page.click("#tab-coverage")
        page.wait_for_selector("#covered .totals")
        fine("coverage")


def test_the_keyboard_is_enough(browser: Any, url: str) -> None:
    """Whoever has no mouse asks, goes through what is found, opens it, closes it, and changes tabs."""
    with opened(browser, url) as watched:
        page = watched.page
        page.wait_for_selector(".suggestion")
        answering(watched, refused("port"))
        focused = "document.activeElement.id || document.activeElement.textContent"
        page.evaluate("document.activeElement.blur()")
        page.keyboard.press("/")
        assert page.evaluate(focused) == "question"
        page.keyboard.type("and/or?")
        page.keyboard.press("Enter")
        page.locator("#answer .card").wait_for()
        assert page.locator("#answer .asked").text_content() == "and/or?"
        for expected in ("Show in document", "Show the withheld answer"):
            page.keyboard.press("ArrowDown")
            assert page.evaluate(focused) == expected
        page.keyboard.press("Enter")
        assert page.locator(".withheld .answer").is_visible()
        page.keyboard.press("ArrowUp")
        page.keyboard.press("ArrowUp")
        assert page.evaluate(focused) == "question"
        page.focus("#tab-ask")
        for key, expected in (
            ("ArrowRight", "search"),
            ("End", "coverage"),
            ("ArrowRight", "ask"),
            ("ArrowLeft", "coverage"),
        ):
            page.keyboard.press(key)
            assert page.evaluate(focused) == f"tab-{expected}" and page.locator(f"#{expected}").is_visible()


def test_nothing_moves_for_those_who_want_no_motion(browser: Any, url: str) -> None:
    """Motion makes some people ill; the setting is theirs."""
    for wanted, moves in (("reduce", False), ("no-preference", True)):
        with opened(browser, url, reduced_motion=wanted) as watched:
            answering(watched, shown("port"))
            name = watched.ask("When?").locator(".filled").evaluate("bar => getComputedStyle(bar).animationName")
            assert (name != "none") is moves


def test_the_token_stays_in_the_tab(browser: Any, harbour: Path) -> None:
    """In an address a token ends in histories and logs; in a cookie another page can use it."""
    server = Server([harbour], ServeSettings(), environment={"QUIPU_TOKEN": READER}, opener=handmade)
    with listening(server) as url:
        with opened(browser, url, f"#token={READER.replace(' ', '%20')}") as watched:
            watched.page.wait_for_selector(".suggestion")
            assert watched.page.evaluate("location.href") == url
            assert watched.page.evaluate("[document.cookie, localStorage.length, sessionStorage.length]") == ["", 0, 1]
            watched.page.reload()
            watched.page.wait_for_selector(".suggestion")
            assert not any("token" in address for address in watched.requests)
        with opened(browser, url) as watched:
            watched.page.wait_for_selector("#token-form:visible")
            assert watched.page.locator("#problem").text_content().startswith("a token is needed")
            watched.page.fill("#token", READER)
            watched.page.press("#token", "Enter")
            watched.page.wait_for_selector(".suggestion")
            assert watched.page.locator("#token-form").is_hidden() and watched.page.locator("#problem").is_hidden()
            watched.errors.clear()  # the browser tells of the 401 itself


def test_a_document_is_added_while_it_is_watched(browser: Any, harbour: Path, tmp_path: Path) -> None:
    """A job whose end is not seen is begun again; one that failed without its reason too."""
    path = shutil.copytree(harbour, tmp_path / "open.quipu")
    settings = ServeSettings(writable=True)
    server = Server([path], settings, environment={"QUIPU_ADMIN_TOKEN": ADMIN}, opener=handmade, writer=writer(path))
    with listening(server) as url, opened(browser, url, f"#token={ADMIN}") as watched:
        page = watched.page
        page.click("#tab-documents")
        page.wait_for_selector("#upload:visible")
        page.wait_for_selector("#list li")
        files = [
            {"name": name, "mimeType": "text/plain", "buffer": text.encode()}
            for name, text in (("<b>mole.txt", "The mole is 77 metres long."), ("mole.exe", "MZ"))
        ]
        page.set_input_files("#files", files)
        page.click("#upload button")
        page.locator("#jobs li", has_text="<b>mole.txt").get_by_text("new pair").wait_for()
        page.locator("#jobs .problem", has_text="has no suffix of a kind").wait_for()
        page.locator("#list .place", has_text="<b>mole.txt").wait_for()
        assert page.locator("#list b").count() == 0
        watched.errors.clear()  # the browser tells of the 422 itself


def test_pairs_are_reviewed_by_keys(browser: Any, harbour: Path, tmp_path: Path) -> None:
    """A key that acts on the pair behind the one that is seen, or one typed into a field, decides blindly."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    path = shutil.copytree(harbour, tmp_path / "open.quipu")
    settings = ServeSettings(writable=True)
    server = Server([path], settings, environment={"QUIPU_ADMIN_TOKEN": ADMIN}, opener=handmade, writer=writer(path))
    with listening(server) as url, opened(browser, url, f"#token={ADMIN}", viewport={"width": 320, "height": 640}) as w:
        page = w.page

        def seen(other: str = "") -> str:
            """The question of the card, once it is another one."""
            page.wait_for_function(
                "q => ![undefined, q].includes(document.querySelector('#waiting .answer')?.textContent)", arg=other
            )
            return str(page.locator("#waiting .answer").text_content())

        page.wait_for_selector(".suggestion")
        page.click("#tab-review")
        first = seen()
        assert page.locator("#waiting blockquote mark strong").count() >= 1
        page.keyboard.press("a")
        second = seen(first)
        page.keyboard.press("r")
        third = seen(second)
        page.keyboard.press("u")
        assert seen(third) == second
        page.keyboard.press("s")
        assert seen(second) == third
        page.keyboard.press("e")
        page.fill("textarea[name=question]", "")
        page.keyboard.type("area?")  # "a" and "r" are letters here
        found = axe.run(page)
        assert found.violations_count == 0, found.generate_report()
        assert page.evaluate("document.documentElement.scrollWidth") <= 320
        page.get_by_role("button", name="Save").click()
        seen(third)
        assert page.locator("#reviewed").text_content() == "Edited."
    with quipu.open(path, read_only=True) as memory:
        said = [(item.decision, item.question) for item in reviews_in(memory.store)][-2:]
        assert said == [("accept", first), ("edit", "area?")]
        assert second in {pair.question for _, pair in memory.store.pairs()}


def test_a_long_document_is_read_to_its_end(browser: Any, tmp_path: Path) -> None:
    """Pieces that are counted in halves of characters overlap, or lose some, where one is beyond U+FFFF."""
    words = " ".join(f"ship{'ab'[number % 2] * (number % 7)} \U0001f6a2" for number in range(2_000))
    (tmp_path / "long.txt").write_text(f"{words}. The tower is 77 metres high. {words}.\n")
    with quipu.build([tmp_path / "long.txt"], tmp_path / "long.quipu", **models()) as made:
        made.keep_settings(replace(made.settings, steps=("lookup",)))
        whole = next(iter(made.store.documents())).text
    server = Server([tmp_path / "long.quipu"], ServeSettings(), environment={}, opener=handmade)
    with listening(server) as url, opened(browser, url) as watched:
        page = watched.page
        page.click("#tab-coverage")
        page.locator("#covered").get_by_role("button", name="Read").nth(2).click()
        page.wait_for_selector("#reader[open] mark")
        for button in ("#reader-before", "#reader-after"):
            while page.locator(button).is_visible():
                known = page.locator("#reader .text").text_content()
                page.click(button)
                page.wait_for_function("n => document.querySelector('#reader .text').textContent.length > n",
                                       arg=len(known.encode("utf-16-le")) // 2)  # fmt: skip
        assert page.locator("#reader .text").text_content() == whole


def test_without_permission_nothing_can_be_added(browser: Any, url: str) -> None:
    """A control that is always refused."""
    with opened(browser, url) as watched:
        watched.page.click("#tab-documents")
        watched.page.wait_for_selector("#list li")
        assert watched.page.locator("#upload").is_hidden()

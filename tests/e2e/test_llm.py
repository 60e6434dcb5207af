"""An external model at work, against a server that fails in all the ways in which servers fail."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.fakes.llm_server import KEY, MODEL, Fake, running
from tests.handmade import WordEncoder, models

import quipu
from quipu.building.external import External, Passing
from quipu.cli.llm_options import OPTIONS
from quipu.cli.main import run
from quipu.cli.verbs import Verbs
from quipu.errors import InputError, MissingExtra, QuipuError, RunStopped, ServerError
from quipu.memory import Memory
from quipu.models.bundle import Models
from quipu.models.remote import exchange
from quipu.models.remote.client import Client
from quipu.models.remote.settings import LlmSettings
from quipu.models.remote.writer import LlmWriter
from quipu.records import Answer, Span
from quipu.storage.content import content_hash
from quipu.storage.ledger import used

TEXT = "The pier is 15 metres long. It was built in 1903 by men."
WHOLE = [("What number follows The pier is?", "15"), ("What number follows was built in?", "1903")]
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[Fake, str]]:
    fake = Fake()
    with running(fake) as url:
        yield fake, url


@pytest.fixture
def fake(server: tuple[Fake, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Fake]:
    """The server as new; tries follow one another at once."""
    monkeypatch.setattr(exchange, "random", SimpleNamespace(random=lambda: 0.0))
    found, _ = server
    vars(found).clear()
    vars(found).update(vars(Fake()))
    yield found


@pytest.fixture
def url(server: tuple[Fake, str]) -> str:
    return server[1]


def proposed(url: str, ledger: Passing, texts: list[str] | None = None, **settings: Any) -> list[Any]:
    """What the writer makes of texts."""
    texts = texts or [TEXT]
    bounds = [[Span(0, 27), Span(28, len(text))] for text in texts]
    with Client(LlmSettings(url=url, model=MODEL, **settings), ledger) as client:
        places = [("d", str(number)) for number in range(len(texts))]
        return LlmWriter(client).propose(texts, bounds, ["Pier"] * len(texts), places, 14)


@pytest.mark.parametrize(
    ("script", "reason", "requests"),
    [
        (["429", "429", "500"], "", 4),
        (["500", "503", "408", "409", "502"], "", 6),
        (["500"] * 6, "no reply from the model", 6),
        (["cut", "html"], "", 3),
        (["hang"], "", 2),
        (["drip"], "", 2),
        (["large"], "no reply from the model", 1),
        (["fenced"], "", 1),
        (["prose-once", "", ""], "", 2),
        (["types"], "", 2),
        (["list", "list", "list", "list"], "unreadable reply", 4),
        (["invented"], "answer not in passage", 1),
        (["length-once"], "", 2),
        (["length", "length"], "unreadable reply", 2),
        (["filter"], "refused by the model", 1),
        (["content_filter"], "refused by the model", 1),
        (["no-usage"], "", 1),
        (["max_tokens"], "", 2),
    ],
)
def test_every_failure_of_a_server_has_one_outcome(
    fake: Fake, url: str, script: list[str], reason: str, requests: int
) -> None:
    """A raw or invented reply stored as a pair, a failure tried for ever, or one good passage lost to a bad second."""
    fake.script = list(script)
    fake.always = "list" if reason == "unreadable reply" and script[0] == "list" else ""
    (row,) = proposed(url, Passing(), timeout=0.3 if script[0] in ("hang", "drip") else 5.0)
    assert [item.reason for item in row] == [reason] if reason else [(p.question, p.answer) for p in row] == WHOLE
    assert len(fake.requests) == requests
    for item in row:
        assert item.span is None or TEXT[item.span.start : item.span.end] == item.answer


@pytest.mark.parametrize("forms", [("json_object", "text"), ("text",)])
def test_a_server_is_asked_in_the_form_that_it_knows(fake: Fake, url: str, forms: tuple[str, ...]) -> None:
    """Ollama and older servers know no schemas; each passage would be asked for three times."""
    fake.forms = forms
    texts = [TEXT.replace("15", str(number)) for number in range(10, 16)]
    rows = proposed(url, Passing(), texts)
    assert [row[0].answer for row in rows] == [str(number) for number in range(10, 16)]
    assert len(fake.requests) == 6 + 3 - len(forms)


def test_a_server_is_waited_for_as_long_as_it_says(fake: Fake, url: str) -> None:
    """Trying again at once is what a limit is there to stop."""
    for word in ("429 0.3", "429-date 1.2"):  # dates have whole seconds
        fake.script = [word]
        began = time.monotonic()
        proposed(url, Passing(), [TEXT + word])
        assert time.monotonic() - began >= 0.2


@pytest.mark.parametrize("word", ["401", "403", "404", "402", "redirect", "echo"])
def test_what_no_other_request_would_mend_stops_the_run(
    fake: Fake, url: str, word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand requests with a wrong key get an account locked; a redirect would take the key elsewhere."""
    monkeypatch.setenv("FAKE_KEY", KEY)
    fake.script, ledger = ["", word], Passing()
    texts = [TEXT + str(number) for number in range(30)]
    with pytest.raises(ServerError) as error:
        proposed(url, ledger, texts, concurrency=1, key_env="FAKE_KEY")
    assert error.value.exit_code == 2 and KEY not in str(error.value)
    assert len(fake.requests) == 2 and len(ledger.calls) == 1  # what was paid is kept
    assert {request["auth"] for request in fake.requests} == {f"Bearer {KEY}"}


def test_twenty_failures_in_a_row_stop_the_run(fake: Fake, url: str) -> None:
    """A server that is down for the night would be asked a hundred thousand times."""
    fake.always, ledger = "400", Passing()
    with pytest.raises(RunStopped, match="20 calls in a row") as error:
        proposed(url, ledger, [TEXT + str(number) for number in range(60)])
    assert error.value.exit_code == 1
    assert {call.status for call in ledger.calls.values()} == {"failed"} and len(fake.requests) <= 20 * 3 + 8
    fake.always, before = "", len(fake.requests)
    proposed(url, ledger, [TEXT + "0"])
    assert len(fake.requests) == before + 1  # a failure is not used again


def test_nothing_is_paid_twice(fake: Fake, url: str) -> None:
    """The same passage in two documents, and the same build again."""
    ledger = Passing()
    texts = [TEXT, TEXT, TEXT + " x"]
    first = proposed(url, ledger, texts)
    assert len(fake.requests) == 2 and first[0] == first[1]
    assert proposed(url, ledger, texts) == first and len(fake.requests) == 2


def test_a_budget_ends_a_run_and_the_same_command_continues(fake: Fake, url: str) -> None:
    """An overrun bill; or a run that cannot go on after its budget was reached."""
    texts = [TEXT + str(number) for number in range(12)]
    ledger, runs = Passing(), 0
    while True:
        runs, before = runs + 1, fake.tokens
        try:
            proposed(url, ledger, texts, max_tokens=4500, concurrency=3)
        except RunStopped as error:
            assert error.exit_code == 1 and "the same command continues" in str(error)
            assert before < fake.tokens <= before + 4500
            continue
        break
    assert 1 < runs < 12 and len(fake.answered) == 12 and set(fake.answered.values()) == {1}


def test_tokens_that_a_server_does_not_count_are_counted_here_and_marked(fake: Fake, url: str) -> None:
    """A budget that sees no tokens never ends a run."""
    fake.always, ledger = "no-usage", Passing()
    proposed(url, ledger, price_in=1e6, price_out=1e6, max_cost=10_000.0)
    (call,) = ledger.calls.values()
    assert call.status == "estimated" and call.tokens_in > 50 and call.cost == call.tokens_in + call.tokens_out


# whole memories


def docs(folder: Path, count: int = 5) -> Path:
    made = folder / "docs"
    made.mkdir()
    for number in range(count):
        lines = f"The pier {number} is {number + 15} metres long. Boats land in {1903 + number} there. Bell {number}7."
        (made / f"{number}.txt").write_text(lines)
    return made


def settings(url: str, **others: Any) -> LlmSettings:
    return LlmSettings(url=url, model=MODEL, **others)


def built(folder: Path, llm: LlmSettings, **others: Any) -> Memory:
    return quipu.build([folder / "docs"], folder / "m", llm=llm, **{**models(), **others})


def test_a_memory_is_built_judged_grown_and_asked(
    fake: Fake, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All roles at once: a pair that a stage drops must not come in, and each stage must leave its verdict."""
    docs(tmp_path)
    roles = ("writer", "reader", "judge")
    with built(tmp_path, settings(url, roles=roles, price_in=1.0, price_out=2.0)) as memory:
        pairs = [pair for _, pair in memory.store.pairs()]
        assert len(pairs) == memory.report.kept > 9
        for pair in pairs:
            assert pair.answer == memory.store.quote(pair.document_id, pair.span) and pair.generator == MODEL
            stages = {verdict.stage: verdict for verdict in memory.store.verdicts(pair.id)}
            assert set(stages) == {"well_formed", "local", "dedup", "judge"}
            assert pair.filter_score is None  # such a model says nothing of how sure it is
        assert memory.report.asked == memory.report.kept + memory.report.dropped.total()
        roles_used = used(memory.store)
        assert set(roles_used) == set(roles) and roles_used["writer"].calls == 5
        sums = roles_used["judge"]
        assert sums.cost == pytest.approx((sums.tokens_in + 2 * sums.tokens_out) / 1e6)
        assert memory.verify().ok
        before = len(fake.requests)
        monkeypatch.setattr(memory, "ask", lambda question: Answer.abstained(question, reason=""))
        (tmp_path / "log").write_text(json.dumps({"question": "Why do boats land there?", "text": None}))
        assert memory.grow(tmp_path / "log")["unanswered"] == 1
        assert {r["body"]["messages"][0]["content"][:12] for r in fake.requests[before:]} == {"You answer a"}
        memory.remove(document=str(tmp_path / "docs" / "0.txt"))
        assert used(memory.store)["writer"].calls == 4  # whose text it is, with that it goes
    with quipu.open(tmp_path / "m", encoder=WordEncoder(), read_only=True, llm=settings(url)) as memory:
        answer = memory.ask("What number follows Boats land in?", method="llm")
        assert answer.text in ("1904", "1905", "1906", "1907") and answer.probability is None and answer.route == "llm"
        assert answer.evidence[0].quote == f"Boats land in {answer.text}"
        with pytest.raises(InputError, match="probable"):
            memory.ask("What number?", method="llm", min_probability=0.5)
        refused = memory.ask("What number follows the sea is?", method="llm")
        assert refused.text is None and "no answer" in refused.reason


def test_an_answer_without_its_proof_is_refused(fake: Fake, url: str, tmp_path: Path) -> None:
    """An invented answer would be shown beside a passage as if that said so."""
    docs(tmp_path)
    built(tmp_path, settings(url)).close()
    said: dict[str, Any] = {"answer": "4711", "passage": 1, "quote": "Boats land in 1903"}
    fake.said = lambda body, what: json.dumps(said)  # type: ignore[method-assign]
    with quipu.open(tmp_path / "m", encoder=WordEncoder(), read_only=True, llm=settings(url)) as memory:
        for changed in ({}, {"answer": "1903", "quote": "Boats land in 9999"}, {"answer": "1903", "passage": 77}):
            said |= changed
            answer = memory.ask(f"Where do boats land{len(changed)}?", method="llm")
            assert answer.text is None and "not supported" in answer.reason
        with pytest.raises(InputError):
            quipu.open(tmp_path / "m", encoder=WordEncoder(), read_only=True).ask("Where?", method="llm")


def test_passages_without_a_reply_are_asked_about_again(fake: Fake, url: str, tmp_path: Path) -> None:
    """A passage that was unlucky once would have no pairs for ever, and nobody would know."""
    docs(tmp_path)
    fake.script = ["", "large", "", "", "large"]
    with built(tmp_path, settings(url, concurrency=1)) as memory:
        assert memory.report.unanswered == 2 and memory.report.dropped["no reply from the model"] == 2
        kept = memory.report.kept
    with quipu.open(tmp_path / "m", encoder=WordEncoder(), llm=settings(url)) as memory:
        memory._models = Models(**models())
        report = memory.add_documents([tmp_path / "docs"])
        assert report.passages == 2 and report.unanswered == 0 and memory.store.count() == kept + report.kept
        before = len(fake.requests)
        memory.add_documents([tmp_path / "docs"])
        assert len(fake.requests) == before


def test_a_passage_is_made_whole_or_later(fake: Fake, url: str, tmp_path: Path) -> None:
    """Half of a passage's pairs now and half at the next run: duplicates that each run alone does not see."""
    docs(tmp_path, 3)
    fake.script = ["", "", "", "", "large"]
    llm = settings(url, roles=("writer", "judge"), concurrency=1)
    with built(tmp_path, llm) as memory:
        report = memory.report
        assert report.unanswered == 1 and report.asked == report.kept + report.dropped.total()
        assert len({pair.document_id for _, pair in memory.store.pairs()}) == 2
        memory._llm, client = External(memory.store, llm), memory._llm
        client.close()
        memory.add_documents([])
        again = content_hash(memory.store)
    (tmp_path / "m").rename(tmp_path / "old")
    with built(tmp_path, llm) as memory:
        assert memory.report.unanswered == 0 and content_hash(memory.store) == again


def test_without_its_library_the_install_is_named(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A traceback about a module that nobody has heard of."""
    monkeypatch.setitem(sys.modules, "httpx2", None)
    with pytest.raises(MissingExtra, match=r"pip install 'quipu-qa\[llm\]'"):
        Client(settings(url), Passing())


def test_a_run_that_was_stopped_stays_so(fake: Fake, url: str) -> None:
    """Whoever goes on after an error with the same object would get passages without pairs, and no word of it."""
    with Client(settings(url, max_tokens=10), Passing()) as client:
        for _ in range(2):
            with pytest.raises(RunStopped):
                LlmWriter(client).propose([TEXT], [[]], [""], [("d", "p")], 14)
    assert not fake.requests


def test_a_build_goes_on_with_the_model_that_it_was_begun_with(fake: Fake, url: str, tmp_path: Path) -> None:
    """Half of a memory from one model and half from another, unnoticed."""
    docs(tmp_path)
    fake.script = ["", "", "401"]
    with pytest.raises(ServerError):
        built(tmp_path, settings(url, concurrency=1))
    for other in (settings(url, roles=("writer", "judge")), LlmSettings(url=url, model="x"), None):
        with pytest.raises(InputError, match="other settings"):
            built(tmp_path, other)
    with built(tmp_path, settings(url, concurrency=2)) as memory:
        assert memory.report.kept and set(fake.answered.values()) == {1} and len(fake.answered) == 5


def test_the_key_is_nowhere(fake: Fake, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A memory is given away, a log is shown: whoever reads them would have the key."""
    docs(tmp_path)
    monkeypatch.setenv("FAKE_KEY", KEY)
    fake.key, fake.script = KEY, ["key", "500", "key"]
    llm = settings(url, key_env="FAKE_KEY", concurrency=1)
    with built(tmp_path, llm) as memory:
        assert memory.report.kept
        assert KEY not in json.dumps(memory.info()) + repr(vars(memory)) + repr(vars(memory._llm))
    fake.always = "echo"
    (tmp_path / "docs" / "9.txt").write_text("The pier is 99 metres long.")
    with pytest.raises(QuipuError) as error, quipu.open(tmp_path / "m", encoder=WordEncoder(), llm=llm) as memory:
        memory.add_documents([tmp_path / "docs"])
    assert KEY not in str(error.value)
    files = [file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()]
    assert len(files) > 6 and not any(KEY.encode() in data or b"must-be-nowhere" in data for data in files)


CHILD = """
import sys
sys.path.insert(0, sys.argv[1])
import quipu
from quipu.models.remote.settings import LlmSettings
from tests.handmade import models
llm = LlmSettings(url=sys.argv[2], model="fake-1", concurrency=2)
try:
    quipu.build(["docs"], "m", llm=llm, **models()).close()
except KeyboardInterrupt:
    sys.exit(130)
"""


def test_replies_under_way_are_kept_when_a_run_is_interrupted(
    fake: Fake, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C throws away what is paid for already."""
    docs(tmp_path)
    fake.latency = 0.6
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(ROOT), url], cwd=tmp_path, env=os.environ)
    end = time.monotonic() + 60
    while fake.active < 2 and time.monotonic() < end:
        time.sleep(0.01)
    child.send_signal(signal.SIGINT)
    assert child.wait(20) == 130
    answered = fake.answered.total()
    assert answered >= 2
    fake.latency = 0.0
    monkeypatch.chdir(tmp_path)
    with built(Path(), settings(url)) as memory:
        assert set(fake.answered.values()) == {1} and not fake.again and len(fake.answered) == 5
        interrupted = content_hash(memory.store)
    (tmp_path / "m").rename(tmp_path / "old")
    with built(Path(), settings(url)) as memory:
        assert content_hash(memory.store) == interrupted


def test_a_client_leaves_no_thread(fake: Fake, url: str) -> None:
    """A server that opens memories all day would fill with threads."""
    proposed(url, Passing())
    end = time.monotonic() + 5
    while any(thread.name == "quipu-llm" for thread in threading.enumerate()) and time.monotonic() < end:
        time.sleep(0.01)
    assert not any(thread.name == "quipu-llm" for thread in threading.enumerate())


# the command line


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command."""
    code = run(arguments)
    out, err = capsys.readouterr()
    return code, out, err


@pytest.mark.parametrize("verb", ["build", "add", "grow", "estimate", "ask"])
def test_verbs_take_an_external_model_alike(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    """An option that one verb lacks, or understands otherwise, is found out when it is paid for."""
    command = Verbs().get_command(None, verb)
    assert set(OPTIONS) <= {parameter.name for parameter in command.params}
    arguments = {"build": ["x", "-o", "m"], "grow": ["m", "--from-log", "x"], "ask": ["m", "a?", "--method", "llm"]}
    given = [verb, *arguments.get(verb, ["m", "x"][verb == "estimate" :])]
    for wrong, why in (
        (["--llm-url", "http://localhost/v1"], "--llm-model"),
        (["--llm-url", "http://localhost/v1", "--llm-model", "m", "--max-cost", "1"], "--price-in"),
        (["--llm-url", "http://10.1.1.1/v1", "--llm-model", "m"], "--llm-insecure"),
        (["--llm-url", "http://localhost/v1", "--llm-model", "m", "--llm-role", "poet"], "poet"),
        (["--llm-config", "/nowhere.toml"], "/nowhere.toml"),
    ):
        code, out, err = said(capsys, *given, *wrong)
        assert code == 2 and why in err and not out and err.count("\n") == 1, err


def test_a_command_stops_at_its_budget_continues_and_says_what_it_cost(
    fake: Fake, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit codes that scripts go by, and a bill that nobody can see."""
    monkeypatch.chdir(tmp_path)
    for name, model in models().items():
        monkeypatch.setattr(Models, name, lambda self, model=model: model)
    monkeypatch.setenv("FAKE_KEY", KEY)
    fake.key = KEY
    docs(tmp_path, 2)
    llm = ["--llm-url", url, "--llm-model", MODEL, "--llm-role", "writer,reader", "--llm-key-env", "FAKE_KEY"]
    code, out, _ = said(capsys, "estimate", "docs", *llm, "--price-in", "1", "--price-out", "2", "--json")
    guess = json.loads(out)
    assert code == 0 and not fake.requests and guess["passages"] == 2
    assert guess["calls_least"] == 2 * (1 + 2) and 0 < guess["cost_least"] < guess["cost_most"]
    code, out, _ = said(capsys, "estimate", "docs", *llm, "--probe")
    assert code == 0 and "counted by 2 passages" in out and len(fake.requests) == 2 + 2 * 4

    build = ["build", "docs", "-o", "m", *llm]
    fake.answered.clear()
    fake.replies.clear()
    code, _, err = said(capsys, *build, "--max-tokens", "1000")
    assert code == 1 and not fake.answered
    just_one = re.search(r"could take ([\d,]+)", err)[1].replace(",", "")
    code, _, err = said(capsys, *build, "--max-tokens", just_one)
    assert code == 1 and "the same command continues" in err and fake.answered.total() == 1
    code, out, _ = said(capsys, *build, "--max-tokens", just_one)
    assert code == 0 and set(fake.answered.values()) == {1}
    code, out, _ = said(capsys, "calls", "m", "--json")
    roles = json.loads(out)["roles"]
    assert code == 0 and roles["writer"]["calls"] == 2 and roles["writer"]["cost"] is None and roles["reader"]["calls"]
    code, out, _ = said(capsys, "calls", "m")
    assert code == 0 and "writer" in out
    manifest = json.loads((tmp_path / "m" / "manifest.json").read_text())
    assert manifest["llm"]["key_env"] == "FAKE_KEY" and KEY not in json.dumps(manifest)
    code, first, _ = said(capsys, "info", "m", "--hash")
    assert code == 0 and len(first.strip()) == 64
    assert (
        said(capsys, "calls", "m", "--forget")[1] == f"m: forgot {sum(row['calls'] for row in roles.values())} calls\n"
    )
    assert said(capsys, "info", "m", "--hash")[1] == first
    assert said(capsys, "calls", "m")[1] == "m: no external model was asked\n"
    code, out, _ = said(capsys, "ask", "m", "What number follows Boats land in?", "--method", "llm", *llm, "--json")
    assert code == 0 and json.loads(out)["text"] in ("1903", "1904") and json.loads(out)["probability"] is None
    assert said(capsys, "ask", "m", "What?", "--method", "llm")[0] == 2
    assert said(capsys, "ask", "m", "What?", *llm)[0] == 2
    monkeypatch.delenv("FAKE_KEY")
    code, _, err = said(capsys, *build[:2], "-o", "other", *llm)
    assert code == 2 and "FAKE_KEY" in err and not (tmp_path / "other").exists()

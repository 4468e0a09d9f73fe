"""The page as the server gives it: forms that work without JavaScript, who may use them, and texts that stay texts."""

import re
import time
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
import yaml

from lead_assets.web.site import build_site
from lead_assets_tests.process.api.conftest import Installation, serving
from lead_assets_tests.process.web.conftest import HOSTILE, REJECTED, open_site
from lead_assets_tests.stored_leads import store_leads

DO = "/c/crm/do"


def form_token(page: str) -> str:
    found = re.search(r'name="form_token" value="([0-9a-f]{64})"', page)
    assert found, page[:500]
    return found[1]


def send(site: httpx.Client, path: str, *, headers: dict[str, str] | None = None, **fields: Any) -> httpx.Response:
    page = site.get("/c/crm")
    data = {"form_token": form_token(page.text), "next": "/c/crm?q=crm"} | fields
    return site.post(path, data=data, headers=headers or {})


def statuses(made: Installation) -> dict[str, str]:
    with made.database.connect() as connection:
        rows = connection.execute(sa.text("SELECT reddit_id, status FROM lead_assets.lead_states"))
        return dict(rows.tuples().all())


def test_forms_work_without_javascript(installed: Installation, site: httpx.Client) -> None:
    first, second = installed.leads(0.9, 0.5)
    sent = send(site, DO, id=[first, second], do="status:contacted")
    assert sent.status_code == 303
    assert sent.headers["location"] == f"/c/crm?q=crm&done={first}"
    assert set(statuses(installed).values()) == {"contacted"}
    assert "and 1 more" in site.get(sent.headers["location"]).text
    send(site, DO, do="undo")
    assert set(statuses(installed).values()) == {"new"}
    send(site, DO, one=f"dismiss:seller or spam {second}")
    assert statuses(installed)[second] == "dismissed"
    send(site, DO, id=first, do="note", note="Call <b>back</b>")
    assert "Call &lt;b&gt;back&lt;/b&gt;" in site.get("/c/crm").text
    send(site, DO, id=first, do="status:snoozed", days="2")
    assert "until " in site.get("/c/crm", params={"tab": "snoozed"}).text


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"do": "status:contacted"}, "No lead was chosen"),
        ({"do": "status:lost", "id": "t3_00000"}, "not a status"),
        ({"do": "dismiss:dull", "id": "t3_00000"}, "not a reason"),
        ({"do": "fly", "id": "t3_00000"}, "nothing that can be done"),
        ({"do": "status:won", "id": "t3_zzz"}, "holds no document"),
        ({"do": "undo"}, "nothing to undo"),
        ({"do": "status:snoozed", "id": "t3_00000", "days": "soon"}, "number of days"),
    ],
)
def test_a_wrong_form_is_answered_with_a_sentence(
    installed: Installation, site: httpx.Client, fields: dict[str, str], said: str
) -> None:
    installed.leads(0.5)
    answer = send(site, DO, **fields)
    assert answer.status_code == 422
    assert said in answer.text
    assert statuses(installed) == {"t3_00000": "new"}


def test_only_our_own_forms_count(installed: Installation, site: httpx.Client) -> None:
    (one,) = installed.leads(0.5)
    wanted = {"id": one, "do": "status:won"}
    assert send(site, DO, form_token="0" * 64, **wanted).status_code == 403
    assert site.post(DO, data=wanted).status_code == 403
    token = form_token(site.get("/c/crm").text)
    with httpx.Client(base_url=site.base_url) as stranger:
        assert stranger.post(DO, data=wanted | {"form_token": token}).status_code == 403, "another's cookie"
    for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
        assert send(site, DO, headers=headers, **wanted).status_code == 403
    assert send(site, DO, headers={"Host": "evil.example"}, **wanted).status_code == 403
    assert statuses(installed) == {one: "new"}
    assert send(site, DO, headers={"Origin": str(site.base_url).rstrip("/")}, **wanted).status_code == 303


def test_pages_cannot_be_framed_and_run_no_code_but_ours(installed: Installation, site: httpx.Client) -> None:
    installed.leads(0.5)
    for path in ("/c/crm", "/c/crm/funnel", "/c/crm/rejected", "/c/crm/lead/t3_00000", "/sign-in", "/c/none"):
        answer = site.get(path)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["cache-control"] == "no-store"
        assert not re.search(r"\son\w+=|<script(?! src=\"/static/)|\sstyle=|javascript:", answer.text), path


def test_hostile_texts_stay_texts(installed: Installation, site: httpx.Client) -> None:
    installed.leads(
        0.9, title=HOSTILE, body=f"{HOSTILE} \u202e gnp.exe. " + "x" * 40_000, author='"><b>', url="javascript:alert(1)"
    )
    installed.campaign("odd", name=HOSTILE)
    for path in ("/c/crm", "/c/crm/lead/t3_00000", "/c/odd"):
        page = site.get(path)
        assert page.status_code == 200
        assert "<script>window" not in page.text
        assert "<img" not in page.text
        assert "<b>" not in page.text
        assert "javascript:" not in page.text
        assert "\u202e" not in page.text
    assert len(site.get("/c/crm").text) < 20_000, "a card shows an excerpt"


def test_the_address_has_the_view(installed: Installation, site: httpx.Client) -> None:
    installed.leads(0.9, 0.2, title="Which CRM?")
    store_leads(installed.database, "crm", [0.6], first=7, title="Invoices", subreddit="shops", kind="comment")

    def shown(**filters: str) -> int:
        return site.get("/c/crm", params=filters).text.count('<article class="card"')

    assert [shown(), shown(p="50"), shown(subreddit="SHOPS"), shown(kind="comment"), shown(q="invoice")] == [
        3,
        2,
        1,
        1,
        1,
    ]
    assert [shown(q="%"), shown(budget="1"), shown(age="1d"), shown(found="1d"), shown(intent="recommendation")] == [
        *(0, 0, 0, 3),
        3,
    ]
    assert site.get("/c/crm", params={"p": "many"}).status_code == 422
    assert shown(tab="nothing", after="broken") == 3


def test_every_lead_is_on_one_page_and_only_one(installed: Installation) -> None:
    ids = installed.leads(*([0.5] * 60))
    with open_site(installed) as url, httpx.Client(base_url=url, timeout=60) as site:
        met: list[str] = []
        path = "/c/crm"
        while path:
            page = site.get(path).text
            met += re.findall(r'<article class="card" id="(\w+)"', page)
            older = re.search(r'<p class="pages"><a href="([^"]+)"', page)
            path = older[1].replace("&amp;", "&") if older else ""
    assert met == ids


def test_a_page_of_ten_thousand_leads_is_quick(installed: Installation) -> None:
    with installed.database.engine.begin() as connection:
        many = installed.leads(0.5, body="We lose track of everybody. " * 40)[0]
        for table in ("documents", "candidates", "extractions", "leads"):
            columns = connection.execute(
                sa.text(
                    "SELECT string_agg(quote_ident(column_name), ',') FROM information_schema.columns WHERE "
                    "table_schema = 'lead_assets' AND table_name = :table AND column_name <> 'reddit_id'"
                ),
                {"table": table},
            ).scalar()
            connection.execute(
                sa.text(
                    f"INSERT INTO lead_assets.{table} (reddit_id, {columns}) SELECT 't3_x' || n, {columns} "
                    f"FROM lead_assets.{table}, generate_series(1, 9999) n WHERE reddit_id = :one"
                ),
                {"one": many},
            )
    with installed.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("ANALYZE"))
    with open_site(installed) as url, httpx.Client(base_url=url, timeout=60) as site:
        paths = ("/c/crm", "/c/crm?tab=contacted", "/c/crm?q=everybody")
        first = site.get(paths[0]).text
        assert '<span class="count">10000</span>' in first
        seconds: dict[str, float] = {}
        for path in paths:
            times = []
            for _ in range(5):
                start = time.process_time(), time.perf_counter()
                site.get(path)
                times.append(time.perf_counter() - start[1])
            seconds[path] = min(times)
    print(seconds)
    # The best of five: other tests share the machine.
    assert max(seconds["/c/crm"], seconds["/c/crm?tab=contacted"]) < 0.2, seconds


def test_signing_in_with_a_token(installed: Installation) -> None:
    (one,) = installed.leads(0.5)
    reader, worker = installed.token("reader", "read"), installed.token("worker")
    with (
        serving(installed.variables, build=build_site, beyond_loopback=True) as url,
        httpx.Client(base_url=url, timeout=60) as site,
    ):
        away = site.get("/c/crm?q=a")
        assert (away.status_code, away.headers["location"]) == (303, "/sign-in?next=/c/crm%3Fq%3Da")
        assert site.post(DO, data={"id": one, "do": "status:won"}).status_code == 401

        def sign_in(token: str, wanted: str = "/c/crm?q=a") -> httpx.Response:
            page = site.get("/sign-in", params={"next": wanted})
            return site.post("/sign-in", data={"form_token": form_token(page.text), "token": token, "next": wanted})

        assert sign_in("wrong").status_code == 403
        signed = sign_in(reader)
        assert signed.headers["location"] == "/c/crm?q=a"
        cookie = signed.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie
        assert reader not in cookie
        page = site.get("/c/crm")
        assert "Contacted</button>" not in page.text, "who may only read is offered nothing else"
        fields = {"form_token": form_token(page.text), "id": one, "do": "status:won"}
        assert site.post(DO, data=fields).status_code == 403
        assert site.get("/campaigns").status_code == 401, "the cookie counts for the page only"

        before = site.cookies["lead_assets_session"]
        sign_in(worker)
        assert site.cookies["lead_assets_session"] != before
        assert send(site, DO, id=one, do="status:won").status_code == 303
        assert send(site, DO, id=one, do="status:new", headers={"Origin": "https://evil.example"}).status_code == 403
        for elsewhere in ("https://evil.example/", "//evil.example", "/\\evil.example", "/health"):
            assert sign_in(worker, elsewhere).headers["location"] == "/"
        installed.revoke("worker")
        assert site.get("/c/crm").status_code == 303, "revoked at once"
    assert statuses(installed) == {one: "won"}


def test_an_alerts_link_leads_to_the_page_but_no_page_can_ask_for_data(
    installed: Installation, site: httpx.Client
) -> None:
    installed.leads(0.5)
    followed = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert site.get("/c/crm/lead/t3_00000", headers=followed).status_code == 200
    assert site.get("/campaigns", headers=followed).status_code == 403
    assert site.get("/c/crm", headers=followed | {"Sec-Fetch-Dest": "iframe"}).status_code == 403
    assert site.get("/c/crm", headers=followed | {"Sec-Fetch-Mode": "cors"}).status_code == 403


def test_a_rule_is_written_into_the_campaigns_file(installed: Installation, site: httpx.Client) -> None:
    path = installed.folder / "campaigns" / "crm.yaml"
    path.write_text("# ours\n" + path.read_text() + "# the end\n")
    first, *_ = installed.leads(0.9, 0.5, 0.4)
    location = send(site, DO, one=f"dismiss:wrong product {first}").headers["location"]
    offered = site.get(location).text
    assert "Leave out r/sales?" in offered
    assert "2 others would go" in offered
    assert send(site, "/c/crm/rules", exclude_subreddit="sales").status_code == 303
    assert path.read_text().startswith("# ours")
    assert "# the end" in path.read_text()
    assert yaml.safe_load(path.read_text())["subreddits"] == {"exclude": ["sales"]}
    wrong = send(site, "/c/crm/rules", MIN_FUSED_SCORE_THRESHOLD="7")
    assert wrong.status_code == 422
    assert str(installed.folder) not in wrong.text, "where the files are is nobody's business"
    assert send(site, "/c/crm/rules").status_code == 422
    path.parent.chmod(0o500)
    try:
        refused = send(site, "/c/crm/rules", exclude_author="bot")
        assert refused.status_code in (422, 303), "as root a folder is never read-only"
        assert refused.status_code == 303 or "cannot be written" in refused.text
    finally:
        path.parent.chmod(0o700)


def test_thresholds_are_tried_without_changing_anything(installed: Installation, site: httpx.Client) -> None:
    installed.leads(0.9, 0.5, 0.2)
    page = site.get("/c/crm/funnel", params={"exclude_subreddit": "sales"}).text
    assert "These would go" in page
    assert "<strong>3</strong> leads now, <strong>0</strong> then" in page
    for wrong, said in (("7", "less than or equal to 1"), ("x", "not a number")):
        assert said in site.get("/c/crm/funnel", params={"MIN_FUSED_SCORE_THRESHOLD": wrong}).text
    assert set(statuses(installed)) == {"t3_00000", "t3_00001", "t3_00002"}


def test_a_sample_of_rejects_is_marked_and_says_how_many_leads_a_gate_loses(
    installed: Installation, site: httpx.Client
) -> None:
    with installed.database.engine.begin() as connection:
        connection.execute(sa.text(REJECTED))
    page = site.get("/c/crm/rejected", params={"gate": "fused_score", "sample": "1"})
    assert page.text.count(">No lead<") == 2
    assert ">No lead<" not in site.get("/c/crm/rejected").text
    send(site, DO, id="t3_near", do="mark:lead")
    send(site, DO, id="t3_far", do="mark:no lead")
    told = site.get("/c/crm/rejected", params={"sample": "1"}).text
    assert "fused_score: 1 of 2 marked in the sample are leads" in told
    assert ">No lead<" not in told
    assert site.get("/c/crm/rejected", params={"sample": "2"}).status_code == 422

"""The keyword rule of all sources: every word, any case, whole and in its other forms; quotes are adjacent."""

import re
import time
from collections.abc import Callable, Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lead_assets.domain.keywords import KeywordMatcher
from lead_assets.domain.keywords.visible_text import fold
from lead_assets.domain.plain_text import clean


def found(keyword: str, text: str) -> bool:
    return KeywordMatcher([keyword]).matches(text) == [keyword]


@pytest.mark.parametrize("text", ["crm", "CRM", "Crm", "a cRm!", "(CRM)", "CRM,", "\nCRM\n", "“CRM”", "crm?", "*crm*"])
def test_a_word_is_found_in_any_case_and_between_any_marks(text: str) -> None:
    assert found("crm", text)
    assert found("CRM", text)


@pytest.mark.parametrize(
    "text", ["", "scrm", "crma", "crm2", "acrmb", "cr m", "mrc", "crmly", "écrm", "crmé", "crm\u0301"]
)
def test_a_word_is_found_only_whole(text: str) -> None:
    assert not found("crm", text)


@pytest.mark.parametrize(
    ("keyword", "text"),
    [
        ("client", "two clients"),
        ("clients", "one client"),
        ("clients", "two clients"),
        ("box", "boxes"),
        ("boxes", "a box"),
        ("invoice", "invoices"),
        ("invoices", "an invoice"),
        ("boss", "bosses"),
        ("bosses", "the boss"),
        ("crm", "CRMs"),
        ("CRMs", "a crm"),
        ("app", "apps"),
        ("apps", "an app"),
        ("pc", "PCs"),
        ("agency", "agencies"),
        ("agencies", "an agency"),
        ("company database", "databases of companies"),
        ("analysis", "analyses"),
        ("tooth", "teeth"),
        ("children", "a child"),
        ("person", "people"),
        ("shelf", "shelves"),
        ("lens", "lenses"),
        ("index", "indices"),
        ("index", "indexes"),
        ("indices", "an index"),
        ("thesis", "theses"),
        ("salesperson", "salespeople"),
        ("salesperson", "salespersons"),
        ("salesmen", "one salesman"),
        ("grandchild", "grandchildren"),
        ("midwives", "a midwife"),
        ("human", "humans"),
        ("specimen", "specimens"),
        ("canvas", "canvases"),
        ("menus", "a menu"),
        ("menu", "menus"),
        ("spas", "a spa"),
        ("status", "statuses"),
        ("KPIs", "a KPI"),
        ("KPI", "KPIs"),
        ("VAs", "hire a VA"),
        ("VAs", "hire VAs"),
        ('"virtual VAs"', "one virtual VA"),
        ("bus", "buses"),
        ("crm", "our CRM's search"),
        ("agency", "the agencies' fees"),
        ("track clients", "tracks a client"),
        ('"sales pipelines"', "a sales pipeline"),
        ('"sales pipeline"', "sales pipelines"),
    ],
)
def test_a_plural_more_or_less_is_the_same_word(keyword: str, text: str) -> None:
    assert found(keyword, text)


@pytest.mark.parametrize(("keyword", "text"), [("ads", "place an ad"), ("PCs", "one pc"), ("TVs", "a TV")])
def test_the_plural_of_a_word_of_two_letters_matches_its_singular_too(keyword: str, text: str) -> None:
    assert found(keyword, text)


@pytest.mark.parametrize(
    ("keyword", "text"),
    [
        ("track clients", "tracking my clients"),
        ("track clients", "tracked a client"),
        ("invoice", "invoicing"),
        ("invoice", "we invoiced"),
        ("plan", "planning"),
        ("use", "using"),
        ("try", "tried"),
        ("organize", "organizing"),
        ("building", "two buildings"),
        ('"follow up"', "following up"),
    ],
)
def test_verb_forms_of_a_word_are_the_same_word(keyword: str, text: str) -> None:
    assert found(keyword, text)


@pytest.mark.parametrize(
    ("keyword", "text"),
    [
        ("accounting", "my account"),
        ("wedding", "on Wed"),
        ("booking", "a book"),
        ("used", "use it"),
        ("clients", "cliented"),
        ("manage", "manager"),
        ("manage", "management"),
        ("account", "accountant"),
        ("organ", "organization"),
        ("university", "universe"),
        ("business", "busy"),
        ("policy", "police"),
        ("news", "new"),
        ("ups", "up"),
        ("vps", "our VP"),
        ("car", "care"),
        ("on", "ones"),
        ("boss", "bos"),
        ("business", "busines"),
        ("client", "clientsss"),
        ("agency", "agent"),
        ("canvas", "made with Canva"),
        ("medium", "social media"),
    ],
)
def test_other_endings_are_other_words(keyword: str, text: str) -> None:
    assert not found(keyword, text)


@pytest.mark.parametrize(
    "text",
    [
        "track clients",
        "clients that I track",
        "I track, more or less, all the people who may become a client.",
        "Clients!\n\n" + "filler " * 5_000 + "\n\ntrack",
    ],
)
def test_the_words_of_a_keyword_occur_in_any_order_and_at_any_distance(text: str) -> None:
    assert found("track clients", text)


@pytest.mark.parametrize("text", ["track", "clients", "tracker clients", "track the clientele", ""])
def test_every_word_of_a_keyword_must_occur(text: str) -> None:
    assert not found("track clients", text)


@pytest.mark.parametrize(
    "text",
    [
        "how to follow up with customers",
        "FOLLOW UP with Customers",
        "follow-up with customers",
        "follow up\n\nwith   customer",
        "follow up with: customers",
        "follow, up, with, customers",
        "followup with customers",
        "follow **up** with [customers](https://x.example)",
    ],
)
def test_words_in_quotes_are_adjacent_and_in_order(text: str) -> None:
    assert found('"follow up with customers"', text)


@pytest.mark.parametrize(
    "text",
    [
        "customers with up follow",
        "follow up with my customers",
        "follow up customers with",
        "follow up with",
    ],
)
def test_words_in_quotes_with_others_between_or_turned_around_do_not_match(text: str) -> None:
    assert not found('"follow up with customers"', text)


def test_quotes_and_single_words_may_stand_in_one_keyword() -> None:
    keyword = '"sales pipeline" crm'

    assert found(keyword, "A CRM with a sales pipeline")
    assert not found(keyword, "a sales pipeline")
    assert not found(keyword, "a crm for the pipeline of my sales")


@pytest.mark.parametrize(
    ("keyword", "text"),
    [
        ("c++", "I write C++."),
        ("c++", "c++"),
        ("c++", "in C++17"),
        ("c++", r"in C\+\+"),
        ("c#", "in C#, mostly"),
        ("c#", r"in C\#"),
        ("c", "C/C++"),
        ("c", "in C, mostly"),
        (".net", "hosting for .NET apps"),
        (".NET", ".net"),
        ("node.js", "Node.js developer"),
        ("node.js", "we use node.js."),
        ("#marketing", "go #marketing!"),
        ("marketing", "go #marketing!"),
        ("r&d", "our R&D team"),
        ("r&d", "our R&amp;D team"),
        ("AT&T", "AT&T's"),
        ("don't", "I DON'T know"),
        ("client's", "my client's books"),
        ("client", "my client's books"),
        ("9.99", "only 9.99!"),
        ("$100", "for $100."),
        ("crm", "crm/erp"),
        ("crm", "crm+erp"),
        ("crm", "the end.CRM is"),
        ("crm", "r/crm"),
        ("crm.", "a crm"),
        ("📈 tracker", "a 📈 tracker"),
        ('"c++ developer"', "two C++ developers"),
    ],
)
def test_symbols_belong_to_a_word(keyword: str, text: str) -> None:
    assert found(keyword, text)


@pytest.mark.parametrize(
    ("keyword", "text"),
    [
        ("c++", "c and more"),
        ("c++", "c+ and more"),
        ("c+", "c++"),
        ("c#", "c"),
        ("c", "C++"),
        ("c", "C++17"),
        ("c", "C# and F#"),
        (".NET", "my net income"),
        (".NET", "example.net"),
        ("net", "hosting for .NET"),
        ("#marketing", "marketing"),
        ("#market", "#marketing"),
        ("node.js", "node js"),
        ("node.js", "nodexjs"),
        ("node.js", "node.json"),
        ("r&d", "r and d"),
        ("$100", "100"),
        ("$100", "$1000"),
        ("📈 tracker", "a tracker"),
    ],
)
def test_a_word_without_its_symbols_is_another_word(keyword: str, text: str) -> None:
    assert not found(keyword, text)


@pytest.mark.parametrize("keyword", ["follow-up", "follow up", '"follow up"', "followup", "Follow‑Up"])
@pytest.mark.parametrize(
    "text", ["a follow-up", "follow up!", "a followup", "follow‑ups", r"follow\-up", "follow-\nup"]
)
def test_hyphen_variants_of_a_word_are_one(keyword: str, text: str) -> None:
    assert found(keyword, text)


@pytest.mark.parametrize(
    ("keyword", "text"),
    [
        ("e-mail", "email"),
        ("e-mail", "e mail"),
        ("email", "e-mails"),
        ("bookkeeping", "book-keeping"),
        ("book-keeping", "bookkeeping"),
        ("book keeping", "bookkeeping"),
        ("web site", "websites"),
        ("lead tracking", "leadtracking"),
        ("lead tracking", "lead_tracking"),
        ("lead tracking", "lead\u200btracking"),
        ("crm", "C\u200bRM"),
        ("crm", "best\u200bCRM"),
        ("state-of-the-art", "state of the art"),
        ("sign up form", "a signup form"),
        ("gpt4", "GPT-4"),
        ("gpt-4", "gpt4"),
        ("h1b", "an H-1B visa"),
        ("covid19", "COVID‑19"),
    ],
)
def test_words_written_as_one_or_apart_are_the_same(keyword: str, text: str) -> None:
    assert found(keyword, text)


@pytest.mark.parametrize(
    ("keyword", "text"),
    [("invoice", "in voice"), ("notable", "not able"), ("lesson", "less on"), ("20202021", "2020-2021")],
)
def test_a_word_is_not_put_together_from_others(keyword: str, text: str) -> None:
    assert not found(keyword, text)


@pytest.mark.parametrize(
    ("keyword", "text"),
    [
        ("buchführung", "BUCHFÜHRUNG gesucht"),
        ("straße", "in der STRASSE"),
        ("STRASSE", "in der straße"),
        ("café", "a CAFÉ, please"),
        ("ΟΔΟΣ", "οδος"),
        ("клиент", "КЛИЕНТ"),
        ("会計", "「会計」"),
        ("हिन्दी", "मैं हिन्दी में"),
        ("crm", "crm🙂"),
        ("crm", "ｘ crm\u00a0now"),
        ("crm", "ＣＲＭ"),
        ("sigorta", "SİGORTA arıyorum"),
    ],
)
def test_any_script_is_matched(keyword: str, text: str) -> None:
    assert found(keyword, text)


@pytest.mark.parametrize("text", ["buchführungen", "überbuchführung", "Buchführungç"])
def test_letters_of_any_script_are_part_of_the_word(text: str) -> None:
    assert not found("buchführung", text)


@pytest.mark.parametrize(
    ("keyword", "text"),
    [
        ("客户管理", "我需要一个客户管理软件"),
        ("顧客管理", "おすすめの顧客管理ツールは？"),
        ("クラウド", "格安クラウドサービス"),
        ("ประกัน", "อยากทำประกันภัยรถ"),
        ("ການເງິນ", "ບໍລິການການເງິນດີ"),
        ("crm", "CRM软件推荐"),
        ("crm", "小公司用哪个CRM软件好"),
        ("crm", "CRMを探しています"),
        ("crm", "무료CRM을 찾아요"),
        ("agency", "좋은 agencies를"),
        ("보험", "보험을 추천해 주세요"),
        ("CRM软件", "用哪个CRM软件好"),
        ("CRM软件", "用哪个 CRM 软件好"),
        ("बीमा", "कौन सा बीमा?"),
        ("घर बीमा", "बीमा, घर का"),
    ],
)
def test_a_word_ends_where_its_script_says(keyword: str, text: str) -> None:
    assert found(keyword, text)


@pytest.mark.parametrize(
    ("keyword", "text"),
    [
        ("बीमा", "मैं बीमार हूँ"),
        ("보험", "의료보험"),
        ("งาน", "งานี้"),
        ("客户管理", "客户的管理"),
        ("crm软件", "crm的软件"),
        ("क", "कि"),
    ],
)
def test_a_part_of_a_word_is_not_a_word_in_scripts_that_have_borders(keyword: str, text: str) -> None:
    assert not found(keyword, text)


@pytest.mark.parametrize(
    ("language", "keyword", "text"),
    [
        ("german", "Versicherung", "Die meisten Versicherungen"),
        ("german", "Haus", "zwei Häuser"),
        ("german", "crm", "zwei CRMs"),
        ("german", "App", "zwei Apps"),
        ("german", "Apps", "eine App"),
        ("german", "Büro", "zwei Büros"),
        ("german", "Handys", "ein Handy"),
        ("german", "Überweisung", "Überweisungen"),
        ("french", "logiciel", "des logiciels"),
        ("spanish", "factura", "unas facturas"),
        ("russian", "клиент", "много клиентов"),
    ],
)
def test_another_language_has_its_own_endings(language: str, keyword: str, text: str) -> None:
    assert KeywordMatcher([keyword], language=language).matches(text) == [keyword]
    assert (
        language == "german" or KeywordMatcher([keyword]).digest != KeywordMatcher([keyword], language=language).digest
    )


@pytest.mark.parametrize(
    "text",
    [
        *(
            "<b>CRM</b>",
            "<a href='x'>crm</a>",
            "&quot;crm&quot;",
            "&lt;crm&gt;",
            "[crm](https://example.org)",
            "**crm**",
        ),
        *(
            "_CRM_",
            "__CRM__",
            "***crm***",
            "~~crm~~",
            "`crm`",
            ">!crm!<",
            "^crm",
            "^(crm)",
            "# crm",
            "> crm",
            "|crm|a|",
        ),
        *("[UK]: Best CRM for a shop?", "[CRM]: which one?", "[Question]: crm?", "http://a.example/x，crm很好"),
        *("c**r**m", "[CRM][1]\n\n[1]: https://x.example", "![crm](https://x.example/a.png)", "&amp;lt;crm&amp;gt;"),
    ],
)
def test_markup_around_a_word_does_not_hide_it(text: str) -> None:
    assert found("crm", text)


@pytest.mark.parametrize(
    "text",
    [
        "See https://www.example.com/blog/best-crm-2026?utm=crm for the photo.",
        "![img](https://i.redd.it/crm.png) which logo is better?",
        "[this one](https://crm.example/crm)",
        "[this one](/r/crm)",
        "[this one](<https://crm.example/crm crm>)",
        '[this one](https://a.example "the crm")',
        "https://crm.example",
        "www.crm.example/crm",
        "<http://crm.example>",
        "[https://crm.example](https://crm.example)",
        "[this one][1]\n\n[1]: https://crm.example/crm",
        "[it][1]\n\n[1]: https://a.example 'the crm'",
        "[crm]: /r/sales",
        "   [crm]: <a b>",
        r"https://a.example/a\_crm\_b",
    ],
)
def test_a_word_that_stands_only_in_an_address_does_not_count(text: str) -> None:
    assert not found("crm", text)


@pytest.mark.parametrize("keyword", ["a.c", "c+m", "c\\wm", "$crm", "crm$", "cr.", ".r.", "#" * 3 + "x"])
def test_a_keyword_is_no_pattern(keyword: str) -> None:
    assert KeywordMatcher([keyword]).matches("crm abc aaaaaaaaa ccm") == []


@pytest.mark.parametrize(
    ("negative", "text"),
    [
        ("hiring", "CRM? We are HIRING."),
        ("job", "CRM jobs"),
        ("job offer", "an offer of a CRM job"),
        ('"job offer"', "CRM job offer"),
    ],
)
def test_a_negative_keyword_excludes_by_the_same_rule(negative: str, text: str) -> None:
    assert KeywordMatcher(["crm"]).matches(text) == ["crm"]
    assert KeywordMatcher(["crm"], [negative]).matches(text) == []


@pytest.mark.parametrize(("negative", "text"), [("hiring", "hire a CRM"), ('"job offer"', "CRM offer of a job")])
def test_a_negative_keyword_that_does_not_occur_excludes_nothing(negative: str, text: str) -> None:
    assert KeywordMatcher(["crm"], ["never written", negative]).matches(text) == ["crm"]


def test_the_keywords_found_are_given_as_written_and_in_the_campaigns_order() -> None:
    matcher = KeywordMatcher(["Track Clients", '"sales pipeline"', "nothing", "CRM"])

    assert matcher.matches("A crm to track my client and the sales pipeline") == [
        "Track Clients",
        '"sales pipeline"',
        "CRM",
    ]


def test_without_keywords_nothing_matches() -> None:
    assert KeywordMatcher([]).matches("crm") == []


@pytest.mark.parametrize("all_of", [["small business"], ["business", "small"], ["small OR large", "title:which"]])
def test_required_words_must_occur_besides_a_keyword(all_of: list[str]) -> None:
    matcher = KeywordMatcher(["crm", "erp"], all_of=all_of)

    assert matcher.matches("Which CRM for a small business?", "Which CRM") == ["crm"]
    assert not matcher.rules_out("Which one for a small business?", "Which one")
    assert matcher.matches("The CRM for a large firm", "The CRM") == []
    assert matcher.rules_out("The CRM for a large firm", "The CRM")


def test_a_negative_keyword_rules_out_and_its_absence_does_not() -> None:
    matcher = KeywordMatcher(["crm"], ["job -remote", "title:hiring"])

    assert matcher.rules_out("a job")
    assert not matcher.rules_out("a remote job")
    assert matcher.rules_out("Hiring. CRM?", "Hiring.")
    assert not matcher.rules_out("CRM? Hiring.", "CRM?")


def test_the_digest_tells_apart_all_that_matching_depends_on() -> None:
    matchers = [
        KeywordMatcher(["crm"]),
        KeywordMatcher(["crm", "erp"]),
        KeywordMatcher(["crm"], ["erp"]),
        KeywordMatcher(["crm"], [], ["erp"]),
        KeywordMatcher(["crm"], language="german"),
    ]
    assert len({matcher.digest for matcher in matchers}) == len(matchers)


def test_a_text_that_is_only_raw_is_known_to_match_before_it_is_read() -> None:
    matcher = KeywordMatcher(["AT&T", "follow-up", "客户管理", "e-mail"], all_of=["business"])

    assert matcher.possible("AT&amp;amp;T business")
    assert matcher.possible(r"our business: follow\-up")
    assert matcher.possible("business 客&amp;#x200B;户管理")
    assert not matcher.possible("AT&T")
    assert matcher.possible("business \x00fol\x1blow-up")
    assert not matcher.possible("our business: nothing")


# --- laws ------------------------------------------------------------------------------------------------------------

words = st.text(st.characters(categories=["L", "Nd"]), min_size=1, max_size=8).filter(
    # Not what the grammar reads: operators, and initials whose plural the capitals tell.
    lambda word: fold(word) not in ("or", "and", "not") and not re.search("[A-Z]{2,}s", word)
)
several_words = st.lists(words, min_size=1, max_size=4)
anything = st.text(max_size=20)


@given(several_words, st.lists(anything, min_size=5, max_size=5), st.randoms(use_true_random=False))
def test_a_text_with_all_the_words_matches_whatever_stands_between_them(
    keyword: Sequence[str], between: Sequence[str], random: Random
) -> None:
    shuffled = list(keyword)
    random.shuffle(shuffled)
    text = f"{between[-1]} " + "".join(f"{word} {gap} " for word, gap in zip(shuffled, between, strict=False))

    assert found(" ".join(keyword), text)


@given(several_words, st.sampled_from([" ", "\n\n", " - ", ", ", "\t"]), anything, anything)
def test_a_text_with_the_words_side_by_side_matches_them_in_quotes(
    keyword: Sequence[str], gap: str, before: str, after: str
) -> None:
    assert found(f'"{" ".join(keyword)}"', f"{before} {gap.join(keyword)} {after}")


@given(st.lists(st.text("bcdfgklmnoprtuvwäéжक", min_size=4, max_size=8), min_size=1, max_size=4))
def test_a_plural_of_any_word_matches(keyword: Sequence[str]) -> None:
    assert found(" ".join(keyword), " ".join(f"{word}s" for word in keyword))


@given(several_words, anything)
def test_the_case_of_keyword_and_text_does_not_matter(keyword: Sequence[str], text: str) -> None:
    written = " ".join(keyword)

    assert bool(KeywordMatcher([written]).matches(text)) is bool(KeywordMatcher([written.casefold()]).matches(text))
    assert found(written, written.casefold())


@given(words, st.text(st.characters(exclude_categories=["L", "N"], exclude_characters="_"), max_size=200))
def test_a_text_without_letters_and_digits_matches_nothing(keyword: str, text: str) -> None:
    assert not found(keyword, text)


@given(several_words, several_words, anything)
def test_a_negative_keyword_that_matches_always_excludes(
    keyword: Sequence[str], negative: Sequence[str], text: str
) -> None:
    written, against = " ".join(keyword), " ".join(negative)
    both = f"{written} {text} {against}"

    assert found(written, both)
    assert KeywordMatcher([written], [against]).matches(both) == []


def test_the_curly_apostrophe_of_phones_is_an_apostrophe() -> None:
    assert KeywordMatcher(["don't forget clients"]).matches("I don\u2019t forget a client")


def test_composed_and_decomposed_characters_are_the_same() -> None:
    assert KeywordMatcher(["caf\u00e9 software"]).matches("Which software for a cafe\u0301?")


SOURCES = st.lists(
    st.sampled_from(
        [
            *("crm", "CRMs", "agency", "agencies", "track", "tracking", "client", "follow", "up", "e", "mail", "email"),
            *("C", "+", "#", ".NET", "bücher", "客户", "管理", "보험", "을", "बीमा", "र", "İ", "ı", "s", "ies", "9"),
            *(
                " ",
                " ",
                " ",
                "\n",
                "-",
                "–",
                "_",
                "*",
                "**",
                "`",
                "~~",
                "\\",
                "[",
                "](",
                ")",
                "https://",
                "&amp;",
                "&#x200B;",
                "\x00",
                "\x85",
            ),
            *("\u200b", "\u00ad", "'", "’", "™", "!", ".", "(", ">!", "ｃ", "é", "\u0301"),
        ]
    ),
    max_size=25,
).map("".join)
KEYWORDS = [
    *("crm", "agency", "track clients", "follow-up", "followup", '"follow up"', "email", "e-mail", "c++", "c#", ".net"),
    *("bücher", "客户管理", "보험", "बीमा", "crm -agency", "crm OR c", "title:crm", "ı", "İs", "9", "'s", "café"),
]
MATCHER = KeywordMatcher(KEYWORDS, ["mail"], ["crm OR c OR bücher OR 客 OR agency OR track"])
GERMAN = KeywordMatcher(KEYWORDS, language="german")


@given(SOURCES)
def test_what_matches_is_never_ruled_out_before_it_is_read(source: str) -> None:
    plain = clean(source, len(source))
    for matcher in (MATCHER, GERMAN):
        assert matcher.matches(plain, plain, matcher.possible(source)) == matcher.matches(plain, plain)


@given(st.text(), st.text())
def test_any_text_can_be_matched(text: str, title: str) -> None:
    assert isinstance(MATCHER.matches(text, title), list)
    assert isinstance(GERMAN.matches(text, title), list)


HOSTILE: dict[str, Callable[[int], str]] = {
    "one word": lambda size: "track" * (size // 5),
    "one word again and again": lambda size: "track " * (size // 6),
    "a phrase that begins again and again": lambda size: "follow " * (size // 7),
    "a word and many marks": lambda size: "follow" + "!" * size,
    "many words with the same beginning": lambda size: " ".join(f"track{number}" for number in range(size // 11)),
    "hyphens": lambda size: "follow-" * (size // 7),
    "one long word of marks": lambda size: "c" + "+" * size,
    "combining marks": lambda size: "e" + "\u0301" * size,
    "a script without spaces": lambda size: "客户" * (size // 2),
    "nested markup": lambda size: "**[_track" * (size // 9) + "_](" * (size // 9),
    "backslashes": lambda size: "follow\\" * (size // 7),
}


def seconds(matcher: KeywordMatcher, text: str) -> float:
    """The least that three matchings take."""
    took: list[float] = []
    for _ in range(3):
        start = time.process_time()
        matcher.possible(text)
        matcher.matches(text, text)
        took.append(time.process_time() - start)
    return min(took)


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_text_costs_linear_time(kind: str) -> None:
    matcher = KeywordMatcher(["track clients", '"follow up with customers"', "c++ x", "客户 管理", "follow-up -mail"])
    small, large = seconds(matcher, HOSTILE[kind](100_000)), seconds(matcher, HOSTILE[kind](800_000))
    assert large < 24 * small + 0.1
    assert large < 10

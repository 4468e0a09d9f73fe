"""Campaign files: what is read, and errors that name the file, the line, the key and the fix."""

import os
import subprocess
import sys
import textwrap
from datetime import date
from pathlib import Path

import pytest

from lead_assets.config.campaign_files import MAX_FILE_BYTES, find_campaign, list_campaigns, read_campaign
from lead_assets.domain.errors import CampaignInvalid, InvalidInput

SMALLEST = "name: Shop\nproduct: A shop.\nkeywords: [shop]\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "campaigns"
    made.mkdir()
    return made


def write(folder: Path, text: str | bytes, name: str = "shop.yaml") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def refusal(folder: Path, text: str | bytes, name: str = "shop.yaml") -> str:
    """Why a file of ``text`` is refused, without the folder that it is in."""
    with pytest.raises(InvalidInput) as refused:
        read_campaign(write(folder, text, name))
    return str(refused.value).replace(f"{folder}{os.sep}", "")


# --- what is read ----------------------------------------------------------------------------------------------------


def test_the_smallest_file_is_a_campaign_named_like_the_file(folder: Path) -> None:
    campaign = read_campaign(write(folder, SMALLEST))

    assert (campaign.id, campaign.name, campaign.product, campaign.keywords) == ("shop", "Shop", "A shop.", ["shop"])


def test_the_example_of_the_design_is_a_campaign(folder: Path) -> None:
    text = """
        name: Simple CRM
        product: A simple CRM for small businesses and freelancers.   # what is sold
        keywords: [crm, track clients, '"follow up with customers"']
        negative_keywords: [hiring]
        subreddits: {include: [smallbusiness, sales], exclude: [forhire]}   # include may be empty
        exclude_authors: [AutoModerator]
        source: reddit            # reddit | arctic_shift | archive
        archive: {path: dumps/RS_2026-01.zst, as_of: 2026-01-31}
        content: [posts, comments]
        schedule: "0 */6 * * *"
        timezone: Europe/Berlin
        settings: {REDDIT_MAX_POST_AGE_MONTHS: 6, COSINE_THRESHOLD: 0.35}
        unknown: {author_karma: reject}
    """
    campaign = read_campaign(write(folder, textwrap.dedent(text), "crm.yaml"))

    assert campaign.keywords == ["crm", "track clients", '"follow up with customers"']
    assert campaign.archive is not None
    assert campaign.archive.as_of == date(2026, 1, 31)
    assert campaign.settings == {"REDDIT_MAX_POST_AGE_MONTHS": 6, "COSINE_THRESHOLD": 0.35}
    assert campaign.unknown == {"author_karma": "reject"}


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_file_of_any_script_is_read_with_and_without_a_byte_order_mark(folder: Path, mark: str) -> None:
    text = f"{mark}name: Läden\nproduct: 店\nkeywords: [straße, 会計]\n"

    assert read_campaign(write(folder, text)).keywords == ["straße", "会計"]


def test_windows_line_ends_are_fine(folder: Path) -> None:
    assert read_campaign(write(folder, SMALLEST.replace("\n", "\r\n"))).name == "Shop"


def test_an_archive_path_is_relative_to_the_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    write(folder, SMALLEST + "archive: {path: ../dumps/a.zst}\n")

    campaign = read_campaign(Path("campaigns/shop.yaml"))

    assert campaign.archive is not None
    assert campaign.archive.path == str(folder.parent / "dumps" / "a.zst")


def test_an_absolute_archive_path_and_one_from_home_stay_what_they_are(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))

    absolute = read_campaign(write(folder, SMALLEST + "archive: {path: /dumps/a.zst}\n")).archive
    from_home = read_campaign(write(folder, SMALLEST + "archive: {path: ~/a.zst}\n")).archive

    assert absolute is not None
    assert from_home is not None
    assert (absolute.path, from_home.path) == ("/dumps/a.zst", str(tmp_path / "a.zst"))


@pytest.mark.parametrize("path", ["~nosuchuser/x", '"~a\\0b/x"'])
def test_a_home_folder_that_is_not_there_does_not_hide_the_campaigns(folder: Path, path: str) -> None:
    write(folder, SMALLEST + f"archive: {{path: {path}}}\n")
    write(folder, SMALLEST, "other.yaml")

    _, first = [file.campaign for file in list_campaigns(folder)]

    assert first is not None
    assert first.archive is not None
    assert first.archive.path.startswith(f"{folder}{os.sep}~")


# --- errors ----------------------------------------------------------------------------------------------------------

NO_MAPPING = "shop.yaml: a campaign is a list of `key: value` lines with at least name, product, keywords."


@pytest.mark.parametrize(
    "text", ["", "\n\n", "# only a comment\n", "---\n", "null\n", "- name: Shop\n- product: A shop.\n", "Shop\n", "7\n"]
)
def test_a_file_that_is_no_mapping_is_refused_with_what_belongs_there(folder: Path, text: str) -> None:
    assert refusal(folder, text) == NO_MAPPING


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name: a: b\n", "shop.yaml, line 1: not valid YAML (mapping values are not allowed here)"),
        (SMALLEST + "subreddits: {include: [a\n", "shop.yaml, line 5: not valid YAML (expected ',' or ']'"),
        (SMALLEST + '\nschedule: "0 * * * *\n', "shop.yaml, line 6: not valid YAML (found unexpected end of stream)"),
        (SMALLEST + "\tsource: reddit\n", "shop.yaml, line 4: not valid YAML ("),
        (SMALLEST + "source: @reddit\n", "shop.yaml, line 4: not valid YAML ("),
        (SMALLEST + "source: *reddit\n", "shop.yaml, line 4: not valid YAML (found undefined alias"),
        (SMALLEST + "source: !!python/object/apply:os.getcwd []\n", "shop.yaml, line 4: not valid YAML ("),
        (SMALLEST + "? [a]\n: b\n", "shop.yaml, line 4: not valid YAML ("),
        (SMALLEST + "---\nname: Second\n", "shop.yaml, line 4: not valid YAML ("),
        (SMALLEST + "source: a\x00b\n", "shop.yaml: not valid YAML ("),
        (SMALLEST + "archive: {path: a, as_of: 2026-13-45}\n", "shop.yaml: not valid YAML (month must be in 1..12)"),
        ("[" * 100_000, "shop.yaml, line 1: not valid YAML (lists or mappings in one another"),
    ],
)
def test_what_is_not_yaml_is_refused_with_its_line(folder: Path, text: str, told: str) -> None:
    message = refusal(folder, text)

    assert message.startswith(told)
    assert message.endswith(". Check quotes and indentation there.")


@pytest.mark.parametrize("value", ['!!int ""', '!!float ""', "!!bool perhaps", "!!timestamp tomorrow", "!!int x"])
def test_a_tag_that_its_value_does_not_fit_is_refused_as_yaml(folder: Path, value: str) -> None:
    assert "not valid YAML (" in refusal(folder, SMALLEST + f"source: {value}\n")


def test_a_file_that_is_not_utf_8_is_refused_with_the_place(folder: Path) -> None:
    assert refusal(folder, "name: Läden\n".encode("latin-1")) == "shop.yaml is not UTF-8 at byte 7. Save it as UTF-8."
    assert refusal(folder, SMALLEST.encode("utf-16")) == "shop.yaml is not UTF-8 at byte 0. Save it as UTF-8."


def test_a_file_that_is_too_large_is_refused_unread(folder: Path) -> None:
    as_large_as_may_be = SMALLEST + "#" * (MAX_FILE_BYTES - len(SMALLEST))

    assert read_campaign(write(folder, as_large_as_may_be)).name == "Shop"
    expected = "shop.yaml is larger than 256 kB, so it is not a campaign file."
    assert refusal(folder, as_large_as_may_be + "#") == expected


def test_a_file_that_is_not_there_is_refused(folder: Path) -> None:
    with pytest.raises(CampaignInvalid, match=r"shop\.yaml cannot be read \(No such file or directory\). Check"):
        read_campaign(folder / "shop.yaml")


def test_a_folder_named_like_a_file_is_refused(folder: Path) -> None:
    (folder / "shop.yaml").mkdir()

    with pytest.raises(CampaignInvalid, match=r"shop\.yaml cannot be read \(Is a directory\)"):
        read_campaign(folder / "shop.yaml")


@pytest.mark.parametrize("name", ["Shop.yaml", "my-shop.yaml", "1shop.yaml", "my shop.yaml", f"{'a' * 64}.yaml"])
def test_a_file_name_that_is_no_id_is_refused_with_the_rule(folder: Path, name: str) -> None:
    expected = (
        f"{name}: a campaign's id is its file's name, of lower-case letters, digits and underscores, "
        f"starting with a letter. Rename {name!r}."
    )
    assert refusal(folder, SMALLEST, name) == expected


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "name: Shop\nkeywords: [shop]\n",
            "shop.yaml: product is missing. Add a line `product: …`.",
        ),
        (
            SMALLEST + "keyword: [crm]\n",
            "shop.yaml, line 4: there is no key keyword; did you mean keywords?",
        ),
        (
            SMALLEST + "\n\nzzz: 1\n",
            "shop.yaml, line 6: there is no key zzz; take it out.",
        ),
        (
            SMALLEST + "subreddits:\n  include: []\n  exclud: [sales]\n",
            "shop.yaml, line 6: there is no key subreddits.exclud; did you mean exclude?",
        ),
        (
            "name: Shop\nproduct: A shop.\nname: Other\nkeywords: [shop]\n",
            "shop.yaml, line 3: name is written twice. Keep one.",
        ),
        (
            "name: Shop\nproduct: A shop.\nkeywords: []\n",
            "shop.yaml, line 3: keywords is empty. Write at least one entry.",
        ),
        (
            "name: Shop\nproduct: A shop.\nkeywords: shop, crm\n",
            "shop.yaml, line 3: keywords is text. Write a list: [shop, crm].",
        ),
        (
            "name: Shop\nproduct: A shop.\nkeywords:\n  - shop\n  - '!!'\n",
            "shop.yaml, line 5: keywords, entry 2: '!!' has no word in it. Write at least one letter or digit.",
        ),
        (
            "name: Shop\nproduct: A shop.\nkeywords:\n\n  - '\"corner shop'\n",
            "shop.yaml, line 5: keywords, entry 1: '\"corner shop' has an unclosed double quote. Close it or take it "
            "out.",
        ),
        (
            "name: Shop\nproduct: A shop.\nkeywords:\n  - shop\n  - 2026\n",
            "shop.yaml, line 5: keywords, entry 2, is a number. Put it in quotes.",
        ),
        (
            SMALLEST + "source: twitter\n",
            "shop.yaml, line 4: source is not one of the words for it. Write 'reddit', 'arctic_shift' or 'archive'.",
        ),
        (
            SMALLEST + "content:\n- posts\n- post\n",
            "shop.yaml, line 6: content, entry 2, is not one of the words for it. Write 'posts' or 'comments'.",
        ),
        (
            SMALLEST + "timezone: Mars\n",
            "shop.yaml, line 4: timezone: 'Mars' is not a valid time zone. Write one such as Europe/Berlin.",
        ),
        (
            SMALLEST + "schedule: hourly\n",
            "shop.yaml, line 4: schedule: 'hourly' is not a valid cron line of five fields. Write one such as "
            "'0 */6 * * *'.",
        ),
        (
            SMALLEST + "archive:\n  as_of: 2026-01-31\n",
            "shop.yaml, line 4: archive.path is missing. Add a line `path: …`.",
        ),
        (
            SMALLEST + "unknown:\n  nsfw: drop\n",
            "shop.yaml, line 5: unknown.nsfw is not one of the words for it. Write 'keep' or 'reject'.",
        ),
        (
            SMALLEST + "unknown:\n  karma: reject\n",
            "shop.yaml, line 4: unknown: no gate 'karma' can meet an unknown value; these can: post_age, upvote_ratio, "
            "nsfw, subreddit_subscribers, subreddit_activity, author_karma, engagement.",
        ),
    ],
)
def test_an_error_names_the_file_the_line_the_key_and_the_fix(folder: Path, text: str, told: str) -> None:
    assert refusal(folder, text) == told


def test_an_id_in_the_file_is_refused_as_the_files_name_is_the_id(folder: Path) -> None:
    assert refusal(folder, SMALLEST + "id: other\n").startswith("shop.yaml, line 4: there is no key id")


@pytest.mark.parametrize("key", ["1", "true", "2026-01-01", "~"])
@pytest.mark.parametrize(("lines", "line"), [("", 4), ("settings:\n  ", 5)])
def test_a_key_that_is_no_text_is_refused(folder: Path, key: str, lines: str, line: int) -> None:
    expected = f"shop.yaml, line {line}: the key {key} is not text. Write keys as docs/campaigns.md names them."
    assert refusal(folder, SMALLEST + f"{lines}{key}: x\n") == expected


@pytest.mark.parametrize(
    ("keyword", "told"),
    [
        ("1099", "is a number. Put it in quotes."),
        ("true", "is true or false. Put it in quotes."),
        ("2026-01-01", "is a date. Put it in quotes."),
        ("#crm", "is empty. Write a text; one with # in it needs quotes."),
        ("title: crm", "is a mapping (`key: value`). Put it in quotes."),
        ("[crm]", "is a list. Write one text."),
        ("''", "is empty. Write a text."),
        ("c" * 121, "is longer than 120 characters. Shorten it."),
        ('"a\\ud800"', "has half of a character. Write it anew."),
    ],
)
def test_a_keyword_that_is_no_text_is_refused_with_what_it_is(folder: Path, keyword: str, told: str) -> None:
    text = f"name: Shop\nproduct: A shop.\nkeywords:\n- shop\n- {keyword}\n"
    assert refusal(folder, text) == f"shop.yaml, line 5: keywords, entry 2, {told}"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("subreddits: [sales]", "subreddits is a list. Write `subreddits: {include: [sales]}`."),
        ("settings: high", "settings is text. Write `settings: {NAME: value}`."),
        ("notify: slack://secret", "notify is text. Write a list: […]."),
        ("notify: [slack://secret]", "notify, entry 1, is text. Write `notify: [{to: env:NOTIFY_SLACK}]`."),
        ("notify: [{tto: slack://secret, to: 'a://b'}]", "there is no key notify.tto, entry 1; did you mean to?"),
        (
            "subreddits: {exclude: [a b]}",
            "subreddits.exclude, entry 1, is 'a b', which is no name on Reddit. Write a subreddit's name, such as "
            "sales.",
        ),
        (
            "exclude_authors: ['@bob']",
            "exclude_authors, entry 1, is '@bob', which is no name on Reddit. Write an author's name, such as spez.",
        ),
        ("archive: {path: x, as_of: 20240101}", "archive.as_of is not a day. Write one such as 2026-01-31."),
        ("enabled: maybe", "enabled is text. Write true or false."),
        (f"settings: {{COSINE_THRESHOLD: {'1' * 5_000}}}", "a number has more than 100 digits. Shorten it."),
    ],
)
def test_a_value_of_another_kind_is_refused_with_what_to_write(folder: Path, line: str, told: str) -> None:
    assert refusal(folder, f"{SMALLEST}{line}\n") == f"shop.yaml, line 4: {told}"


@pytest.mark.parametrize("key", ["all_of", "negative_keywords", "exclude_authors", "notify", "settings", "unknown"])
def test_a_key_without_a_value_is_an_empty_list_or_mapping(folder: Path, key: str) -> None:
    assert not getattr(read_campaign(write(folder, SMALLEST + f"{key}:\n")), key)


@pytest.mark.parametrize("text", ["subreddits:\n", "subreddits:\n  include:\n  exclude:\n"])
def test_subreddits_without_a_value_are_all(folder: Path, text: str) -> None:
    assert read_campaign(write(folder, SMALLEST + text)).subreddits.include == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "settings:\n  COSINE_THRESHOLD: 0.1\n  COSINE_THRESHOLD: 0.2\n",
            "shop.yaml, line 6: COSINE_THRESHOLD is written twice. Keep one.",
        ),
        (
            "subreddits:\n  include: [sales]\n  include: [smallbusiness]\n",
            "shop.yaml, line 6: include is written twice. Keep one.",
        ),
    ],
)
def test_a_key_written_twice_further_in_is_refused_too(folder: Path, text: str, told: str) -> None:
    assert refusal(folder, SMALLEST + text) == told


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("COSINE_TRESHOLD: 0.3", "there is no setting 'COSINE_TRESHOLD'; did you mean COSINE_THRESHOLD?"),
        ("cosine_threshold: 0.3", "there is no setting 'cosine_threshold'; did you mean COSINE_THRESHOLD?"),
        ("COSINE_THRESHOLD: 7", "COSINE_THRESHOLD is 7, but input should be less than or equal to 1."),
        ("COSINE_THRESHOLD: .nan", "COSINE_THRESHOLD is nan, but input should be a finite number."),
        ("REDDIT_SKIP_NSFW: perhaps", "REDDIT_SKIP_NSFW is 'perhaps', but input should be a valid boolean"),
        (
            "WEIGHT_COSINE: 0.9",
            "WEIGHT_COSINE, WEIGHT_PRODUCT, WEIGHT_LEXICAL and WEIGHT_INTENT must sum to 1, not 1.35.",
        ),
    ],
)
def test_a_wrong_setting_is_refused_with_the_file_and_the_fix(folder: Path, line: str, told: str) -> None:
    message = refusal(folder, SMALLEST + f"settings:\n  {line}\n")

    assert message.startswith("shop.yaml")
    assert told in message


@pytest.mark.parametrize("line", ["COSINE_TRESHOLD: 0.3", "COSINE_THRESHOLD: 7"])
def test_a_wrong_setting_is_refused_with_its_line(folder: Path, line: str) -> None:
    text = SMALLEST + f"settings:\n  MIN_KEYWORD_HITS: 2\n  {line}\n"

    assert refusal(folder, text).startswith("shop.yaml, line 6: ")


@pytest.mark.parametrize("value", ["[0.3]", "{a: 1}", "2026-01-01"])
def test_a_setting_that_is_no_plain_value_is_refused_by_its_own_name(folder: Path, value: str) -> None:
    message = refusal(folder, SMALLEST + f"settings:\n  COSINE_THRESHOLD: {value}\n")

    assert message.startswith("shop.yaml, line 5: settings.COSINE_THRESHOLD is ")


def test_what_is_wrong_is_told_in_one_line(folder: Path) -> None:
    for text in ("a: b: c", "\x00", SMALLEST + "zzz: 1", "- a"):
        assert "\n" not in refusal(folder, text)


# --- bombs -----------------------------------------------------------------------------------------------------------

ALIASES = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30))
MERGES = "a0: &a0 {x: 1}\n" + "".join(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}\n" for n in range(1, 30))
BOMBS = {
    "aliases": SMALLEST + ALIASES,
    "aliases as keywords": ALIASES + "name: Shop\nproduct: A shop.\nkeywords: *a29\n",
    "aliases as settings": ALIASES + SMALLEST + "settings: {COSINE_THRESHOLD: *a29}\n",
    "a list in itself": "name: Shop\nproduct: A shop.\nkeywords: &k [*k, *k]\n",
    "a mapping in itself": SMALLEST + "settings: &s {COSINE_THRESHOLD: *s}\n",
    "merges": MERGES + SMALLEST,
    "deep nesting": SMALLEST + "settings: " + "{a: " * 5_000 + "1" + "}" * 5_000 + "\n",
}


def test_bombs_are_refused_within_seconds_and_little_memory(folder: Path) -> None:
    # In a process of its own, whose time and memory are limited: one that hangs must not take the tests along.
    for number, bomb in enumerate(BOMBS.values()):
        write(folder, bomb, f"bomb_{number}.yaml")
    program = f"""
        import resource
        from pathlib import Path
        from lead_assets.config.campaign_files import list_campaigns
        resource.setrlimit(resource.RLIMIT_AS, (2 * 2**30, 2 * 2**30))
        resource.setrlimit(resource.RLIMIT_CPU, (10, 10))
        for file in list_campaigns(Path({str(folder)!r})):
            print(file.id, len(file.error), flush=True)
    """

    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=60, check=False
    )

    assert (done.returncode, done.stderr) == (0, ""), f"refused before: {done.stdout}"
    lengths = {name: int(length) for name, length in (line.split() for line in done.stdout.splitlines())}
    assert set(lengths) == {f"bomb_{number}" for number in range(len(BOMBS))}
    assert all(0 < length < 1_000 for length in lengths.values())


# --- the folder ------------------------------------------------------------------------------------------------------


def test_campaigns_are_listed_by_name_and_other_files_are_not(folder: Path) -> None:
    for name in ("zoo.yaml", "art.yml", "notes.txt", ".hidden.yaml", "crm.yaml.bak"):
        write(folder, SMALLEST, name)

    assert [(file.id, file.error) for file in list_campaigns(folder)] == [("art", None), ("zoo", None)]


def test_an_empty_folder_has_no_campaigns(folder: Path) -> None:
    assert list_campaigns(folder) == []


def test_a_folder_that_cannot_be_read_is_not_an_empty_one(folder: Path) -> None:
    with pytest.raises(CampaignInvalid) as refused:
        list_campaigns(folder / "nowhere")

    expected = (
        f"The campaign folder {folder / 'nowhere'} cannot be read (No such file or directory). "
        "Create it or set LEAD_ASSETS_CAMPAIGNS."
    )
    assert str(refused.value) == expected


def test_a_file_in_place_of_the_folder_is_refused(folder: Path) -> None:
    with pytest.raises(CampaignInvalid, match="cannot be read"):
        list_campaigns(write(folder, SMALLEST))


def test_a_campaign_cannot_be_found_in_a_folder_that_cannot_be_read(folder: Path) -> None:
    with pytest.raises(CampaignInvalid, match="cannot be read"):
        find_campaign(folder / "nowhere", "shop")


def test_one_broken_file_does_not_hide_the_others(folder: Path) -> None:
    broken = {
        "binary.yaml": b"\xff\xfe\x00",
        "broken.yaml": b"a: b: c",
        "empty.yaml": b"",
        "Named Badly.yaml": SMALLEST.encode(),
        "setting.yaml": SMALLEST.encode() + b"settings: {NO_SUCH: 1}\n",
        "unknown.yaml": SMALLEST.encode() + b"zzz: 1\n",
    }
    for name, text in broken.items():
        write(folder, text, name)
    (folder / "nested.yaml").mkdir()
    (folder / "dangling.yaml").symlink_to(folder / "nowhere.yaml")
    write(folder, SMALLEST, "alpha.yaml")
    write(folder, SMALLEST, "shop.yaml")

    files = {file.path.name: file for file in list_campaigns(folder)}

    assert {name for name, file in files.items() if file.campaign} == {"alpha.yaml", "shop.yaml"}
    for name in (*broken, "nested.yaml", "dangling.yaml"):
        assert files[name].campaign is None
        assert name in (files[name].error or "")


def test_a_tag_that_does_not_fit_does_not_hide_the_other_files(folder: Path) -> None:
    write(folder, SMALLEST + "enabled: !!bool perhaps\n", "broken.yaml")
    write(folder, SMALLEST)

    assert [file.campaign is not None for file in list_campaigns(folder)] == [False, True]


def test_two_files_of_one_id_are_not_both_that_campaign(folder: Path) -> None:
    write(folder, SMALLEST, "shop.yaml")
    write(folder, SMALLEST.replace("Shop", "Other"), "shop.yml")

    files = list_campaigns(folder)

    assert len([file for file in files if file.campaign]) <= 1
    assert any(file.error and "shop.yml" in file.error for file in files)


# --- find_campaign ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["yaml", "yml"])
def test_a_campaign_is_found_by_its_id(folder: Path, suffix: str) -> None:
    write(folder, SMALLEST, f"shop.{suffix}")

    assert find_campaign(folder, "shop").name == "Shop"


def test_a_broken_campaign_is_found_with_its_error(folder: Path) -> None:
    write(folder, SMALLEST + "zzz: 1\n")

    with pytest.raises(CampaignInvalid, match="line 4: there is no key zzz"):
        find_campaign(folder, "shop")


def test_an_unknown_id_is_refused_with_the_one_that_was_meant(folder: Path) -> None:
    write(folder, SMALLEST, "bakery.yaml")
    write(folder, SMALLEST, "plumber.yaml")

    with pytest.raises(CampaignInvalid) as close:
        find_campaign(folder, "bakry")
    with pytest.raises(CampaignInvalid) as far:
        find_campaign(folder, "zzz")

    assert str(close.value) == f"There is no campaign 'bakry' in {folder}; did you mean bakery?"
    assert str(far.value) == f"There is no campaign 'zzz' in {folder}; there are: bakery, plumber."


def test_an_unknown_id_in_an_empty_folder_is_refused(folder: Path) -> None:
    with pytest.raises(CampaignInvalid, match="there are: none yet"):
        find_campaign(folder, "shop")


@pytest.mark.parametrize(
    "campaign_id",
    ["../outside", "..", ".", "", "/etc/passwd", "sub/shop", "shop.yaml", "shop\n", "shop\x00", "*", "SHOP", "~/shop"],
)
def test_an_id_never_leads_out_of_the_folder(folder: Path, campaign_id: str) -> None:
    write(folder.parent, SMALLEST, "outside.yaml")
    (folder / "sub").mkdir()
    write(folder / "sub", SMALLEST)
    write(folder, SMALLEST)

    with pytest.raises(CampaignInvalid, match="There is no campaign"):
        find_campaign(folder, campaign_id)


def test_a_changed_file_is_read_anew_and_an_unchanged_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "shop.yaml"
    path.write_text(SMALLEST)
    (first,) = list_campaigns(tmp_path)
    (again,) = list_campaigns(tmp_path)
    assert again is first

    path.write_text(SMALLEST + "enabled: false\n")
    (changed,) = list_campaigns(tmp_path)
    assert changed.campaign is not None
    assert not changed.campaign.enabled

    (tmp_path / "shop.yml").write_text(SMALLEST)
    assert [file.error is None for file in list_campaigns(tmp_path)] == [True, False]
    path.unlink()
    assert [file.error for file in list_campaigns(tmp_path)] == [None]


def test_a_fifo_and_a_price_list_of_hostile_depth_break_only_themselves(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    deep = "[" * 100_000
    for name, settings in (
        ("good", "{}"),
        ("deep", f"{{MODEL_PRICES: '{deep}'}}"),
        ("digits", "{MODEL_PRICES: '[[9e999]]'}"),
    ):
        (tmp_path / f"{name}.yaml").write_text(f"name: x\nproduct: y\nkeywords: [z]\nsettings: {settings}\n")

    found = {file.id: file.error for file in list_campaigns(tmp_path)}

    assert found["good"] is None
    assert all(found[name] for name in ("pipe", "deep", "digits"))

import unicodedata
from datetime import UTC, datetime, timedelta, timezone
from pathlib import PurePosixPath

import pendulum
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from persado.errors import ConfigurationError
from persado.settings.filenames.template import FilenameTemplate, NameValues, check_remote_name

NOW = datetime(2026, 11, 23, 4, 5, 6, 789000, tzinfo=UTC)
SCHEDULED = NameValues(
    now=NOW,
    data_interval_start=datetime(2026, 11, 22, 8, 30, tzinfo=UTC),
    data_interval_end=datetime(2026, 11, 23, 8, 30, tzinfo=UTC),
    logical_date=datetime(2026, 11, 22, 8, 30, tzinfo=UTC),
    orchestration="weekly_segment",
    run_id="scheduled__2026-11-22T08:30:00+00:00",
    campaign_name="Black Friday",
    group_name="Test A",
    file_number=42,
)
BY_HAND = NameValues(now=NOW, orchestration="weekly_segment", run_id="manual__2026-11-23T04:05:00+00:00")


def rendered(template: str, values: NameValues = SCHEDULED) -> str:
    return FilenameTemplate.parse(template, allow_file_number=True).render(values)


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("customers.csv", "customers.csv"),
        ("a b/ü-🙂.csv", "a b/ü-🙂.csv"),
        ("{{now|format:'yyyy-MM-dd'}}.csv.gz", "2026-11-23.csv.gz"),
        ("{{now|format:'YYYY'}}.tgz", "2026.tgz"),
        ("a/{{now|format:'YYYY/MM/dd'}}/b.csv", "a/2026/11/23/b.csv"),
        ("{{now}}.csv", "2026-11-23T04-05-06.csv"),
        ("{{now|local:'America/Los_Angeles'}}.csv", "2026-11-22T20-05-06.csv"),
        ("{{now|local:'America/Los_Angeles'|format:'yyyy-MM-dd'}}.csv", "2026-11-22.csv"),
        ("{{now|local:'America/Los_Angeles'|next_day|format:'yyyy-MM-dd'}}.csv", "2026-11-23.csv"),
        ("{{now|next_day|next_day|format:'yyyy-MM-dd'}}.csv", "2026-11-25.csv"),
        ("{{now|local:'Asia/Tokyo'|local:'UTC'|format:'HH'}}", "04"),
        ("{{data_interval_start|format:'dd'}}-{{data_interval_end|format:'dd'}}", "22-23"),
        ("{{logical_date|format:'yyyyMMdd'}}", "20261122"),
        ("{{orchestration}}_{{run_id}}", "weekly_segment_scheduled__2026-11-22T08:30:00+00:00"),
        ("{{campaign_name}}/{{group_name}}.csv", "Black Friday/Test A.csv"),
        ("{{file_number}}.csv", "0000042.csv"),
        # white space
        ("{{ now }}", "2026-11-23T04-05-06"),
        ("{{  now  |  local  :  'Asia/Tokyo'  |  next_day  |  format  :  'dd HH'  }}", "24 13"),
        ("{{\tnow|\tformat:'yyyy'\t}}", "2026"),
        # quotes
        ('{{now|format:"yyyy-MM-dd"}}', "2026-11-23"),
        ("""{{now|format:"yyyy-MM-dd'T'HH"}}""", "2026-11-23T04"),
        ("{{now|format:'yyyy-MM-dd'T'HH'}}", "2026-11-23T04"),
        ("{{now|format:'yyyy'-week-'ww'}}", "2026-week-48"),
        ("{{now|format:'HH'h''}}", "04h"),
        ("{{now|format:'HH''mm'}}", "04'05"),
        ("{{now|format:\"'|'yyyy\"}}", "|2026"),
    ],
)
def test_renders_names(template: str, expected: str) -> None:
    assert rendered(template) == expected


@pytest.mark.parametrize(
    ("now", "zone", "expected"),
    [
        # days of 23 and 25 hours: the same wall-clock time a day later
        (datetime(2026, 3, 7, 18, 0, tzinfo=UTC), "America/Los_Angeles", "2026-03-08 10:00 -0700"),
        (datetime(2026, 10, 31, 17, 0, tzinfo=UTC), "America/Los_Angeles", "2026-11-01 10:00 -0800"),
        # 00:30 must not fall back to the same day
        (datetime(2026, 11, 1, 7, 30, tzinfo=UTC), "America/Los_Angeles", "2026-11-02 00:30 -0800"),
        # 02:30 does not exist on the next day
        (datetime(2026, 3, 7, 10, 30, tzinfo=UTC), "America/Los_Angeles", "2026-03-08 03:30 -0700"),
        # 01:30 occurs twice on the next day: the first one counts
        (datetime(2026, 10, 31, 8, 30, tzinfo=UTC), "America/Los_Angeles", "2026-11-01 01:30 -0700"),
        # a clock change at midnight
        (datetime(2026, 9, 5, 4, 30, tzinfo=UTC), "America/Santiago", "2026-09-06 01:30 -0300"),
        # the end of February in a leap year, the end of a year
        (datetime(2028, 2, 28, 12, 0, tzinfo=UTC), "UTC", "2028-02-29 12:00 +0000"),
        (datetime(2026, 12, 31, 20, 0, tzinfo=UTC), "Asia/Tokyo", "2027-01-02 05:00 +0900"),
    ],
)
def test_next_day_is_a_calendar_day(now: datetime, zone: str, expected: str) -> None:
    template = f"{{{{now|local:'{zone}'|next_day|format:'yyyy-MM-dd HH:mm Z'}}}}"
    assert rendered(template, NameValues(now=now, orchestration="o", run_id="r")) == expected


@pytest.mark.parametrize(
    "now",
    [
        NOW.astimezone(timezone(timedelta(hours=9))),
        pendulum.instance(NOW),
        pendulum.instance(NOW).in_timezone("America/New_York"),
    ],
)
def test_dates_are_converted_to_utc(now: datetime) -> None:
    values = NameValues(now=now, orchestration="o", run_id="r")
    assert rendered("{{now|next_day|format:'yyyy-MM-dd HH:mm ZZZ'}}", values) == "2026-11-24 04:05 UTC"


def test_a_date_without_a_zone_raises_value_error() -> None:
    with pytest.raises(ValueError, match="logical_date has no time zone"):
        NameValues(now=NOW, logical_date=NOW.replace(tzinfo=None), orchestration="o", run_id="r")


@pytest.mark.parametrize(
    ("template", "position", "problem"),
    [
        ("{{nwo}}.csv", 3, "unknown value \"nwo\" \\(known: now, .*group_name\\)\\. Did you mean 'now'\\?"),
        ("a_{{Now}}", 5, "Did you mean 'now'"),
        ("{{ ds }}", 4, 'unknown value "ds"'),
        ("{{campaign}}", 3, "Did you mean 'campaign_name'"),
        ("{{file_number}}", 3, "only in the templates of split outputs"),
        ("{{now|fromat:'yyyy'}}", 7, "unknown filter \"fromat\" .*Did you mean 'format'"),
        ("{{now|nextday}}", 7, "Did you mean 'next_day'"),
        ("{{now|upper}}", 7, r"known: format:'yyyy-MM-dd', local:'America/Los_Angeles', next_day\)"),
        # misprints as in Amperity's own examples
        ("{{now|format'yyyy-MM-dd'}}.csv", 13, "colon after format is missing; write format:'yyyy-MM-dd'"),
        (
            "{{now|local'America/New_York'|format'yyyy'}}",
            12,
            "colon after local is missing; write local:'America/New_York'",
        ),
        # arguments
        ("{{now|format}}", 13, "format needs an argument; write format:'yyyy-MM-dd'"),
        ("{{now|local | format:'yyyy'}}", 13, "local needs an argument"),
        ("{{now|format:}}", 14, "between straight quotes"),
        ("{{now|format:yyyy-MM-dd}}", 14, "between straight quotes; write format:'yyyy-MM-dd'"),
        ("{{now|format:‘yyyy’}}", 14, "between straight quotes"),
        ("{{now|format('yyyy')}}", 13, "expected a colon after format"),
        ("{{now|format:'yyyy}}", 14, "this ' is never closed"),
        ("{{now|format:'yyyy\"}}", 14, "this ' is never closed"),
        ("{{now|local:'Asia/Tokyo}}", 13, "this ' is never closed"),
        ("{{now|format:''}}", 14, "the format is empty"),
        ("{{now|format:'yyyy-bb'}}", 14, r'the letter "b" \(its character 6\) means nothing'),
        ("{{now|next_day:'2'}}", 15, "next_day takes no argument"),
        # time zones
        ("{{now|local:'America/Los_Angles'}}", 13, "Did you mean 'America/Los_Angeles'"),
        ("{{now|local:'america/los_angeles'}}", 13, "Did you mean 'America/Los_Angeles'"),
        ("{{now|local:'America'}}", 13, "no time zone is named 'America'"),
        ("{{now|local:''}}", 13, "no time zone is named ''"),
        ("{{now|local:'../../etc/passwd'}}", 13, "no time zone is named"),
        # filters on values of the wrong kind
        ("{{run_id|format:'yyyy'}}", 10, '"format" works on dates'),
        ("{{orchestration|local:'UTC'}}", 17, "orchestration is not one"),
        ("{{now|format:'yyyy'|next_day}}", 21, '"next_day" comes too late'),
        ("{{now|format:'yyyy'|format:'MM'}}", 21, '"format" comes too late'),
        # braces and bars
        ("{now}.csv", 1, 'a single "{"; a value is written {{now}}'),
        ("now}.csv", 4, 'a single "}"'),
        ("{{now.csv", 1, 'this "{{" is never closed'),
        ("{{now}.csv", 1, 'this "{{" is never closed'),
        ("{{{now}}}", 3, "expected the name of a value, such as now, found '{now'"),
        ("{{now}}}", 8, 'a single "}"'),
        ("{{}}", 3, "expected the name of a value, such as now, found nothing"),
        ("{{now|}}", 7, "expected the name of a filter, such as format, found nothing"),
        ("{{now||next_day}}", 7, "expected the name of a filter"),
        ("{{now format:'yyyy'}}", 7, r'expected "\|" or "}}" here'),
        ("{{now|local:'UTC' next_day}}", 19, r'expected "\|" or "}}" here'),
        ("{% now %}", 1, 'a single "{"'),
    ],
)
def test_mistakes_are_reported_with_their_position(template: str, position: int, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"(?s)^character {position} of the template .*{problem}"):
        FilenameTemplate.parse(template)


@pytest.mark.parametrize(
    ("token", "instead"),
    [
        ("data_interval_start", "use now or logical_date"),
        ("data_interval_end", "use now or logical_date"),
        ("logical_date", "use now"),
        ("campaign_name", "use orchestration"),
        ("group_name", "use orchestration"),
        ("file_number", "use now"),
    ],
)
def test_a_missing_value_suggests_another(token: str, instead: str) -> None:
    template = FilenameTemplate.parse(f"a_{{{{{token}}}}}.csv", allow_file_number=True)
    with pytest.raises(ConfigurationError, match=f"^character 3 of .* this run has no {token}; .*{instead}$"):
        template.render(BY_HAND)


def test_a_template_lists_its_tokens() -> None:
    template = FilenameTemplate.parse("{{now}}/{{now|next_day}}/{{file_number}}.csv", allow_file_number=True)
    assert template.tokens == {"now", "file_number"}


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("", "is empty"),
        ("/a.csv", "begins with /"),
        ("a/", "ends with /"),
        ("/", "begins with /"),
        ("a//b", "contains //"),
        ("..", "leads elsewhere"),
        ("../a", "leads elsewhere"),
        ("a/../b", "leads elsewhere"),
        ("a/..", "leads elsewhere"),
        ("./a", "leads elsewhere"),
        ("a\\b", "backslash"),
        (".a", "begins with a dot"),
        ("a/.b/c", "begins with a dot"),
        ("...", "begins with a dot"),
        ("a\nb", "control character"),
        ("a\0b", "control character"),
        ("a\x7fb", "control character"),
        ("a\x85b", "control character"),
        ("a\u2028b", "control character"),
        ("a\ud800b", "control character"),
        ("x" * 256, "has a part of 256 bytes"),
        ("a/" + "é" * 128 + "/b", "has a part of 256 bytes"),
    ],
)
def test_bad_names_are_refused(name: str, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem) as refusal:
        check_remote_name(name)
    assert str(refusal.value).isprintable()
    with pytest.raises(ConfigurationError, match="the template .* makes a bad name: .*" + problem):
        FilenameTemplate.parse(name)


@pytest.mark.parametrize(
    "name", ["a", "a.b..c", "x" * 255, "é" * 127 + "/" + "é" * 127, "a b/c", "~", "a:b", "👩‍👧.csv"]
)
def test_good_names_pass(name: str) -> None:
    assert check_remote_name(name) == name
    assert rendered(name) == name


def test_a_text_value_cannot_create_folders() -> None:
    values = NameValues(now=NOW, orchestration="o", run_id="r", campaign_name="../../etc/a\\b")
    assert rendered("in/x{{campaign_name}}.csv", values) == "in/x.._.._etc_a_b.csv"


@pytest.mark.parametrize("name", ["..", ".", "", "a\nb", ".hidden"])
def test_a_text_value_that_makes_a_bad_name_is_refused(name: str) -> None:
    template = FilenameTemplate.parse("in/{{campaign_name}}")
    with pytest.raises(ConfigurationError, match="makes a bad name"):
        template.render(NameValues(now=NOW, orchestration="o", run_id="r", campaign_name=name))


def test_errors_are_one_printable_line() -> None:
    with pytest.raises(ConfigurationError) as refusal:
        FilenameTemplate.parse("a\n{{\r\n\ud800}}")
    assert str(refusal.value).isprintable()


# fmt: off
pieces = st.sampled_from([
    "{{", "}}", "{", "}", "|", ":", "'", '"', " ", "now", "run_id", "campaign_name", "file_number",
    "next_day", "local", "format", "yyyy", "'UTC'", "'yyyy/MM'", "/", "..", ".", "\\", "T", "\n",
])
# fmt: on
templates = st.one_of(st.text(), st.lists(pieces, max_size=12).map("".join))
dates = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))


@settings(deadline=None)
@given(templates, st.booleans(), st.text(), dates)
def test_any_template_renders_a_name_below_the_folder_or_is_refused(
    template: str, allow: bool, text: str, moment: datetime
) -> None:
    values = NameValues(now=moment, orchestration=text, run_id=text, campaign_name=text, group_name=text, file_number=7)
    try:
        name = FilenameTemplate.parse(template, allow_file_number=allow).render(values)
    except ConfigurationError as refusal:
        name, refused = "refused", str(refusal)
    else:
        refused = ""
    assert refused.isprintable()
    path = PurePosixPath(name)
    assert str(path) == name
    assert not path.is_absolute()
    assert not any(part.startswith(".") or len(part.encode()) > 255 for part in path.parts)
    assert not any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in name)


@settings(deadline=None)
@given(st.text(), st.text())
def test_text_values_never_leave_their_folder(campaign: str, group: str) -> None:
    values = NameValues(now=NOW, orchestration="o", run_id="r", campaign_name=campaign, group_name=group)
    try:
        name = rendered("top/{{campaign_name}}/{{group_name}}.csv", values)
    except ConfigurationError:
        return
    assert len(PurePosixPath(name).parts) == 3
    assert PurePosixPath(name).parts[0] == "top"

"""Date patterns; the expected texts follow the documentation of Joda-Time's DateTimeFormat, letter by letter."""

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from persado.errors import ConfigurationError
from persado.settings.filenames.joda import JodaPattern

# A Saturday afternoon, winter time in California; fields have a single digit where possible.
AFTERNOON = datetime(2026, 3, 7, 13, 5, 9, 78123, tzinfo=ZoneInfo("America/Los_Angeles"))
MIDNIGHT = datetime(2026, 3, 7, 0, 0, 0, 0, tzinfo=ZoneInfo("UTC"))
NOON = datetime(2026, 3, 7, 12, 0, 0, 0, tzinfo=ZoneInfo("UTC"))
# A Friday in ISO 8601 week 53 of the previous year.
NEW_YEAR = datetime(2027, 1, 1, 9, 0, tzinfo=ZoneInfo("Europe/Paris"))
SUMMER = datetime(2026, 9, 30, 23, 59, 59, 999999, tzinfo=ZoneInfo("America/Los_Angeles"))
EARLY = datetime(987, 6, 5, 4, 3, 2, 1000, tzinfo=ZoneInfo("UTC"))


def formatted(pattern: str, moment: datetime) -> str:
    return JodaPattern.parse(pattern).format(moment)


@pytest.mark.parametrize(
    ("pattern", "moment", "expected"),
    [
        # era
        ("G", AFTERNOON, "AD"),
        ("GGGG", AFTERNOON, "AD"),
        # century of era
        ("C", AFTERNOON, "20"),
        ("CC", AFTERNOON, "20"),
        ("CCC", AFTERNOON, "020"),
        ("C", EARLY, "9"),
        ("CC", EARLY, "09"),
        # year of era, year: two letters are the year of the century
        ("Y", AFTERNOON, "2026"),
        ("YY", AFTERNOON, "26"),
        ("YYY", AFTERNOON, "2026"),
        ("YYYY", AFTERNOON, "2026"),
        ("YYYYY", AFTERNOON, "02026"),
        ("y", AFTERNOON, "2026"),
        ("yy", AFTERNOON, "26"),
        ("yyy", AFTERNOON, "2026"),
        ("yyyy", AFTERNOON, "2026"),
        ("yyyyyy", AFTERNOON, "002026"),
        ("y", EARLY, "987"),
        ("yy", EARLY, "87"),
        ("yyyy", EARLY, "0987"),
        ("yy", datetime(2005, 1, 10, tzinfo=UTC), "05"),
        # weekyear, week, day of week
        ("x", NEW_YEAR, "2026"),
        ("xx", NEW_YEAR, "26"),
        ("xxxx", NEW_YEAR, "2026"),
        ("xxxxx", NEW_YEAR, "02026"),
        ("YYYY", NEW_YEAR, "2027"),  # unlike Java's own formats, where Y is the weekyear
        ("w", NEW_YEAR, "53"),
        ("w", AFTERNOON, "10"),
        ("w", datetime(2026, 1, 5, tzinfo=UTC), "2"),
        ("ww", datetime(2026, 1, 5, tzinfo=UTC), "02"),
        ("www", NEW_YEAR, "053"),
        ("e", AFTERNOON, "6"),
        ("ee", AFTERNOON, "06"),
        ("e", datetime(2026, 3, 8, tzinfo=UTC), "7"),
        ("e", datetime(2026, 3, 9, tzinfo=UTC), "1"),
        ("E", AFTERNOON, "Sat"),
        ("EE", AFTERNOON, "Sat"),
        ("EEE", AFTERNOON, "Sat"),
        ("EEEE", AFTERNOON, "Saturday"),
        ("EEEEE", AFTERNOON, "Saturday"),
        # day of year, month, day of month
        ("D", AFTERNOON, "66"),
        ("DD", AFTERNOON, "66"),
        ("DDD", AFTERNOON, "066"),
        ("DDD", datetime(2028, 12, 31, tzinfo=UTC), "366"),
        ("M", AFTERNOON, "3"),
        ("MM", AFTERNOON, "03"),
        ("MMM", AFTERNOON, "Mar"),
        ("MMMM", AFTERNOON, "March"),
        ("MMMMM", AFTERNOON, "March"),
        ("MMM", SUMMER, "Sep"),
        ("MMMM", SUMMER, "September"),
        ("d", AFTERNOON, "7"),
        ("dd", AFTERNOON, "07"),
        ("ddd", AFTERNOON, "007"),
        ("d", SUMMER, "30"),
        # AM or PM, and hours of the half day
        ("a", AFTERNOON, "PM"),
        ("aaaa", AFTERNOON, "PM"),
        ("a", NEW_YEAR, "AM"),
        ("a", MIDNIGHT, "AM"),
        ("a", NOON, "PM"),
        ("K", AFTERNOON, "1"),
        ("KK", AFTERNOON, "01"),
        ("K", MIDNIGHT, "0"),
        ("K", NOON, "0"),
        ("K", SUMMER, "11"),
        ("h", AFTERNOON, "1"),
        ("hh", AFTERNOON, "01"),
        ("h", MIDNIGHT, "12"),
        ("h", NOON, "12"),
        ("h", SUMMER, "11"),
        # hours of the day
        ("H", AFTERNOON, "13"),
        ("H", NEW_YEAR, "9"),
        ("HH", NEW_YEAR, "09"),
        ("H", MIDNIGHT, "0"),
        ("HH", MIDNIGHT, "00"),
        ("k", AFTERNOON, "13"),
        ("k", NEW_YEAR, "9"),
        ("kk", NEW_YEAR, "09"),
        ("k", MIDNIGHT, "24"),
        ("k", NOON, "12"),
        # minute, second, fraction
        ("m", AFTERNOON, "5"),
        ("mm", AFTERNOON, "05"),
        ("s", AFTERNOON, "9"),
        ("ss", AFTERNOON, "09"),
        ("sss", AFTERNOON, "009"),
        ("S", AFTERNOON, "0"),
        ("SS", AFTERNOON, "07"),
        ("SSS", AFTERNOON, "078"),
        ("SSSSSS", AFTERNOON, "078123"),
        ("SSSSSSSSS", AFTERNOON, "078123000"),
        ("SSS", SUMMER, "999"),
        ("S", SUMMER, "9"),
        ("SSS", MIDNIGHT, "000"),
        # zone
        ("z", AFTERNOON, "PST"),
        ("zzz", SUMMER, "PDT"),
        ("zzzz", AFTERNOON, "Pacific Standard Time"),
        ("zzzzz", SUMMER, "Pacific Daylight Time"),
        ("z", MIDNIGHT, "UTC"),
        ("zzzz", MIDNIGHT, "Coordinated Universal Time"),
        ("Z", AFTERNOON, "-0800"),
        ("ZZ", AFTERNOON, "-08:00"),
        ("ZZZ", AFTERNOON, "America/Los_Angeles"),
        ("ZZZZ", AFTERNOON, "America/Los_Angeles"),
        ("Z", SUMMER, "-0700"),
        ("Z", MIDNIGHT, "+0000"),
        ("ZZ", MIDNIGHT, "+00:00"),
        ("ZZZ", MIDNIGHT, "UTC"),
        ("ZZZ", datetime(2026, 3, 7, tzinfo=UTC), "UTC"),
        ("ZZ", NEW_YEAR, "+01:00"),
        ("Z", AFTERNOON.astimezone(ZoneInfo("Asia/Kolkata")), "+0530"),
        ("ZZ", AFTERNOON.astimezone(ZoneInfo("America/St_Johns")), "-03:30"),
        ("ZZ", datetime(2026, 3, 7, tzinfo=timezone(timedelta(minutes=-30))), "-00:30"),
        ("z", AFTERNOON.astimezone(ZoneInfo("America/Sao_Paulo")), "-03:00"),  # a zone without a short name
        ("zzzz", AFTERNOON.astimezone(ZoneInfo("Etc/GMT+5")), "-05:00"),  # a zone without a long name
        # literal text
        ("yyyy-MM-dd", AFTERNOON, "2026-03-07"),
        ("yyyyMMdd", AFTERNOON, "20260307"),
        ("YYYY/MM/dd", AFTERNOON, "2026/03/07"),
        ("yyyy-MM-dd'T'HH:mm:ss.SSSZZ", AFTERNOON, "2026-03-07T13:05:09.078-08:00"),
        ("EEE, d MMM yyyy h:mm a", AFTERNOON, "Sat, 7 Mar 2026 1:05 PM"),
        ("hh 'o''clock' a", AFTERNOON, "01 o'clock PM"),
        ("yyyy''MM", AFTERNOON, "2026'03"),
        ("''", AFTERNOON, "'"),
        ("''''", AFTERNOON, "''"),
        ("'''x'''", AFTERNOON, "'x'"),
        ("'week' w", AFTERNOON, "week 10"),
        ("_ #?!:. ", AFTERNOON, "_ #?!:. "),
        ("d'. été'", AFTERNOON, "7. été"),
        ("yyyy年MM月", AFTERNOON, "2026年03月"),
    ],
)
def test_letters(pattern: str, moment: datetime, expected: str) -> None:
    assert formatted(pattern, moment) == expected


@pytest.mark.parametrize(
    ("zone", "winter", "summer"),
    [
        ("Europe/London", "Greenwich Mean Time", "British Summer Time"),
        ("Europe/Dublin", "Greenwich Mean Time", "Irish Standard Time"),
        ("Asia/Kolkata", "India Standard Time", "India Standard Time"),
        ("Asia/Calcutta", "India Standard Time", "India Standard Time"),
        ("US/Pacific", "Pacific Standard Time", "Pacific Daylight Time"),
        ("America/Argentina/Buenos_Aires", "Argentina Standard Time", "Argentina Standard Time"),
        ("Europe/Istanbul", "+03:00", "+03:00"),
    ],
)
def test_full_zone_names(zone: str, winter: str, summer: str) -> None:
    assert formatted("zzzz", datetime(2026, 1, 31, tzinfo=ZoneInfo(zone))) == winter
    assert formatted("zzzz", datetime(2026, 7, 31, tzinfo=ZoneInfo(zone))) == summer


def test_southern_hemisphere_has_daylight_time_in_january() -> None:
    assert formatted("zzzz", datetime(2026, 1, 31, tzinfo=ZoneInfo("Australia/Sydney"))) == (
        "Australian Eastern Daylight Time"
    )


@pytest.mark.parametrize("letter", "AbBcfFgiIjJlLnNoOpPqQrRtTuUvVWX")
def test_an_unknown_letter_is_reported(letter: str) -> None:
    with pytest.raises(ConfigurationError, match=rf'the letter "{letter}" \(its character 6\)'):
        JodaPattern.parse(f"yyyy-{letter}{letter}")


@pytest.mark.parametrize(("pattern", "where"), [("'", 1), ("yyyy'T", 5), ("'a''b", 1), ("yyyy'T'HH'", 10)])
def test_an_unclosed_quote_is_reported(pattern: str, where: int) -> None:
    with pytest.raises(ConfigurationError, match=f"the quote at its character {where} is never closed"):
        JodaPattern.parse(pattern)


def test_an_empty_pattern_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="the format is empty"):
        JodaPattern.parse("")


@settings(deadline=None)
@given(st.text())
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        pattern = JodaPattern.parse(text)
    except ConfigurationError:
        return
    assert isinstance(pattern.format(AFTERNOON), str)


@settings(deadline=None)
@given(st.text(alphabet="'abTyd- ", max_size=12))
def test_quoted_text_is_copied_unchanged(text: str) -> None:
    assert formatted("'" + text.replace("'", "''") + "x'", AFTERNOON) == text + "x"

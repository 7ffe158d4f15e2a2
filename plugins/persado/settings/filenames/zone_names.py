"""The English name of a time zone, from the Unicode CLDR: ``Pacific Daylight Time``."""

from __future__ import annotations

from datetime import datetime

from babel.core import Locale, get_global

_ENGLISH = Locale("en", "US")


def full_zone_name(moment: datetime) -> str | None:
    """
    Return the English name of a date's zone at that time of the year.

    Babel's own ``get_timezone_name`` misses zones such as Asia/Kolkata under their current name, and takes Irish winter
    time for summer time. So this reads Babel's tables directly.

    :param moment: a date and time with a ``ZoneInfo``
    :return: the name; None for zones that have only an offset
    """
    zone: str = getattr(moment.tzinfo, "key", "")
    season = "daylight" if _is_summer_time(moment) else "standard"
    same = _names_of_the_same_zone(zone)
    own_names = [_ENGLISH.time_zones.get(name, {}) for name in same]
    group_names = [_ENGLISH.meta_zones.get(get_global("meta_zones").get(name), {}) for name in same]
    for names in own_names + group_names:
        if season in names.get("long", {}):
            return str(names["long"][season])
    return None


def _is_summer_time(moment: datetime) -> bool:
    # Not dst(): in the database, Ireland has negative daylight saving time in winter.
    seasons = (moment.replace(month=month, day=1).utcoffset() for month in (1, 7))
    return moment.utcoffset() not in (None, min(offset for offset in seasons if offset is not None))


def _names_of_the_same_zone(zone: str) -> list[str]:
    aliases = get_global("zone_aliases")
    current = aliases.get(zone, zone)
    return [zone, current, *sorted(old for old, new in aliases.items() if new == current)]

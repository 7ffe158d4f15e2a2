"""The English name of a time zone, from the Unicode CLDR: ``Pacific Daylight Time``."""

from __future__ import annotations

from datetime import datetime

from babel.core import Locale, get_global

_ENGLISH = Locale("en", "US")


def full_zone_name(moment: datetime) -> str | None:
    """
    Name the zone of a moment as English speakers call it at that time of the year.

    Babel's own ``get_timezone_name`` knows zones such as Asia/Kolkata only by the name that they had years ago, and
    takes Irish winter time for summer time; so this looks up Babel's tables itself.

    :param moment: a date and time with a ``ZoneInfo``.
    :return: the name, or None where people name no zone but the offset.
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
    # Not dst(): the database says that Ireland saves "negative" daylight in winter.
    seasons = (moment.replace(month=month, day=1).utcoffset() for month in (1, 7))
    return moment.utcoffset() not in (None, min(offset for offset in seasons if offset is not None))


def _names_of_the_same_zone(zone: str) -> list[str]:
    aliases = get_global("zone_aliases")
    current = aliases.get(zone, zone)
    return [zone, current, *sorted(old for old, new in aliases.items() if new == current)]

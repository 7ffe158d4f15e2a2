"""The rows, query and settings of the deliveries in tests."""

from __future__ import annotations

CUSTOMERS = [("00012", 'Ann, "x"', None), ("0", "", 1.5), ("é\nñ😀", "b", 2.0)]
QUERY = "SELECT id, name, amount FROM customers ORDER BY rowid"
SETTINGS = {"encoding": "gzip", "filename_template": "out.csv.gz"}

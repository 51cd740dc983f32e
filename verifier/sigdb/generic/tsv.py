"""Tab-separated values: `csv` with another delimiter."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from verifier.sigdb.generic import csv, rows

_records = partial(csv.records, True)
FAMILY = replace(csv.FAMILY, name="tsv", records=_records, effective=rows.effective(_records))

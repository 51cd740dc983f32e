"""By what each family's files are known: names and first bytes. Cheap, never raises.

Kept apart from the families, so that a run loads only those that it meets.
Unlike for programs the name counts: engines choose a database's grammar by it.

Be sparing. A file that a family wrongly claims may be called equivalent because
its bytes mean the same *to that family*: `.rules` is udev's ending too. What no
name and no magic tells for sure belongs to a family only if a specification
says so (`[[databases]]`), or if its container does.
"""

from __future__ import annotations

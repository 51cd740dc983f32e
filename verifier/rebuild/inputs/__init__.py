"""What a build read: recorded from outside its sandbox, and each file accounted for.

`strace` runs around a step and its log is read; `calls` understands a line of it; `replay` plays
the calls in the order of time over `names` and `processes`; `laid` enters what was there before;
`classify` and `packages` judge the rest; `accounts` sums up. Not seen: clock reads through the
vDSO, getrandom(2), names that were looked for and not found, the order of a directory's entries,
and the interpreter of a program that the build made, ran and removed.
"""

from verifier.rebuild.inputs.accounts import Account, account, write
from verifier.rebuild.inputs.classify import Judge
from verifier.rebuild.inputs.recorder import METHOD, Recorder
from verifier.rebuild.inputs.replay import MARK

__all__ = ["MARK", "METHOD", "Account", "Judge", "Recorder", "account", "write"]

"""One process of the race over a cache: obtain and read an archive, over and over, until killed.

Called with the cache, the archive, its SHA-256 and a file to append to: "good" or what was wrong.
"""

import os
import sys
from pathlib import Path

from verifier.errors import SourceError
from verifier.source import Cache, archive
from verifier.source.cache import release
from verifier.source.tree import scan
from verifier.spec import ArchiveSource


def main() -> None:
    directory, path, sha256, log = sys.argv[1:]
    cache = Cache.open(Path(directory))
    while True:
        said = "good\n"
        try:
            source = archive.obtain(ArchiveSource(path, sha256), cache, lambda _text: None)
            # whoever prunes meanwhile must leave it alone
            if scan(source.path).entries != source.entries:
                said = "the tree changed while it was held\n"
        except SourceError as error:
            said = f"{error}\n"
        with Path(log).open("a") as file:
            file.write(said)
        for kind in ("trees", "archives"):
            release(cache.directory / "sources" / kind / sha256)
        if os.getppid() == 1:
            return


if __name__ == "__main__":
    main()

"""Its presence puts the checkout on sys.path, so that tests can import `tests.realfiles`."""

import signal

# Shells let what they run in the background ignore Ctrl-C, and so would the programs that tests
# start, and stop that way.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

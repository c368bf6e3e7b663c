"""What holds for every test."""

import signal

# A shell ignores Ctrl-C on behalf of what it starts in the background, and children inherit that. The programs that
# tests start must be told of a Ctrl-C all the same.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

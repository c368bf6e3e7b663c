"""What holds for every test."""

import signal

from hypothesis import HealthCheck, settings

# How long an example takes says how busy the machine is, not whether the program is right.
settings.register_profile('scoutbee', deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile('scoutbee')

# A shell ignores Ctrl-C on behalf of what it starts in the background, `nohup` a hang-up, and children inherit that.
# The programs that tests start must be told of either all the same.
for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, usual)

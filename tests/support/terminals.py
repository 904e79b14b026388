"""What commands hear of their terminal."""

import signal


def heeds_its_terminal() -> None:
    """Whoever runs the tests may have been started by nohup, whose children do not."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

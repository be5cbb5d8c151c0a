"""The command line: take the measures that were named, and print one table of figures."""

import argparse
import signal
import sys
import time

from benchmarks.figures import table
from benchmarks.measures import MEASURES


def main() -> int:
    """Measure; return 1 where something could not be measured, whatever the figures are."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of {', '.join(MEASURES)}")
    parser.add_argument("--quick", action="store_true", help="little data: to see that it works")
    options = parser.parse_args()
    if unknown := set(options.names) - set(MEASURES):
        parser.error(f"no measure is called {', '.join(sorted(unknown))}")
    # SIGTERM unwinds as Ctrl-C does: stacks are stopped, and files deleted.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))

    size = (1, 0.05) if options.quick else (7, 1)
    figures, failed = [], False
    for name in options.names or MEASURES:
        started = time.monotonic()
        try:
            figures += MEASURES[name](*size)
            outcome = f"{time.monotonic() - started:.0f} s"
        except Exception as error:  # noqa: BLE001 - the other measures are worth having
            failed, outcome = True, f"{type(error).__name__}: {error}"
        print(f"{name}: {outcome}", file=sys.stderr, flush=True)
    print(table(figures))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())

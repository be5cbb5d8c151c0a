"""The command line: performs the named measures, and prints one table of figures."""

import argparse
import signal
import sys
import time

from benchmarks.figures import table
from benchmarks.measures import MEASURES as PLATFORM
from benchmarks.warehouse import warehouse

MEASURES = {**PLATFORM, "warehouse": warehouse}


def main() -> int:
    """Measure; return 1 if a measure failed, whatever the figures are."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of {', '.join(MEASURES)}")
    parser.add_argument(
        "--quick", action="store_true", help="measure with little data, to test the measures"
    )
    options = parser.parse_args()
    if unknown := set(options.names) - set(MEASURES):
        parser.error(f"unknown measures: {', '.join(sorted(unknown))}")
    # SIGTERM has the same effect as Ctrl-C: stacks are stopped, and files deleted.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))

    size = (1, 0.05) if options.quick else (7, 1)
    figures, failed = [], False
    for name in options.names or MEASURES:
        started = time.monotonic()
        try:
            figures += MEASURES[name](*size)
            outcome = f"{time.monotonic() - started:.0f} s"
        except Exception as error:  # noqa: BLE001 - continue with the other measures
            failed, outcome = True, f"{type(error).__name__}: {error}"
        print(f"{name}: {outcome}", file=sys.stderr, flush=True)
    print(table(figures))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())

"""`aws-orders doctor`: prints what the doctor finds."""

import argparse


def doctor(options: argparse.Namespace) -> int:
    """Check the environment and print each result; return 1 if a check failed."""
    from aws_orders.doctor import examine
    from aws_orders.doctor.checks import Status

    counts = {Status.OK: 0, Status.WARN: 0, Status.MISSING: 0}
    for diagnosis in examine(options.live):
        counts[diagnosis.status] += 1
        print(diagnosis, flush=True)
    print("\n" + ", ".join(f"{count} {status}" for status, count in counts.items()))
    if not options.live and not counts[Status.MISSING]:
        print("To test writing and the role of COPY: aws-orders doctor --live")
    return 1 if counts[Status.MISSING] else 0

"""The platform's cost, measured next to a yardstick: `make bench`.

    python -m benchmarks [--quick] [NAME ...]

    __main__  the command line
    figures    measured values, their limits, and the table
    measures   the measures of the platform, with yardsticks and limits
    warehouse  the measures of the laptop's Redshift
    stage      what measures need: a stack, feeds, processes and their memory
    calls      one operation of the platform, timed in a separate process
    wrangler   the same work with awswrangler, in a separate environment

The machine may be shared and noisy: a figure is the median of several samples, which alternate with
those of the yardstick.
"""

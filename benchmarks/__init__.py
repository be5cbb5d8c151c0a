"""What the platform costs, measured beside a yardstick: `make bench`.

    python -m benchmarks [--quick] [NAME ...]

    __main__  the command line
    figures   what is measured, and the table of it
    measures  how it is measured, against what, and what is asked of it
    stage     what measuring needs: a stack, feeds, processes and their memory
    calls     one verb of the platform, timed in a process of its own
    wrangler  the same job by hand, with awswrangler, in an environment of its own

The machine is taken to be shared and noisy: a figure is the median of several runs, taken in
turn with its yardstick's.
"""

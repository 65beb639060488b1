"""The processor's name, as a benchmark or a model's card gives it."""

import platform


def processor_name() -> str:
    """What the system calls the processor."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()

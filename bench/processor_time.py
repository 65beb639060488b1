"""How much processor time a client or a server has used, with all that it has started."""

import psutil


def processor_seconds(pid: int | None = None) -> float:
    """Of a process, by default this one, and of its descendants; those that have ended count nothing."""
    seconds = 0.0
    try:
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return seconds
    for each in family:
        try:
            seconds += sum(each.cpu_times()[:2])
        except psutil.NoSuchProcess:
            continue
    return seconds

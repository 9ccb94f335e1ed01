"""Errors of the command line, which can be raised before the pipeline and its errors are imported."""

import errno


class UsageError(Exception):
    """The command line, the configuration or the environment is wrong; the message names the remedy."""


def advise(error: BaseException) -> str:
    """Return what to do about a full disk or too little memory; nothing about another error."""
    if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
        return ": the disk is full: make room there, or set workspace_directory to a folder elsewhere"
    is_memory = isinstance(error, MemoryError) or "failed to map segment" in str(error)
    return ": the memory does not suffice: raise its limit (ulimit -v, or that of the container)" if is_memory else ""

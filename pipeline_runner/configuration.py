"""Names in the configuration that nobody reads: luigi passes most of them over in silence."""

from __future__ import annotations

import configparser
from collections.abc import Iterable
from difflib import get_close_matches
from typing import TYPE_CHECKING

from luigi.task_register import Register, TaskClassNotFoundException

if TYPE_CHECKING:
    from luigi.configuration import LuigiConfigParser

# What luigi reads of [core] without declaring it as a parameter.
_CORE = {
    "autoload_range",
    "default_scheduler_host",
    "default_scheduler_port",
    "default_scheduler_url",
    "no_configure_logging",
    "rpc_connect_timeout",
    "rpc_retry_attempts",
    "rpc_retry_wait",
}


class ConfigurationError(configparser.Error):
    """The configuration names a section or a key that does not exist; the message says which and what is near."""


def check_names(config: LuigiConfigParser) -> None:
    """Refuse a configuration with names that are not known.

    Args:
        config: what luigi has read; the tasks that it may name must have been imported.

    Raises:
        ConfigurationError: a section is neither a task nor a part of luigi or gokart, or a key is no parameter of it.
    """
    # Parts of gokart, which it imports only when they are used.
    import gokart.gcs_config
    import gokart.s3_config  # noqa: F401

    for section in config.sections():
        try:
            parameters = Register.get_task_cls(section).get_param_names(include_significant=True)
        except TaskClassNotFoundException:
            raise ConfigurationError(_sentence(f"the section [{section}]", section, Register.task_names())) from None
        known = {*parameters, *(_CORE if section == "core" else ())}
        for key in config.options(section):
            if key.replace("-", "_") not in known:
                raise ConfigurationError(_sentence(f"the key {key} in [{section}]", key, known))


def _sentence(what: str, name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, list(known), n=1)
    return f"{what} of the configuration is not known" + (f": did you mean {near[0]}?" if near else "")

"""The notification of Slack, with the settings of gokart's section [SlackConfig]."""

from __future__ import annotations

import logging
import os
import threading

import luigi
import slack_sdk
from gokart.slack import SlackConfig

from pipeline_runner.masking import mask
from pipeline_runner.root_task import RootTask
from pipeline_runner.run_record import RunResult

logger = logging.getLogger(__name__)

SECONDS = 10


def take_settings() -> SlackConfig:
    """Return the settings, and switch gokart's own message off.

    gokart's names only tasks, and is uploaded by a method that Slack has shut down:
    https://docs.slack.dev/changelog/2024-04-a-better-way-to-upload-files-is-here-to-stay
    """
    settings = SlackConfig()
    luigi.configuration.get_config().set("SlackConfig", "channel", "")
    return settings


def notify(settings: SlackConfig, root: RootTask, result: RunResult, report: str | None) -> None:
    """Send the result of a run to a channel, if there are a token and a channel; only warn if that fails.

    Args:
        settings: whom to notify.
        root: the task that was run.
        result: its result.
        report: path or URI of the report, if there is one.
    """
    token = os.environ.get(settings.token_name, "")
    if not token or not settings.channel:
        return
    text = make_text(settings, root, result, report)
    # A thread, because a timeout of the connection does not bound a server that trickles.
    sending = threading.Thread(target=_send, args=(token, settings.channel, text), daemon=True)
    sending.start()
    sending.join(SECONDS)
    if sending.is_alive():
        logger.warning("Slack has not answered for %d s: the message may be missing", SECONDS)


def make_text(settings: SlackConfig, root: RootTask, result: RunResult, report: str | None) -> str:
    """Return the message: who is mentioned, the task and the verdict, then a line for each thing to know."""
    mention = f"<@{settings.to_user.removeprefix('@')}> " if settings.to_user else ""
    lines = result.summarize("") if result.publication else {}
    lines.pop("fetch", None)
    if result.failure:
        lines["error"] = result.failure.message
    if report:
        lines["report"] = report
    head = f"{mention}{root.graph.family}: {result.verdict}"
    return mask("\n".join([head, *(f"{name}: {value}" for name, value in lines.items())]))


def _send(token: str, channel: str, text: str) -> None:
    client = slack_sdk.WebClient(token, base_url=os.environ.get("SLACK_API_URL", "https://slack.com/api/"))
    try:
        client.chat_postMessage(channel=channel, text=text, unfurl_links=False)
    except Exception as error:
        # Of any kind: the run has ended, and the message must not change how.
        logger.warning("the message to Slack is missing: %s", mask(" ".join(str(error).split())))

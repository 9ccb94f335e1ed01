"""The notification of Slack, with the settings of gokart's section [SlackConfig]."""

import html
import logging
import os

from pipeline_runner.error_messages import describe
from pipeline_runner.masking import mask
from pipeline_runner.watch.run_record import RunResult

logger = logging.getLogger(__name__)

SECONDS = 5
MISSING = "the message to Slack is missing: %s"


def notify(result: RunResult, report: str | None) -> None:
    """Send the result of a run and the URI of its report to a channel, if there is one; only warn if that fails.

    gokart's own message names only tasks, and is uploaded by a method that Slack has shut down:
    https://docs.slack.dev/changelog/2024-04-a-better-way-to-upload-files-is-here-to-stay
    """
    settings = result.root.slack
    if not settings.channel:
        return
    if not (token := os.environ.get(settings.token_name)):
        logger.warning(MISSING, f"set the variable {settings.token_name}, which token_name of [SlackConfig] names")
        return
    import slack_sdk
    from slack_sdk.errors import SlackApiError

    address = os.environ.get("SLACK_API_URL") or slack_sdk.WebClient.BASE_URL
    # A second attempt might send the message twice, and the logger of the client would repeat each error.
    quiet = logging.Logger("quiet", logging.CRITICAL)
    try:
        client = slack_sdk.WebClient(token, address, timeout=SECONDS, retry_handlers=[], logger=quiet)
        client.chat_postMessage(channel=settings.channel, text=make_text(result, report), unfurl_links=False)
    except TimeoutError:
        logger.warning("the message to Slack may be missing: check the network, there is no answer for %d s", SECONDS)
    except Exception as error:
        # Of any kind, because the run has ended; one of Python may quote the token.
        problem = describe(error) if isinstance(error, (SlackApiError, OSError)) else type(error).__name__
        logger.warning(MISSING, f"check the token, that the app is in the channel, and the network ({problem})")


def make_text(result: RunResult, report: str | None) -> str:
    """Return the message: who is mentioned, the task and the verdict, then a line for each thing to know."""
    mention = f"<@{user.removeprefix('@')}> " if (user := result.root.slack.to_user) else ""
    error = {"error": result.failure.message} if result.failure and result.exit_status else {}
    lines = {result.root.graph.root.task_family: result.verdict, **error, **result.summarize(report)}
    text = "\n".join(f"{name}: {value}" for name, value in lines.items())
    # Slack would take <...> for a link or a mention.
    return mention + html.escape(mask(text), quote=False)

"""Masking of secrets: they are replaced by ``***`` before a text is shown, stored or published."""

import itertools
import re

MASK = "***"
_WORDS = r"(?:secret|token|passw(?:or)?d|passphrase|(?:api|access|private|account|signing)[_-]?key(?![_-]?id))"
_SIGNED = "x-amz-|x-goog-|awsaccesskeyid|signature|sig|expires"
# A name that indicates a secret; AWS_WEB_IDENTITY_TOKEN_FILE and the like name files instead.
_NAME = re.compile(rf"(?i){_WORDS}(?!\w*_file)")
# Not in the middle of a name, and not "SSO Token: Token for x does not exist": no token is a short word in a sentence.
_NO_ERROR = r"(?<![\w.-])(?!(?-i:\w*Token\w*: [A-Z]?[a-z]{1,9} \w))"
_PATTERNS = (
    # The user name and password of a URL.
    re.compile(r"(?<=://)[^\s/@]+(?=@)"),
    # The query of a URL that is signed or contains a key:
    # https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
    re.compile(rf"(?i)(?<=[?&])((?:{_SIGNED}|[\w-]*{_WORDS})[\w-]*=)[^&\s'\"]+"),
    # A named value: name=value, name: value, "name": "value", --name value.
    re.compile(rf"(?i){_NO_ERROR}([\w.-]*{_WORDS}(?!\w*_file)[\w-]*['\"]?(?:\s*[=:]\s*)['\"]?)[^\s'\",;)&]+"),
    re.compile(rf"(?i)(--[\w.-]*{_WORDS}(?!\w*_file)[\w-]*\s+)(?!-)[^\s'\",;)]+"),
    # A token of Slack, which may have been given instead of the name of its variable.
    re.compile(r"\bx(?:ox[a-z]|app)-[\w.-]+"),
)  # fmt: skip


def mask(text: str) -> str:
    """Mask the credentials of URLs, and values whose names indicate secrets."""
    for pattern in _PATTERNS:
        text = pattern.sub(rf"\g<1>{MASK}" if pattern.groups else MASK, text)
    return text


def mask_arguments(arguments: list[str]) -> list[str]:
    """Mask the secrets in command-line arguments."""
    masked = [mask(argument) for argument in arguments]
    for number, (option, value) in enumerate(itertools.pairwise(arguments), start=1):
        if option.startswith("-") and "=" not in option and _NAME.search(option) and not value.startswith("-"):
            masked[number] = MASK
    return masked


def mask_parameter(name: str, value: str) -> str:
    """Return the value of a parameter, masked if its name indicates a secret."""
    return MASK if value and _NAME.search(name) else mask(value)

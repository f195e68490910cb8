"""Gets passwords for the registries of clouds from the clouds' own programs."""

from __future__ import annotations

import re

from kitfast.errors import InvalidArgument
from kitfast.modelkit.tools import ask

# A registry of the Elastic Container Registry: account and region.
_ECR = re.compile(r"\d{12}\.dkr\.ecr(-fips)?\.([a-z0-9-]+)\.amazonaws\.com(\.cn)?")
_GAR = re.compile(r"[a-z0-9-]+-docker\.pkg\.dev")

INSTEAD = (
    "add it to the image, or set KIT_USER and KIT_PASSWORD, or mount a Docker configuration "
    "that names a credential helper"
)


async def aws_login(host: str, region: str) -> tuple[str, str] | None:
    """The login that AWS gives for a registry of `region`; None for other registries.

    Raises:
        InvalidArgument: the region is not the registry's.
        NotFound, ToolFailed: there is no `aws` program, or it fails.
    """
    match = _ECR.fullmatch(host)
    if match is None:
        return None
    if not region:
        raise InvalidArgument(
            "AWS_ROLE_ARN is set, but AWS_ECR_REGION is not",
            hint=f"set AWS_ECR_REGION to the registry's region, {match[2]}",
        )
    if region != match[2]:
        raise InvalidArgument(
            f"AWS_ECR_REGION is {region}, but {host} is in {match[2]}",
            hint=f"set AWS_ECR_REGION to {match[2]}",
        )
    words = ("aws", "ecr", "get-login-password", "--region", region)
    return "AWS", (await ask(words, missing=INSTEAD)).strip()


async def google_login(host: str, location: str) -> tuple[str, str] | None:
    """The login that Google gives for an Artifact Registry; None for other registries.

    Raises:
        InvalidArgument: the location is not the registry's.
        NotFound, ToolFailed: there is no `gcloud` program, or it fails.
    """
    if not location:
        raise InvalidArgument(
            "GCP_WIF is true, but GCP_GAR_LOCATION is not set",
            hint="set GCP_GAR_LOCATION to the registry's location, such as europe-west3",
        )
    if not _GAR.fullmatch(host):
        return None
    if host != f"{location}-docker.pkg.dev":
        raise InvalidArgument(
            f"GCP_GAR_LOCATION is {location}, but the registry is {host}",
            hint=f"set GCP_GAR_LOCATION to {host.removesuffix('-docker.pkg.dev')}",
        )
    token = await ask(("gcloud", "auth", "print-access-token"), missing=INSTEAD)
    return "oauth2accesstoken", token.strip()

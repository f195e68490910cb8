"""The containers' entry points with kit's variables, without an engine."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from tests.support.commands import Kitfast, Outcome, refused
from tests.support.folders import shards, tree
from tests.support.registries import (
    PASSWORD,
    USERNAME,
    Running,
    htpasswd_registry,
    plain_registry,
)

from kitfast.cli.commands import HIDDEN

__all__ = ["htpasswd_registry", "plain_registry"]

CONTAINERS = Path(__file__).parents[2] / "containers"
PLAIN = {"KITFAST_PLAIN_HTTP": "true"}


@pytest.fixture
def kitfast(tmp_path: Path) -> Kitfast:
    return Kitfast(tmp_path)


@pytest.fixture
def kit(tmp_path: Path, kitfast: Kitfast, plain_registry: Running) -> str:
    """The reference of a kit in a registry; its files are in `tmp_path/folder`."""
    reference = f"{plain_registry.host}/containers/{tmp_path.name}:v1".lower()
    folder = shards(tmp_path / "folder", 2, 100_000)
    kitfast.run("push", str(folder), reference, extra=PLAIN)
    return reference


def init(kitfast: Kitfast, status: int | None = 0, **variables: str) -> Outcome:
    return kitfast.run("container-init", status=status, extra=PLAIN | variables)


def digest_of(kitfast: Kitfast, reference: str) -> str:
    text = kitfast.run("inspect", "-r", reference, extra=PLAIN).stdout
    found: str = json.loads(text)["digest"]
    return found


def program(folder: Path, name: str, body: str) -> str:
    """Puts a program of that name first on a PATH, which is returned."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{body}\n")
    (folder / name).chmod(0o755)
    return f"{folder}:/usr/bin:/bin"


def test_init_unpacks_the_model_and_again(tmp_path: Path, kitfast: Kitfast, kit: str) -> None:
    out = tmp_path / "out"
    done = init(kitfast, MODELKIT_REF=kit, UNPACK_PATH=str(out))
    assert {path.name for path in out.iterdir()} == {"shards"}
    assert tree(out / "shards") == tree(tmp_path / "folder" / "shards")
    assert digest_of(kitfast, kit) in done.stdout
    assert "of 1 files and layers done" in done.stderr
    # A container that starts again keeps what is there: kit's default flag.
    assert init(kitfast, MODELKIT_REF=kit, UNPACK_PATH=str(out)).status == 0
    failed = init(kitfast, None, MODELKIT_REF=kit, UNPACK_PATH=str(out), EXTRA_FLAGS="-v")
    refused(failed, "already exists")


def test_flags_are_read_as_a_shell_would(tmp_path: Path, kitfast: Kitfast, kit: str) -> None:
    out = tmp_path / "a folder"
    flags = f"--overwrite --filter docs -d '{out}' --plain-http=true"
    variables = {"MODELKIT_REF": kit, "UNPACK_FILTER": "kitfile", "EXTRA_FLAGS": flags}
    kitfast.run("container-init", extra=variables)
    assert {path.name for path in out.iterdir()} == {"Kitfile", "README.md"}
    refused(init(kitfast, None, MODELKIT_REF=kit, EXTRA_FLAGS="-d 'x"), "EXTRA_FLAGS")
    refused(init(kitfast, None, MODELKIT_REF=kit, EXTRA_FLAGS="--no-such-flag"), "no-such-flag")


def test_init_says_what_is_missing(kitfast: Kitfast) -> None:
    refused(init(kitfast, None), "MODELKIT_REF is not set")


def test_signatures_are_checked_by_digest_before_anything_is_fetched(
    tmp_path: Path, kitfast: Kitfast, kit: str
) -> None:
    said = tmp_path / "said"
    out = tmp_path / "out"
    good = program(tmp_path / "good", "cosign", f'echo "$@" > {said}')
    variables = {"MODELKIT_REF": kit, "UNPACK_PATH": str(out), "PATH": good}
    init(kitfast, **variables, COSIGN_KEY="/keys/cosign.pub")
    exact = f"{kit.removesuffix(':v1')}@{digest_of(kitfast, kit)}"
    assert said.read_text() == f"verify --key /keys/cosign.pub --allow-http-registry {exact}\n"
    assert out.exists()
    more = {"COSIGN_KEY": "k", "COSIGN_FLAGS": "--trusted-root '/keys/the root.json'"}
    init(kitfast, **variables, **more)
    assert said.read_text().endswith(
        f"--allow-http-registry --trusted-root /keys/the root.json {exact}\n"
    )
    refused(init(kitfast, None, **variables, COSIGN_KEY="k", COSIGN_FLAGS="'"), "COSIGN_FLAGS")
    who = {"COSIGN_CERT_IDENTITY": "ann@example", "COSIGN_CERT_OIDC_ISSUER": "https://i.example"}
    init(kitfast, **variables, **who)
    assert "--certificate-identity ann@example --certificate-oidc-issuer https://i" in (
        said.read_text()
    )
    half = {"COSIGN_CERT_IDENTITY": "ann@example", "UNPACK_PATH": str(tmp_path / "half")}
    refused(init(kitfast, None, **(variables | half)), "issuer")
    bad = program(tmp_path / "bad", "cosign", "echo no matching signatures >&2; exit 12")
    elsewhere = {"UNPACK_PATH": str(tmp_path / "bad out"), "COSIGN_KEY": "k"}
    failed = init(kitfast, None, **(variables | elsewhere | {"PATH": bad}))
    refused(failed, "no matching signatures", "do not use")
    without = init(kitfast, None, **(variables | elsewhere | {"PATH": "/nowhere"}))
    refused(without, "cosign: no such program", "install cosign")
    assert not (tmp_path / "bad out").exists()
    assert not (tmp_path / "half").exists()


def test_kserve_unpacks_everything(tmp_path: Path, kitfast: Kitfast, kit: str) -> None:
    out = tmp_path / "models"
    words = ("container-kserve", f"kit://{kit}", str(out))
    done = kitfast.run(*words, extra={"KIT_UNPACK_FLAGS": "--plain-http --output=json"})
    assert json.loads(done.stdout)["files"] == 4
    assert tree(out) == tree(tmp_path / "folder")
    refused(kitfast.run("container-kserve", f"kit://{kit}", status=None))


def test_kserve_logs_in_for_this_run_alone(
    tmp_path: Path, kitfast: Kitfast, htpasswd_registry: Running
) -> None:
    folder = shards(tmp_path / "folder", 1, 1000)
    reference = f"{htpasswd_registry.host}/kserve/kit:v1"
    login = {"KITFAST_REGISTRY": htpasswd_registry.host, "KITFAST_USERNAME": USERNAME}
    kitfast.run(
        "push", str(folder), reference, extra=PLAIN | login | {"KITFAST_PASSWORD": PASSWORD}
    )
    words = ("container-kserve", f"kit://{reference}", str(tmp_path / "models"))
    refused(kitfast.run(*words, status=None, extra=PLAIN))
    kitfast.run(*words, extra=PLAIN | {"KIT_USER": USERNAME, "KIT_PASSWORD": PASSWORD})
    assert tree(tmp_path / "models") == tree(folder)
    assert not list(kitfast.home.rglob("credentials.json"))
    half = kitfast.run(*words, status=None, extra=PLAIN | {"KIT_USER": USERNAME})
    assert "KIT_USER and KIT_PASSWORD go together" in half.stderr


def test_clouds_are_asked_for_their_own_registries_only(
    tmp_path: Path, kitfast: Kitfast, kit: str
) -> None:
    words = ("container-kserve", f"kit://{kit}", str(tmp_path / "models"))
    # The tools of the machine that runs the tests are not asked.
    none = {"PATH": "/nowhere"}
    role = {"AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/r", "AWS_ECR_REGION": "eu-west-1"}
    role |= none
    kitfast.run(*words, extra=PLAIN | role)
    ours = "kit://123456789012.dkr.ecr.eu-west-1.amazonaws.com/m:v1"
    there = ("container-kserve", ours, str(tmp_path / "no"))
    refused(kitfast.run(*there, status=None, extra=role), "aws: no such program", "KIT_USER")
    wrong = role | {"AWS_ECR_REGION": "us-east-1"}
    refused(kitfast.run(*there, status=None, extra=wrong), "eu-west-1")
    google = ("container-kserve", "kit://europe-docker.pkg.dev/p/m:v1", str(tmp_path / "no"))
    refused(kitfast.run(*google, status=None, extra={"GCP_WIF": "true"}), "GCP_GAR_LOCATION")
    located = {"GCP_WIF": "true", "GCP_GAR_LOCATION": "europe"} | none
    refused(kitfast.run(*google, status=None, extra=located), "gcloud: no such program")
    failing = program(tmp_path / "tools", "gcloud", "echo not logged in >&2; exit 1")
    refused(kitfast.run(*google, status=None, extra=located | {"PATH": failing}), "not logged in")


@pytest.mark.parametrize("name", ["kitfast", "kitfast-init", "kitfast-kserve"])
def test_the_images_start_kitfast_and_nothing_else(name: str) -> None:
    text = (CONTAINERS / f"{name}.Containerfile").read_text("utf-8")
    last = text[text.rindex("\nFROM ") :]
    assert re.findall(r"^USER (.*)$", last, re.MULTILINE) == ["1001"]
    entry = re.findall(r"^ENTRYPOINT (.*)$", last, re.MULTILINE)
    assert len(entry) == 1
    command = json.loads(entry[0])
    assert command[0] == "kitfast"
    assert name == "kitfast" or command[1] in HIDDEN

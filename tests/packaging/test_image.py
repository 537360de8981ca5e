"""The container image: what it is made of, who runs in it, and what it may do; built where a builder is at hand."""

import re
import shlex
import shutil
import subprocess
import tomllib

import pytest
import yaml

from helpers.making import REPOSITORY
from helpers.waiting import PATIENCE_S

DOCKERFILE = (REPOSITORY / "Dockerfile").read_text(encoding="utf-8")
COMPOSE = yaml.safe_load((REPOSITORY / "compose.yaml").read_text(encoding="utf-8"))
IGNORED = (REPOSITORY / ".dockerignore").read_text(encoding="utf-8").split()


def instructions(name):
    """The arguments of every instruction of this name, continued lines joined."""
    text = re.sub(r"\\\n\s*", "", DOCKERFILE)
    return re.findall(rf"^{name} (.*)$", text, re.MULTILINE)


def test_only_what_is_named_can_get_into_it():
    assert IGNORED[IGNORED.index("*") :][0] == "*"
    allowed = {line[1:] for line in IGNORED if line.startswith("!")}
    sources = {
        source
        for line in instructions("COPY")
        if not line.startswith("--from")
        for source in line.split()[:-1]
    }
    assert sources == allowed
    assert all((REPOSITORY / source).exists() for source in sources)
    assert not [name for name in allowed if re.search(r"key|env|runs|live|git", name)]


def test_it_holds_the_packages_of_the_wheel_and_the_pinned_versions():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert all(f"{package} {package}" in instructions("COPY") for package in packages)
    installs = [line for line in instructions("RUN") if "pip install" in line]
    assert installs
    assert all("-c constraints.txt" in line for line in installs)
    pinned = (REPOSITORY / "constraints.txt").read_text(encoding="utf-8")
    torch = re.search(r"torch==(\S+)", DOCKERFILE)[1]
    assert f"torch=={torch}\n" in pinned
    extras = set(re.search(r'"\.\[([\w,]+)\]"', DOCKERFILE)[1].split(","))
    assert extras <= set(project["project"]["optional-dependencies"])
    assert all(re.search(r":\d", line) for line in instructions("FROM"))


def test_nobody_in_it_is_root_and_it_says_how_it_is():
    assert instructions("USER")[-1] == "10001"
    assert "--uid 10001" in DOCKERFILE
    assert "/health" in instructions("HEALTHCHECK")[0]
    assert instructions("VOLUME") == ["/state"]
    assert "EXPOSE" not in DOCKERFILE


@pytest.mark.parametrize("service", COMPOSE["services"])
def test_a_service_is_held_tight_and_reaches_no_further_than_loopback(service):
    found = COMPOSE["services"][service]
    assert found["read_only"] is True
    assert found["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in found["security_opt"]
    assert "ports" not in found
    assert "privileged" not in found
    assert not [line for line in found["volumes"] if line.startswith(("/", "."))]
    named = {line.partition(":")[0] for line in found["volumes"]}
    assert named <= set(COMPOSE["volumes"])


def test_the_commands_are_understood():
    from typer.main import get_command

    from engine.cli.app import app
    from forewalk.settings.loading import load_settings

    root = get_command(app)
    serve = yaml.safe_load(instructions("CMD")[-1])
    daemon = [str(word) for word in COMPOSE["services"]["daemon"]["command"]]
    for words in (serve, daemon):
        command = root.commands[words[0]]
        command.make_context(words[0], list(words[1:]))
    overrides = [daemon[k + 1] for k, word in enumerate(daemon) if word == "--set"]
    settings = load_settings(REPOSITORY / "examples" / "paper.toml", overrides, environment={})
    assert str(settings.live.port) in shlex.join(COMPOSE["services"]["daemon"]["healthcheck"]["test"])


def builder():
    """Whether an image can be built here."""
    docker = shutil.which("docker")
    return docker and subprocess.run([docker, "info"], capture_output=True, check=False).returncode == 0


@pytest.mark.faults
@pytest.mark.skipif(not builder(), reason="no container builder at hand")
def test_it_is_built_and_answers():
    subprocess.run(
        ["docker", "build", "-t", "forewalk-test", REPOSITORY], check=True, timeout=10 * PATIENCE_S
    )
    ran = subprocess.run(
        ["docker", "run", "--rm", "--read-only", "--tmpfs", "/tmp", "forewalk-test", "--version"],
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE_S,
    )
    assert ran.stdout.startswith("forewalk ")

"""Dockerfile, Compose file and Kubernetes manifests: valid, and fitting the program they start."""

from __future__ import annotations

import copy
import importlib.resources
import json
import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import typer
import typer.main
import yaml

from pipelines.config.settings import Settings, load_settings
from serving.app import create_app
from serving.command_line import _GRACE, app

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
# The oldest that is still in use somewhere, and the newest whose schemas are installed.
RELEASES = ["1.31", kubernetes_validate.latest_version()]
PORT = 8_000
UsageError = typer.BadParameter.__mro__[1]
# The last is for the namespace of Milvus, not ours.
NO_RESOURCES = {"kustomization.yaml", "milvus-values.yaml", "milvus-networkpolicy.yaml"}
FILES = sorted(path.name for path in KUBERNETES.glob("*.yaml") if path.name not in NO_RESOURCES)


def manifests() -> dict[str, dict[str, Any]]:
    """Kind → what is asked for; there is one of each."""
    read = [yaml.safe_load((KUBERNETES / name).read_text()) for name in FILES]
    by_kind = {one["kind"]: one for one in read}
    assert len(by_kind) == len(read)
    return by_kind


def pods() -> dict[str, dict[str, Any]]:
    found = manifests()
    job = found["CronJob"]["spec"]["jobTemplate"]["spec"]
    templates = {"api": found["Deployment"]["spec"]["template"], "job": job["template"]}
    return {name: template["spec"] for name, template in templates.items()}


def compose() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return read


def dockerfile() -> list[tuple[str, str]]:
    """Instruction and what follows it."""
    text = (DEPLOY / "Dockerfile").read_text()
    lines = re.sub(r"\\\n", " ", re.sub(r"(?m)^#.*\n", "", text)).splitlines()
    return [tuple(line.split(maxsplit=1)) for line in lines if line.strip()]  # type: ignore[misc]


def parse(arguments: list[str]) -> dict[str, Any]:
    """What the command line understands, without doing it; a usage error if it does not."""
    group: Any = typer.main.get_command(app)
    verb, *rest = arguments
    command = group.get_command(group.make_context("likewise", [verb]), verb)
    assert command is not None, f"no verb {verb!r}"
    understood: dict[str, Any] = command.make_context(verb, rest).params
    return understood


def test_the_parser_of_these_tests_refuses_what_the_program_would() -> None:
    assert parse(["serve", "--port", "80"])["port"] == 80
    for wrong in (["serve", "--prot", "80"], ["serve", "--port", "x"], ["run", "a", "b"]):
        with pytest.raises(UsageError):
            parse(wrong)


# --- Kubernetes ----------------------------------------------------------------------------------


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("name", FILES)
def test_a_manifest_is_what_kubernetes_takes(name: str, release: str) -> None:
    documents = list(yaml.safe_load_all((KUBERNETES / name).read_text()))
    assert documents
    for document in documents:  # what does not fit raises
        held_to = kubernetes_validate.validate(document, release, strict=True)
        assert release.startswith(held_to)  # and not to another release


def test_the_validator_refuses_a_misspelled_field() -> None:
    wrong = copy.deepcopy(manifests()["Deployment"])
    container = wrong["spec"]["template"]["spec"]["containers"][0]
    container["livenesProbe"] = container.pop("livenessProbe")
    with pytest.raises(kubernetes_validate.ValidationError, match="livenesProbe"):
        kubernetes_validate.validate(wrong, RELEASES[-1], strict=True)


def test_the_kustomization_lists_every_manifest() -> None:
    listed = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())
    assert sorted(listed["resources"]) == FILES
    spaces = {one["metadata"].get("namespace") for one in manifests().values()} - {None}
    assert spaces == {listed["namespace"]}


def test_selectors_find_what_they_are_for() -> None:
    found = manifests()
    labels = found["Deployment"]["spec"]["template"]["metadata"]["labels"]
    template = found["CronJob"]["spec"]["jobTemplate"]["spec"]["template"]
    job = template["metadata"]["labels"]
    assert found["Deployment"]["spec"]["selector"]["matchLabels"] == labels
    assert found["Service"]["spec"]["selector"] == labels
    assert found["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    assert not found["Service"]["spec"]["selector"].items() <= job.items()
    everybody = found["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"].items()
    assert everybody <= labels.items()
    assert everybody <= job.items()
    scaled = found["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]
    assert (scaled["kind"], scaled["name"]) == (
        "Deployment",
        found["Deployment"]["metadata"]["name"],
    )
    for pod in pods().values():
        assert pod["serviceAccountName"] == found["ServiceAccount"]["metadata"]["name"]
        for volume in pod["volumes"]:
            if "configMap" in volume:
                assert volume["configMap"]["name"] == found["ConfigMap"]["metadata"]["name"]
            if "persistentVolumeClaim" in volume:
                claim = volume["persistentVolumeClaim"]["claimName"]
                assert claim == found["PersistentVolumeClaim"]["metadata"]["name"]


@pytest.mark.parametrize("name", ["api", "job"])
def test_a_pod_may_do_as_little_as_possible(name: str) -> None:
    pod = pods()[name]
    security = pod["securityContext"]
    assert security["runAsNonRoot"] is True
    assert security["runAsUser"] == int(_last("USER").split(":")[0]) > 0
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {"cpu", "memory"} <= container["resources"]["limits"].keys()
    assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
    assert container["image"].rpartition(":")[2] == VERSION
    # It may write where something is mounted, and nowhere else.
    mounted = {one["mountPath"] for one in container["volumeMounts"] if not one.get("readOnly")}
    assert "/tmp" in mounted
    assert {one["name"] for one in container["volumeMounts"]} == {
        one["name"] for one in pod["volumes"]
    }


@pytest.mark.parametrize("name", ["api", "job"])
def test_secrets_are_referred_to(name: str) -> None:
    (container,) = pods()[name]["containers"]
    for variable in container["env"]:
        is_secret = re.search("TOKEN|URL|PASSWORD|KEY", variable["name"])
        assert ("secretKeyRef" in variable.get("valueFrom", {})) == bool(is_secret)
    assert "Secret" not in manifests()  # it is made on the spot, and in no repository


def test_the_config_map_is_a_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = _config_map(tmp_path)
    assert settings.items.path == Path("/data/tables/items.parquet")
    assert settings.run.out == Path("/data/results")
    assert settings.index.token is None
    # What is written goes where a volume is.
    for name, written in (("api", settings.serve.data_dir), ("job", settings.run.out)):
        assert written is not None
        mounts = pods()[name]["containers"][0]["volumeMounts"]
        writable = [Path(one["mountPath"]) for one in mounts if not one.get("readOnly")]
        assert any(written.is_relative_to(path) for path in writable)


def test_the_arguments_are_those_of_the_program(tmp_path: Path) -> None:
    mounts = {
        one["name"]: one["mountPath"] for one in pods()["api"]["containers"][0]["volumeMounts"]
    }
    config = Path(mounts["config"]) / next(iter(manifests()["ConfigMap"]["data"]))
    served = parse(pods()["api"]["containers"][0]["args"])
    assert (served["config"], served["host"], served["port"]) == (config, "0.0.0.0", PORT)
    assert parse(pods()["job"]["containers"][0]["args"])["config"] == config


def test_probes_and_ports_are_those_of_the_api(tmp_path: Path) -> None:
    (container,) = pods()["api"]["containers"]
    assert container["ports"] == [{"name": "http", "containerPort": PORT}]
    routes = create_app(_config_map(tmp_path)).openapi()["paths"].keys()
    probes = {name: container[name]["httpGet"] for name in container if name.endswith("Probe")}
    assert {name: probe["path"] for name, probe in probes.items()} == {
        "startupProbe": "/livez",
        "livenessProbe": "/livez",
        "readinessProbe": "/readyz",
    }
    assert {probe["path"] for probe in probes.values()} <= routes
    assert {probe["port"] for probe in probes.values()} == {"http"}
    annotations = manifests()["Deployment"]["spec"]["template"]["metadata"]["annotations"]
    assert annotations["prometheus.io/path"] in routes
    assert annotations["prometheus.io/port"] == str(PORT)
    (port,) = manifests()["Service"]["spec"]["ports"]
    assert port["targetPort"] == "http"
    (ingress,) = manifests()["NetworkPolicy"]["spec"]["ingress"]
    assert ingress["ports"] == [{"protocol": "TCP", "port": PORT}]
    assert pods()["api"]["terminationGracePeriodSeconds"] > _GRACE


def test_only_the_ingress_and_the_scraper_may_come_in() -> None:
    (rule,) = manifests()["NetworkPolicy"]["spec"]["ingress"]
    assert [_space(peer) for peer in rule["from"]] == ["ingress", "monitoring"]
    assert rule["from"][1]["podSelector"]["matchLabels"] == {"app.kubernetes.io/name": "prometheus"}


@pytest.mark.parametrize("release", RELEASES)
def test_milvus_lets_in_its_own_parts_likewise_and_the_scraper(release: str) -> None:
    text = (KUBERNETES / "milvus-networkpolicy.yaml").read_text()
    policy = yaml.safe_load(text)
    kubernetes_validate.validate(policy, release, strict=True)
    own, ours, scraper = policy["spec"]["ingress"]
    assert policy["spec"]["podSelector"] == {}  # all that is there
    assert own == {"from": [{"podSelector": {}}]}
    assert [_space(rule["from"][0]) for rule in (ours, scraper)] == [
        manifests()["Deployment"]["metadata"]["namespace"],
        "monitoring",
    ]
    assert [rule["ports"][0]["port"] for rule in (ours, scraper)] == [19_530, 9_091]


def _space(peer: dict[str, Any]) -> str:
    return str(peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"])


def test_milvus_may_be_reached_where_the_config_says(tmp_path: Path) -> None:
    uri = _config_map(tmp_path).index.uri
    host, _, port = uri.removeprefix("http://").partition(":")
    rules = manifests()["NetworkPolicy"]["spec"]["egress"]
    names = [
        rule["to"][0]["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
        for rule in rules
        if {"protocol": "TCP", "port": int(port)} in rule["ports"]
    ]
    assert names == [host.split(".")[1]]


def test_a_job_with_bad_input_is_not_tried_again() -> None:
    job = manifests()["CronJob"]["spec"]
    rule = job["jobTemplate"]["spec"]["podFailurePolicy"]["rules"][0]
    assert (rule["action"], rule["onExitCodes"]["values"]) == ("FailJob", [2])
    assert rule["onExitCodes"]["containerName"] == pods()["job"]["containers"][0]["name"]
    assert job["concurrencyPolicy"] == "Forbid"


# --- Compose -------------------------------------------------------------------------------------


def _compose_schema() -> Any:
    folder = importlib.resources.files("check_jsonschema") / "builtin_schemas" / "vendor"
    return json.loads((folder / "compose-spec.json").read_text())


def test_the_compose_file_is_one() -> None:
    schema = _compose_schema()
    jsonschema.validate(compose(), schema)
    wrong = compose()
    wrong["services"]["likewise"]["helthcheck"] = {}
    with pytest.raises(jsonschema.ValidationError, match="helthcheck"):
        jsonschema.validate(wrong, schema)


def test_only_the_api_is_published_and_on_loopback_alone() -> None:
    published = {
        name: one["ports"] for name, one in compose()["services"].items() if "ports" in one
    }
    assert published == {"likewise": [f"127.0.0.1:{PORT}:{PORT}"]}
    assert all(one.get("network_mode") != "host" for one in compose()["services"].values())


def test_images_are_pinned_and_watched() -> None:
    services = compose()["services"]
    for name, one in services.items():
        assert re.search(r":(v\d+\.\d+\.\d+|RELEASE\.\S+|\d+\.\d+\.\d+)$", one["image"]), name
        if "build" not in one:  # that of the image counts
            assert one["healthcheck"]["test"][0] == "CMD", name
        for other, condition in one.get("depends_on", {}).items():
            assert condition == {"condition": "service_healthy"}
            assert "healthcheck" in services[other]
        assert "mem_limit" in one
    assert services["likewise"]["image"].endswith(f":{VERSION}")
    values = yaml.safe_load((KUBERNETES / "milvus-values.yaml").read_text())
    assert services["milvus"]["image"] == ":".join(values["image"]["all"].values())
    assert services["minio"]["image"] == ":".join(values["minio"]["image"].values())
    told = (ROOT / "docs" / "deploy.md").read_text()
    for name in ("milvus", "minio"):  # with the holes of those before
        assert f"`{services[name]['image']}`" in told


def test_the_compose_file_holds_no_secret() -> None:
    asked = set()
    for name, value in _environment():
        if re.search("TOKEN|PASSWORD|USER|SECRET|KEY", name):
            found = re.fullmatch(r"(root:)?\$\{([A-Z_]+):\?.+\}", value)
            assert found, f"{name} is written down, or may be empty"
            asked.add(found[2])
    example = (DEPLOY / "compose.env.example").read_text()
    given = dict(re.findall(r"(?m)^([A-Z_]+)=(.*)$", example))
    assert asked <= given.keys()
    assert not any(given[name] for name in asked)
    milvus = compose()["services"]["milvus"]["environment"]
    assert milvus["COMMON_SECURITY_AUTHORIZATIONENABLED"] == "true"


def test_the_compose_files_arguments_and_config_are_the_programs() -> None:
    service = compose()["services"]["likewise"]
    served = parse(service["command"])
    assert (served["host"], served["port"]) == ("0.0.0.0", PORT)
    mounts = [volume.split(":") for volume in service["volumes"] if volume.endswith(":ro")]
    assert ["./likewise.yaml", str(served["config"]), "ro"] in mounts
    settings = load_settings(DEPLOY / "likewise.yaml")
    assert settings.serve.keys
    assert settings.serve.data_dir.is_relative_to("/var/lib/likewise")
    assert service["environment"]["LIKEWISE_INDEX__URI"] == "http://milvus:19530"
    assert int(service["stop_grace_period"].removesuffix("s")) > _GRACE
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]


def _environment() -> Iterator[tuple[str, str]]:
    for one in compose()["services"].values():
        yield from one.get("environment", {}).items()


# --- the image -----------------------------------------------------------------------------------


def test_the_image_does_not_run_as_root_and_answers_a_health_check() -> None:
    assert int(_last("USER").split(":")[0]) >= 10_000
    check = _last("HEALTHCHECK")
    assert f"http://127.0.0.1:{PORT}/livez" in check
    assert json.loads(_last("ENTRYPOINT")) == ["likewise"]
    served = parse(json.loads(_last("CMD")))
    assert (served["host"], served["port"]) == ("0.0.0.0", PORT)
    assert _last("EXPOSE") == str(PORT)
    compile(json.loads(check.partition(" CMD ")[2])[2], "health check", "exec")


def test_the_image_is_built_from_what_is_pinned_and_from_no_secret() -> None:
    bases = [rest.split()[0] for name, rest in dockerfile() if name == "FROM"]
    assert set(bases) == {"${PYTHON_IMAGE}"}
    arguments = [rest for name, rest in dockerfile() if name == "ARG"]
    assert re.fullmatch(r"PYTHON_IMAGE=python:3\.\d+-slim-\w+", arguments[0])
    assert arguments[1:] == ["PYTHON_IMAGE", "UNPINNED=no"]
    for install in re.findall(r"pip install [^&]+", " ".join(rest for _, rest in dockerfile())):
        assert "-c constraints.txt" in install
    for name, rest in dockerfile():
        assert name != "ADD"
        if name == "ENV":
            names = [word.partition("=")[0] for word in shlex.split(rest)]
            assert not [one for one in names if re.search("TOKEN|PASSWORD|SECRET|_KEY|URL", one)]


@pytest.mark.parametrize(
    ("image", "unpinned", "code"),
    [
        ("python:3.11-slim-bookworm", "no", 1),
        ("python:3.11-slim-bookworm", "", 1),
        ("python:3.11-slim-bookworm", "yes", 0),
        (f"python:3.11-slim-bookworm@sha256:{'0' * 64}", "no", 0),
    ],
)
def test_a_base_image_without_a_digest_ends_the_build(image: str, unpinned: str, code: int) -> None:
    check = next(rest for name, rest in dockerfile() if name == "RUN")
    environment = {"PYTHON_IMAGE": image, "UNPINNED": unpinned}
    done = subprocess.run(["sh", "-c", check], env=environment, capture_output=True, check=False)
    assert done.returncode == code
    assert (b"not pinned by a digest" in done.stderr) == bool(code)


def test_what_the_image_copies_is_there_and_not_ignored() -> None:
    allowed = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"][
        "targets"
    ]["wheel"]["packages"]
    copied: set[str] = set()
    for name, rest in dockerfile():
        if name == "COPY" and not rest.startswith("--from"):
            copied.update(rest.split()[:-1])
    assert copied >= {*packages, "pyproject.toml", "constraints.txt"}
    for one in copied:
        assert (ROOT / one).exists()
        assert f"!{one}" in allowed
    assert "*" in allowed


def _last(instruction: str) -> str:
    return [rest for name, rest in dockerfile() if name == instruction][-1]


def _config_map(folder: Path) -> Settings:
    (text,) = manifests()["ConfigMap"]["data"].values()
    (folder / "likewise.yaml").write_text(text)
    return load_settings(folder / "likewise.yaml")

"""The definitions that Dagster's web server holds, over GraphQL: reading them anew, and the sensors among them."""

from lead_assets.domain.errors import DagsterRefused
from lead_assets.services.dagster_runs import REPOSITORY_SELECTOR, expected
from lead_assets.services.dagster_service import LOCATION, DagsterService

_RELOAD = """
mutation($location: String!) {
  reloadRepositoryLocation(repositoryLocationName: $location) {
    __typename
    ... on WorkspaceLocationEntry {
      locationOrLoadError { __typename ... on PythonError { message } }
    }
    ... on Error { message }
  }
}"""
_SENSORS = """
query($of: RepositorySelector!) {
  sensorsOrError(repositorySelector: $of) {
    __typename
    ... on Sensors { results { name sensorState { status } } }
    ... on Error { message }
  }
}"""


def reload_definitions(service: DagsterService) -> None:
    """Let Dagster read the definitions anew, and with them the campaign files.

    Raises:
        DagsterUnavailable: it does not answer.
        DagsterRefused: it will not, or the definitions cannot be loaded.
    """
    answer = service.ask(_RELOAD, {"location": LOCATION})["reloadRepositoryLocation"]
    loaded = answer.get("locationOrLoadError") or {}
    message = answer.get("message") or loaded.get("message")
    if message is not None or answer["__typename"] != "WorkspaceLocationEntry":
        raise DagsterRefused(
            f"Dagster at {service.url} could not read the definitions anew ({' '.join(str(message).split())[:300]}); "
            "its own log says more."
        )


def sensor_states(service: DagsterService) -> dict[str, bool]:
    """The sensors by name, and whether each is switched on.

    Raises:
        DagsterUnavailable: it does not answer.
        DagsterRefused: it does not have our definitions.
    """
    answer = expected(service.ask(_SENSORS, {"of": REPOSITORY_SELECTOR})["sensorsOrError"], "Sensors")
    return {sensor["name"]: sensor["sensorState"]["status"] == "RUNNING" for sensor in answer["results"]}

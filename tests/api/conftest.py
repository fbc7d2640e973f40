import os
import tempfile

# Before hypothesis is loaded: its cache does not belong in the tree.
os.environ.setdefault(
    "HYPOTHESIS_STORAGE_DIRECTORY", os.path.join(tempfile.gettempdir(), "featured-hypothesis")
)

import pytest

import postgres
import server as server_module
from contract import Contract, ContractClient
from raw import Connection
from store import Store


@pytest.fixture(scope="session")
def contract():
    return Contract.load()


def pytest_collection_modifyitems(config, items):
    """Leaves out what a backend by nature does not have (docs/backends.md)."""
    def runs(item):
        backend = getattr(item, "callspec", None) and item.callspec.params.get("backend")
        mark = item.get_closest_marker("only_on")
        if item.get_closest_marker("embedded_only"):
            return backend is None or backend.name == "embedded"
        return backend is None or mark is None or backend.name in mark.args

    left_out = [item for item in items if not runs(item)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if runs(item)]


@pytest.fixture(scope="session", params=server_module.chosen_backends(), ids=lambda b: b.name)
def backend(request):
    assert request.param.is_installed(), f"{request.param.program} is missing: scripts/setup test"
    return request.param


@pytest.fixture(autouse=True)
def keyspaces():
    """Those of a test are given back after its servers have ended: these were made later."""
    stores = [backend.keyspaces for backend in server_module.chosen_backends() if backend.keyspaces]
    every = [*stores, server_module.REGISTRIES]
    before = [set(keyspaces.used) for keyspaces in every]
    yield
    for keyspaces, kept in zip(every, before):
        keyspaces.release(set(keyspaces.used) - kept)


@pytest.fixture(scope="session")
def server(backend, tmp_path_factory):
    """The server that most tests share; they use names and ids of their own."""
    store_url = backend.keyspaces and backend.keyspaces.session_url()
    directory = tmp_path_factory.mktemp("server")
    running = server_module.Server(directory, backend, store_url=store_url).start()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def session_client(server, contract):
    with ContractClient(contract, base_url=server.url) as client:
        yield client


@pytest.fixture
def client(session_client):
    return session_client


@pytest.fixture
def store(client):
    return Store(client)


@pytest.fixture
def start_server(backend, tmp_path):
    """start_server("--flag", …) → a server of this test's own, ended with it."""
    started = []

    def start(*flags, directory="own"):
        running = server_module.Server(tmp_path / directory, backend, flags)
        started.append(running)
        return running.start()

    yield start
    errors = []
    for running in started:
        try:
            running.stop()
        except AssertionError as error:
            errors.append(str(error))
        finally:
            running.kill()
    assert not errors, errors


@pytest.fixture
def client_of(contract):
    """client_of(server) → a checked client of that server, closed with the test."""
    clients = []

    def make(running):
        clients.append(ContractClient(contract, base_url=running.url))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def connect(server):
    """connect() → a raw connection to the shared server, or to the port given."""
    connections = []

    def open_connection(port=None, **options):
        connections.append(Connection(port or server.port, **options))
        return connections[-1]

    yield open_connection
    for connection in connections:
        connection.socket.close()


@pytest.fixture
def database():
    """A name in the PostgreSQL that the tests share."""
    return postgres.shared().create_database()


@pytest.fixture
def servers(start_server, client_of):
    """servers(url, "a", "b") → a store for each, with .client and .server, whose registry is at that URL."""

    def start(url, *names):
        stores = []
        for name in names:
            running = start_server("--database-url", url, directory=name)
            stores.append(Store(client_of(running)))
            stores[-1].server = running
        return stores

    return start

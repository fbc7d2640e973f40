"""What one server of the tests has in a Redis that they share: a database number; in a cluster all of it.
And in PostgreSQL: a database. The programs start when the first is asked for."""

import itertools

import postgres


def servers():
    """Only then: what runs on the embedded store alone needs no Redis client."""
    import redis_servers

    return redis_servers


class Keyspaces:
    """For each directory one that holds nothing yet, until release(). The session's own outlives the
    tests."""

    def __init__(self):
        self.free, self.used = [], {}

    def url_for(self, directory):
        if directory not in self.used:
            self.used[directory] = self.free.pop() if self.free else self.make()
        return self.url(self.used[directory])

    def client(self, directory):
        """The client of PyPI on what the server with that directory has."""
        return self.client_of(self.used[directory])

    def release(self, directories):
        for directory in directories:
            keyspace = self.used.pop(directory)
            self.wipe(keyspace)
            self.free.append(keyspace)


class RedisDatabases(Keyspaces):
    def __init__(self, program):
        super().__init__()
        self.program, self.numbers = program, itertools.count(1)

    def server(self):
        return servers().shared(self.program)

    def session_url(self):
        return self.server().url(0)

    def make(self):
        return next(self.numbers)

    def url(self, keyspace):
        return self.server().url(keyspace)

    def client_of(self, keyspace):
        return self.server().client(keyspace, socket_timeout=20)

    def wipe(self, keyspace):
        self.server().client(keyspace).flushdb()


class Clusters(Keyspaces):
    """Small ones without replicas for the tests' own servers; they start once and are used again."""

    def session_url(self):
        return servers().shared_cluster().url()

    def make(self):
        return servers().Cluster(replicas=0).start()

    def url(self, keyspace):
        return keyspace.cluster_url()

    def client_of(self, keyspace):
        return keyspace.client()

    def wipe(self, keyspace):
        keyspace.flush()


class PostgresDatabases(Keyspaces):
    """Making one costs a fifth of a second of CPU, wiping one a tenth of that."""

    def make(self):
        return postgres.shared().create_database()

    def url(self, keyspace):
        return postgres.shared().url(keyspace)

    def wipe(self, keyspace):
        postgres.shared().sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public", keyspace)

/* The client and its links over six real servers: slots that move while values are written and
 * read, and a master that is killed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "online/redis/redis_client.h"
#include "redis_server.h"

#define SERVERS 6
#define WORKERS 48
#define PACE_MS 5
#define WAIT_MS 60000

/* Writes the next number to its key, then reads it. */
struct worker {
    struct redis_command command;
    char key[16];
    char bytes[128];
    unsigned number;
    bool is_busy;
    bool is_reading;
    bool is_known; /* the key holds `number` */
    unsigned rounds, refused, lost, wrong, errors;
};

static struct redis_server servers[SERVERS];
static struct epoch epoch;
static struct loop loop;
static struct redis_client *client;
static struct redis_counters counters;
static struct redis_url url;
static struct worker workers[WORKERS];
static uv_timer_t pace;
static bool is_closed;
static bool is_paused;

static int64_t now_ms(void)
{
    return clock_monotonic_ns() / 1000000;
}

#define UNTIL(condition)                                                                           \
    do {                                                                                           \
        int64_t until_ = now_ms() + WAIT_MS;                                                       \
        while (!(condition)) {                                                                     \
            if (now_ms() > until_)                                                                 \
                fail_msg("line %d: never: %s", __LINE__, #condition);                              \
            uv_run(&loop.uv, UV_RUN_ONCE);                                                         \
        }                                                                                          \
    } while (0)

static void on_done(struct redis_command *command, enum redis_outcome outcome,
                    const redisReply *reply)
{
    struct worker *worker = CONTAINER_OF(command, struct worker, command);
    char expected[16];
    worker->is_busy = false;
    if (outcome != REDIS_ANSWERED) {
        worker->refused += outcome == REDIS_REFUSED;
        worker->lost += outcome == REDIS_LOST;
        worker->is_known &= worker->is_reading || outcome == REDIS_REFUSED;
        worker->number -= !worker->is_reading && outcome == REDIS_REFUSED;
        worker->is_reading = false;
        return;
    }
    if (reply->type == REDIS_REPLY_ERROR) {
        printf("%s: %s\n", worker->key, reply->str);
        worker->errors++;
    } else if (worker->is_reading) {
        snprintf(expected, sizeof(expected), "%u", worker->number);
        worker->rounds++;
        worker->wrong += worker->is_known &&
                         (reply->type != REDIS_REPLY_STRING || strcmp(reply->str, expected) != 0);
        worker->is_reading = false;
        return;
    }
    worker->is_known = true;
    worker->is_reading = true;
}

static void submit(struct worker *worker)
{
    char value[16];
    struct redis_command *command = &worker->command;
    if (!worker->is_reading)
        worker->number++;
    int len = snprintf(value, sizeof(value), "%u", worker->number);
    int size = worker->is_reading
                   ? snprintf(worker->bytes, sizeof(worker->bytes),
                              "*2\r\n$3\r\nGET\r\n$%zu\r\n%s\r\n", strlen(worker->key), worker->key)
                   : snprintf(worker->bytes, sizeof(worker->bytes),
                              "*3\r\n$3\r\nSET\r\n$%zu\r\n%s\r\n$%d\r\n%s\r\n", strlen(worker->key),
                              worker->key, len, value);
    command->bytes = str_of(worker->bytes, (size_t)size);
    command->slot = redis_slot(str_from_cstr(worker->key));
    command->lane = worker->is_reading ? REDIS_LANE_READ : REDIS_LANE_WRITE;
    command->done = on_done;
    worker->is_busy = true;
    redis_client_submit(client, command);
}

static void on_pace(uv_timer_t *timer)
{
    (void)timer;
    for (int i = 0; i < WORKERS; i++)
        if (client && !is_paused && !workers[i].is_busy)
            submit(&workers[i]);
}

static pid_t run(const char *const *arguments)
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        int log = open("/dev/null", O_WRONLY);
        dup2(log, STDOUT_FILENO);
        execvp(arguments[0], (char *const *)(uintptr_t)arguments);
        _exit(127);
    }
    assert_true(child > 0);
    return child;
}

static bool has_ended(pid_t child)
{
    int result = 0;
    if (waitpid(child, &result, WNOHANG) == 0)
        return false;
    if (result != 0)
        fail_msg("redis-cli ended with %d", result);
    return true;
}

static const char *address_of(int server)
{
    static char texts[SERVERS][32];
    snprintf(texts[server], sizeof(texts[server]), "127.0.0.1:%u", servers[server].port);
    return texts[server];
}

/* The name that redis-cli wants. */
static void id_of(int server, char id[64])
{
    char command[128];
    snprintf(command, sizeof(command), "redis-cli -p %u cluster myid", servers[server].port);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    assert_non_null(fgets(id, 64, pipe));
    id[strcspn(id, "\n")] = '\0';
    pclose(pipe);
}

static void make_cluster(void)
{
    const char *arguments[] = {
        "redis-cli",          "--cluster", "create",        NULL, NULL, NULL, NULL, NULL, NULL,
        "--cluster-replicas", "1",         "--cluster-yes", NULL};
    for (int i = 0; i < SERVERS; i++) {
        char bus[8];
        const char *const options[] = {"--cluster-enabled",
                                       "yes",
                                       "--cluster-port",
                                       bus,
                                       "--cluster-node-timeout",
                                       "1000",
                                       "--cluster-require-full-coverage",
                                       "no",
                                       "--repl-diskless-sync-delay",
                                       "0",
                                       NULL};
        snprintf(bus, sizeof(bus), "%u", redis_server_free_port());
        redis_server_start(&servers[i], options);
        arguments[3 + i] = address_of(i);
    }
    int result;
    assert_int_equal(waitpid(run(arguments), &result, 0) > 0 ? result : -1, 0);
}

static int setup(void **state)
{
    (void)state;
    epoch_init(&epoch);
    assert_true(status_is_ok(loop_init(&loop, &epoch, 0)));
    make_cluster();
    /* The others are found through it, by their addresses. */
    snprintf(url.socket_path, sizeof(url.socket_path), "%s", servers[0].socket_path);
    for (int i = 0; i < WORKERS; i++)
        snprintf(workers[i].key, sizeof(workers[i].key), "key%d", i);
    uv_timer_init(&loop.uv, &pace);
    uv_timer_start(&pace, on_pace, PACE_MS, PACE_MS);
    client = redis_client_create(&(struct redis_client_options){
        .loop = &loop,
        .url = &url,
        .timeout_ms = 1000,
        .max_pending = 1000,
        .max_pending_bytes = 1 << 20,
        .counters = &counters,
    });
    return client ? 0 : -1;
}

static void on_closed(void *user)
{
    (void)user;
    is_closed = true;
}

static int teardown(void **state)
{
    (void)state;
    is_paused = true;
    redis_client_close(client, on_closed, NULL);
    UNTIL(is_closed);
    uv_close((uv_handle_t *)&pace, NULL);
    loop_fini(&loop);
    for (int i = 0; i < SERVERS; i++)
        redis_server_stop(&servers[i]);
    return 0;
}

static void forget(void)
{
    for (int i = 0; i < WORKERS; i++) {
        struct worker *worker = &workers[i];
        worker->rounds = worker->refused = worker->lost = worker->wrong = worker->errors = 0;
    }
}

/* Each worker has read what it wrote so many times since forget(). */
static bool all_went_on(unsigned rounds)
{
    for (int i = 0; i < WORKERS; i++)
        if (workers[i].rounds < rounds)
            return false;
    return true;
}

static bool is_ready(void)
{
    return redis_client_is_cluster(client) && status_is_ok(redis_client_check(client, NULL));
}

static void expect_no_faults(void)
{
    for (int i = 0; i < WORKERS; i++) {
        assert_int_equal(workers[i].refused, 0);
        assert_int_equal(workers[i].lost, 0);
        assert_int_equal(workers[i].wrong, 0);
        assert_int_equal(workers[i].errors, 0);
    }
}

/* Slots of one master move to another; nothing is refused, lost, or read as it was before. */
static void test_resharding(void **state)
{
    char from[64], to[64];
    (void)state;
    UNTIL(is_ready());
    forget();
    UNTIL(all_went_on(5)); /* the servers may still say that their cluster is down */
    UNTIL(is_ready());
    forget();
    UNTIL(all_went_on(10));
    id_of(0, from);
    id_of(1, to);
    pid_t child = run((const char *const[]){"redis-cli", "--cluster", "reshard", address_of(0),
                                            "--cluster-from", from, "--cluster-to", to,
                                            "--cluster-slots", "2000", "--cluster-yes", NULL});
    UNTIL(has_ended(child));
    UNTIL(all_went_on(10));
    expect_no_faults();
    assert_true(atomic_load(&counters.moved) > 0);
    printf("moved %u, asked %u, tried again %u, refreshed %u\n", (unsigned)counters.moved,
           (unsigned)counters.asked, (unsigned)counters.retried, (unsigned)counters.refreshes);
}

/* Only what was under way to that master is lost, by each of its links, which find out on their own; what
 * was meant for it is tried again or refused; the others' commands go on as if nothing had happened. */
static void expect_one_master_away(void)
{
    unsigned faults = 0, untouched = 0;
    for (int i = 0; i < WORKERS; i++) {
        const struct worker *worker = &workers[i];
        assert_int_equal(worker->errors, 0);
        assert_true(worker->lost <= REDIS_LANES);
        faults += worker->refused + worker->lost;
        untouched += worker->refused + worker->lost == 0;
    }
    assert_true(faults > 0);
    assert_true(untouched > WORKERS / 4);
}

/* From here on everything is answered, and right. What the dead one had not told its replica is
 * gone. */
static void expect_recovery(void)
{
    is_paused = true;
    UNTIL(atomic_load(&counters.pending) == 0);
    is_paused = false;
    forget();
    for (int i = 0; i < WORKERS; i++)
        workers[i].is_known = false;
    UNTIL(all_went_on(10));
    expect_no_faults();
}

static void test_killed_master(void **state)
{
    (void)state;
    UNTIL(is_ready());
    forget();
    UNTIL(all_went_on(5));
    redis_server_kill(&servers[2]);
    int64_t killed = now_ms();
    UNTIL(!is_ready());
    UNTIL(is_ready());
    printf("ready again after %d ms\n", (int)(now_ms() - killed));
    expect_one_master_away();
    expect_recovery();
}

/* Stopped, it still accepts connections; when it goes on, it has become a replica. */
static void test_stopped_master(void **state)
{
    (void)state;
    forget();
    UNTIL(all_went_on(5));
    kill(servers[1].pid, SIGSTOP);
    int64_t stopped = now_ms();
    UNTIL(!is_ready());
    UNTIL(is_ready());
    printf("ready again after %d ms\n", (int)(now_ms() - stopped));
    expect_one_master_away();
    kill(servers[1].pid, SIGCONT);
    expect_recovery();
    assert_true(is_ready());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resharding),
        cmocka_unit_test(test_killed_master),
        cmocka_unit_test(test_stopped_master),
    };
    if (!redis_server_is_installed() || system("command -v redis-cli >/dev/null 2>&1") != 0)
        return REDIS_TEST_SKIPPED;
    return cmocka_run_group_tests(tests, setup, teardown);
}

/*
 * bench_load: a load generator for HTTP/1.1 and RESP over loopback.
 *
 * It replays requests that were rendered beforehand, so that making them costs it nothing while
 * it measures: a request file is a sequence of (uint32 little endian length, bytes), mapped and
 * read round and round. Every connection keeps one request in flight; a "request" may hold several
 * commands (a pipeline) and is answered when --replies of them are. Latency runs from just before
 * the send to the last byte of the answer, and goes into a log-linear histogram (1.6 % wide
 * buckets). With --rate it is an open loop: requests are due at even distances whatever the answers
 * do, and latency runs from when a request was due, so that a stall counts for all it held up. With
 * --cpu-pid the CPU time of the server, all its threads, is read at both ends of
 * the measured window, in nanoseconds. One thread. The result is one JSON object on stdout.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    RECEIVE_SIZE_BYTES = 256 * 1024,
    HEAD_SIZE_BYTES = 8 * 1024, /* the longest head or RESP line kept across two reads */
    SUB_BUCKET_BITS = 6,
    BUCKET_COUNT = (64 - SUB_BUCKET_BITS + 1) << SUB_BUCKET_BITS,
    CONNECTIONS_MAX = 1024,
};

struct request {
    const char *bytes;
    size_t size_bytes;
};

struct connection {
    int fd;
    unsigned replies_open;   /* replies of the request in flight still to come */
    uint64_t body_left;      /* bytes of a body (HTTP) or bulk string (RESP) to skip */
    uint64_t elements_open;  /* RESP: elements of the current reply still to come */
    size_t head_size_bytes;  /* the unfinished head or line kept from the last read */
    uint64_t sent_ns;
    struct connection *next_idle;
    char head[HEAD_SIZE_BYTES];
};

struct load {
    bool resp;
    uint64_t interval_ns; /* open loop: between two requests; 0: closed loop */
    uint64_t due_ns;      /* when the next one is */
    struct connection *idle;
    unsigned replies;
    unsigned connection_count;
    struct request *requests;
    size_t request_count;
    size_t next_request;
    bool measuring;
    uint64_t done;
    uint64_t errors;
    uint64_t bytes_in;
    uint64_t latency_sum_ns;
    uint64_t latency_max_ns;
    uint64_t buckets[BUCKET_COUNT];
    struct connection *connections;
    char receive[HEAD_SIZE_BYTES + RECEIVE_SIZE_BYTES];
};

static void fail(const char *what)
{
    fprintf(stderr, "bench_load: %s (errno: %s)\n", what, strerror(errno));
    exit(1);
}

static void *realloc_or_fail(void *memory, size_t size_bytes)
{
    memory = realloc(memory, size_bytes);
    if (memory == NULL)
        fail("memory");
    return memory;
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static size_t bucket_of(uint64_t ns)
{
    if (ns < (1u << SUB_BUCKET_BITS))
        return (size_t)ns;
    unsigned shift = 63u - (unsigned)__builtin_clzll(ns) - SUB_BUCKET_BITS;
    return ((size_t)(shift + 1) << SUB_BUCKET_BITS) + (size_t)(ns >> shift) -
           (1u << SUB_BUCKET_BITS);
}

/* The middle of a bucket, the inverse of bucket_of. */
static double bucket_ns(size_t bucket)
{
    size_t block = bucket >> SUB_BUCKET_BITS;
    if (block == 0)
        return (double)bucket;
    uint64_t low = (uint64_t)((bucket & ((1u << SUB_BUCKET_BITS) - 1)) + (1u << SUB_BUCKET_BITS))
                   << (block - 1);
    return (double)low + (double)(1ull << (block - 1)) / 2;
}

static double percentile_us(const struct load *load, double share)
{
    uint64_t rank = (uint64_t)((double)load->done * share);
    uint64_t seen = 0;
    for (size_t i = 0; i < BUCKET_COUNT; i++) {
        seen += load->buckets[i];
        if (seen > rank)
            return bucket_ns(i) / 1000;
    }
    return (double)load->latency_max_ns / 1000;
}

/* CPU time of all threads of a process: the first field of schedstat is nanoseconds on a CPU. */
static uint64_t process_cpu_ns(long pid)
{
    char path[320];
    uint64_t sum = 0;
    snprintf(path, sizeof path, "/proc/%ld/task", pid);
    DIR *tasks = opendir(path);
    if (tasks == NULL)
        fail(path);
    for (struct dirent *entry; (entry = readdir(tasks)) != NULL;) {
        unsigned long long ns = 0;
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "/proc/%ld/task/%s/schedstat", pid, entry->d_name);
        FILE *file = fopen(path, "re");
        if (file == NULL)
            continue;
        if (fscanf(file, "%llu", &ns) == 1)
            sum += ns;
        fclose(file);
    }
    closedir(tasks);
    return sum;
}

static void load_requests(struct load *load, const char *path)
{
    struct stat stat;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &stat) != 0)
        fail(path);
    size_t size = (size_t)stat.st_size, capacity = 0;
    const char *map = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    if (map == MAP_FAILED)
        fail(path);
    close(fd);
    for (size_t at = 0; at + sizeof(uint32_t) <= size;) {
        uint32_t length;
        memcpy(&length, map + at, sizeof length);
        at += sizeof length;
        if (length == 0 || length > size - at)
            fail("the request file is cut short");
        if (load->request_count == capacity) {
            capacity = capacity == 0 ? 4096 : capacity * 2;
            load->requests = realloc_or_fail(load->requests, capacity * sizeof *load->requests);
        }
        load->requests[load->request_count++] = (struct request){map + at, length};
        at += length;
    }
    if (load->request_count == 0)
        fail("the request file is empty");
}

static void connection_send(struct load *load, struct connection *connection, uint64_t begin_ns)
{
    const struct request *request = &load->requests[load->next_request];
    load->next_request = load->next_request + 1 == load->request_count ? 0 : load->next_request + 1;
    connection->replies_open = load->replies;
    connection->sent_ns = begin_ns;
    for (size_t at = 0; at < request->size_bytes;) {
        ssize_t n = send(connection->fd, request->bytes + at, request->size_bytes - at,
                         MSG_NOSIGNAL);
        if (n >= 0) {
            at += (size_t)n;
        } else if (errno == EAGAIN) {
            struct pollfd writable = {.fd = connection->fd, .events = POLLOUT};
            poll(&writable, 1, 1000);
        } else if (errno != EINTR) {
            fail("send");
        }
    }
}

/* Gives the connection its next request, at once or when one is due. */
static void connection_next(struct load *load, struct connection *connection)
{
    if (load->interval_ns == 0) {
        connection_send(load, connection, now_ns());
        return;
    }
    connection->next_idle = load->idle;
    load->idle = connection;
}

/* Open loop: sends what is due, as far as connections are free. Returns when the next one is. */
static uint64_t send_due(struct load *load, uint64_t now)
{
    while (load->due_ns <= now && load->idle != NULL) {
        struct connection *connection = load->idle;
        load->idle = connection->next_idle;
        connection_send(load, connection, load->due_ns);
        load->due_ns += load->interval_ns;
    }
    return load->due_ns;
}

static void reply_done(struct connection *connection)
{
    if (connection->replies_open == 0)
        fail("an answer that nobody asked for");
    connection->replies_open--;
}

/* Reads one HTTP head at `at`; returns its size, 0 while it is incomplete. */
static size_t http_head(struct load *load, struct connection *connection, const char *at,
                        size_t size)
{
    const char *end = memmem(at, size, "\r\n\r\n", 4);
    if (end == NULL)
        return 0;
    size_t head = (size_t)(end - at) + 4;
    if (head < 12 || memcmp(at, "HTTP/1.1 ", 9) != 0 || at[9] != '2')
        load->errors += load->measuring;
    for (const char *line = at; (line = memchr(line, '\n', (size_t)(end - line))) != NULL;) {
        static const char name[] = "content-length:";
        if (strncasecmp(++line, name, sizeof name - 1) != 0)
            continue;
        connection->body_left = strtoull(line + sizeof name - 1, NULL, 10);
        if (connection->body_left == 0)
            reply_done(connection);
        return head;
    }
    fail("an answer without Content-Length");
    return head;
}

/* Reads one RESP2 line at `at`; returns its size, 0 while it is incomplete. */
static size_t resp_line(struct load *load, struct connection *connection, const char *at,
                        size_t size)
{
    const char *end = memchr(at, '\n', size);
    if (end == NULL)
        return 0;
    if (connection->elements_open > 0)
        connection->elements_open--;
    long long n = *at == '$' || *at == '*' ? strtoll(at + 1, NULL, 10) : 0;
    if (*at == '*' && n > 0)
        connection->elements_open += (uint64_t)n;
    else if (*at == '$' && n >= 0)
        connection->body_left = (uint64_t)n + 2;
    if (*at == '-' || (*at == '$' && n < 0)) /* an error, or a field that was not there */
        load->errors += load->measuring;
    if (connection->elements_open == 0 && connection->body_left == 0)
        reply_done(connection);
    return (size_t)(end - at) + 1;
}

static void parse(struct load *load, struct connection *connection, const char *at, size_t size)
{
    while (size > 0) {
        if (connection->body_left > 0) {
            size_t skip = size < connection->body_left ? size : (size_t)connection->body_left;
            connection->body_left -= skip;
            at += skip;
            size -= skip;
            if (connection->body_left == 0 && connection->elements_open == 0)
                reply_done(connection);
            continue;
        }
        size_t head = load->resp ? resp_line(load, connection, at, size)
                                 : http_head(load, connection, at, size);
        if (head == 0) {
            if (size > sizeof connection->head)
                fail("an answer's head is too long");
            memcpy(connection->head, at, size);
            connection->head_size_bytes = size;
            return;
        }
        at += head;
        size -= head;
    }
}

static void connection_readable(struct load *load, struct connection *connection)
{
    size_t kept = connection->head_size_bytes;
    ssize_t n = recv(connection->fd, load->receive + kept, RECEIVE_SIZE_BYTES, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0)
        fail(n == 0 ? "the server closed a connection" : "recv");
    if (kept > 0)
        memcpy(load->receive, connection->head, kept);
    connection->head_size_bytes = 0;
    parse(load, connection, load->receive, kept + (size_t)n);
    if (load->measuring)
        load->bytes_in += (uint64_t)n;
    if (connection->replies_open > 0)
        return;
    if (load->measuring) {
        uint64_t latency_ns = now_ns() - connection->sent_ns;
        load->buckets[bucket_of(latency_ns)]++;
        load->latency_sum_ns += latency_ns;
        if (latency_ns > load->latency_max_ns)
            load->latency_max_ns = latency_ns;
        load->done++;
    }
    connection_next(load, connection);
}

static void connect_all(struct load *load, int epoll, int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    size_t size_bytes = load->connection_count * sizeof *load->connections;
    load->connections = memset(realloc_or_fail(NULL, size_bytes), 0, size_bytes);
    for (unsigned i = 0; i < load->connection_count; i++) {
        struct connection *connection = &load->connections[i];
        int on = 1;
        connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (connection->fd < 0 ||
            connect(connection->fd, (struct sockaddr *)&address, sizeof address) != 0)
            fail("connect");
        setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        fcntl(connection->fd, F_SETFL, O_NONBLOCK);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, connection->fd, &event) != 0)
            fail("epoll_ctl");
        connection_next(load, connection);
    }
}

/* Runs until `until_ns`; requests stay in flight across calls, so warm-up flows into measuring. */
static void run_until(struct load *load, int epoll, uint64_t until_ns)
{
    struct epoll_event events[CONNECTIONS_MAX];
    uint64_t heard_ns = now_ns();
    for (uint64_t now = heard_ns; now < until_ns; now = now_ns()) {
        uint64_t wake_ns = now + 100000000u;
        if (load->interval_ns > 0 && load->idle != NULL) {
            uint64_t due_ns = send_due(load, now);
            wake_ns = load->idle != NULL && due_ns < wake_ns ? due_ns : wake_ns;
        }
        now = now_ns();
        struct timespec wait = {.tv_nsec = wake_ns > now ? (long)(wake_ns - now) : 0};
        int n = epoll_pwait2(epoll, events, (int)load->connection_count, &wait, NULL);
        for (int i = 0; i < n; i++)
            connection_readable(load, events[i].data.ptr);
        if (n > 0)
            heard_ns = now;
        else if (now - heard_ns > 10000000000u && load->interval_ns == 0)
            fail("no answer for ten seconds");
    }
}

static void print_result(const struct load *load, uint64_t elapsed_ns, uint64_t cpu_ns,
                         uint64_t own_cpu_ns)
{
    double seconds = (double)elapsed_ns / 1e9, done = (double)(load->done > 0 ? load->done : 1);
    printf("{\"requests\":%llu,\"errors\":%llu,\"seconds\":%.6f,\"requests_per_second\":%.1f,"
           "\"bytes_per_answer\":%.1f,",
           (unsigned long long)load->done, (unsigned long long)load->errors, seconds,
           (double)load->done / seconds, (double)load->bytes_in / done);
    printf("\"server_cpu_seconds\":%.6f,\"server_cpu_us_per_request\":%.4f,"
           "\"server_cpu_share\":%.4f,\"generator_cpu_share\":%.4f,",
           (double)cpu_ns / 1e9, (double)cpu_ns / 1e3 / done, (double)cpu_ns / 1e9 / seconds,
           (double)own_cpu_ns / 1e9 / seconds);
    printf("\"latency_us\":{\"mean\":%.2f,\"p50\":%.2f,\"p90\":%.2f,\"p95\":%.2f,\"p99\":%.2f,"
           "\"p999\":%.2f,\"max\":%.2f}}\n",
           (double)load->latency_sum_ns / 1e3 / done, percentile_us(load, 0.50),
           percentile_us(load, 0.90), percentile_us(load, 0.95), percentile_us(load, 0.99),
           percentile_us(load, 0.999), (double)load->latency_max_ns / 1e3);
}

/* The value that follows an option, or the fallback. */
static const char *option(char **argv, const char *name, const char *fallback)
{
    for (; argv[0] != NULL && argv[1] != NULL; argv++) {
        if (strcmp(argv[0], name) == 0)
            return argv[1];
    }
    return fallback;
}

int main(int argc, char **argv)
{
    static struct load load;
    load.resp = strcmp(option(argv, "--protocol", "http"), "resp") == 0;
    load.connection_count = (unsigned)atoi(option(argv, "--connections", "64"));
    load.replies = (unsigned)atoi(option(argv, "--replies", "1"));
    int port = atoi(option(argv, "--port", "0"));
    long pid = atol(option(argv, "--cpu-pid", "0"));
    double rate = atof(option(argv, "--rate", "0"));
    double warmup_s = atof(option(argv, "--warmup", "1"));
    double seconds = atof(option(argv, "--seconds", "3"));
    const char *requests = option(argv, "--requests", NULL);
    if (argc < 2 || port <= 0 || port > 65535 || requests == NULL || load.replies == 0 ||
        load.connection_count == 0 || load.connection_count > CONNECTIONS_MAX) {
        fputs("usage: bench_load --port N --requests FILE [--protocol http|resp] [--replies 1]\n"
              "       [--connections 64] [--warmup 1] [--seconds 3] [--cpu-pid PID]\n"
              "       [--rate REQUESTS_PER_SECOND]\n", stderr);
        return 2;
    }
    load_requests(&load, requests);
    load.interval_ns = rate > 0 ? (uint64_t)(1e9 / rate) : 0;
    load.due_ns = now_ns();
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    connect_all(&load, epoll, port);
    run_until(&load, epoll, now_ns() + (uint64_t)(warmup_s * 1e9));
    load.measuring = true;
    uint64_t cpu_ns = pid > 0 ? process_cpu_ns(pid) : 0;
    uint64_t own_cpu_ns = process_cpu_ns((long)getpid());
    uint64_t start_ns = now_ns();
    run_until(&load, epoll, start_ns + (uint64_t)(seconds * 1e9));
    uint64_t elapsed_ns = now_ns() - start_ns;
    cpu_ns = pid > 0 ? process_cpu_ns(pid) - cpu_ns : 0;
    own_cpu_ns = process_cpu_ns((long)getpid()) - own_cpu_ns;
    print_result(&load, elapsed_ns, cpu_ns, own_cpu_ns);
    return load.errors == 0 ? 0 : 1;
}

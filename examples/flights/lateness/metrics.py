"""What the server itself counted."""

import re

import httpx

BUCKET = re.compile(r'featured_http_request_seconds_bucket\{method="POST",route="/features/online",'
                    r'le="([^"]+)"\} (\d+)')


def read_p99(url):
    """An upper bound of the 99th percentile of a read, from its last byte to its answer, in seconds."""
    found = BUCKET.findall(httpx.get(url + "/metrics", trust_env=False).text)
    buckets = [(float(bound), int(count)) for bound, count in found]
    return next(bound for bound, count in buckets if count >= 0.99 * buckets[-1][1])

"""Celery over Redis, as `sbd-bench` compares with it: `peer.py TASKS PACE SECONDS` enqueues TASKS empty
ones and waits until all are done, then PACE timed ones a second for SECONDS, and prints what it measured as JSON.
The worker takes this file as its application (`PEER_REDIS` names the broker)."""

import json
import os
import sys
import time

from celery import Celery
from redis import Redis

broker = os.environ["PEER_REDIS"]
app = Celery("peer", broker=broker)
# A task that was lost with its worker comes again, as ours do.
app.conf.task_acks_late = True
app.conf.task_ignore_result = True
app.conf.broker_connection_retry_on_startup = True


@app.task(name="nothing")
def nothing():
    pass


@app.task(name="timed")
def timed(at):
    redis().rpush("delays", (time.time() - at) * 1000)


def redis():
    return Redis.from_url(broker)


def wait():
    """Until nothing is queued and nothing under way."""
    server = redis()
    while server.llen("celery") + server.hlen("unacked"):
        time.sleep(0.005)


def measure(tasks, pace, seconds):
    nothing.delay()
    wait()
    begun = time.time()
    for _ in range(tasks):
        nothing.delay()
    wait()
    rate = tasks / (time.time() - begun)
    begun = time.time()
    for number in range(int(pace * seconds)):
        time.sleep(max(0, begun + number / pace - time.time()))
        timed.delay(time.time())
    wait()
    delays = sorted(float(delay) for delay in redis().lrange("delays", 0, -1))
    within = [delays[min(len(delays) - 1, len(delays) * share // 100)] for share in (50, 99)]
    print(json.dumps({"rate": rate, "p50": within[0], "p99": within[1]}))


if __name__ == "__main__":
    measure(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]))

"""Python's etcd3 against a cluster: client.py SCENARIO PORT..."""
import os
import sys
import threading

os.environ["PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION"] = "python"  # Its generated code is that old.
import etcd3  # noqa: E402
import grpc  # noqa: E402

PATIENCE_SECONDS = 60


def connect(port):
    return etcd3.client(host="127.0.0.1", port=port, timeout=PATIENCE_SECONDS)


def calls(ports):
    """put, get, delete, compare-and-swap and what the members say of themselves."""
    first, second = connect(ports[0]), connect(ports[-1])
    first.put("a", "1")
    assert second.get("a")[0] == b"1"
    for i in range(5):
        second.put(f"p{i}", str(i))
    assert [v for v, _ in first.get_prefix("p", sort_order="descend")] == [
        b"4", b"3", b"2", b"1", b"0"]
    assert first.replace("a", "1", "2") and not second.replace("a", "1", "3")
    t = first.transactions
    done, answers = first.transaction(
        compare=[t.value("a") == "2", t.version("a") > 1],
        success=[t.put("a", "4"), t.get("p0")], failure=[t.delete("a")])
    assert done and answers[1][0][0] == b"0"
    assert first.put_if_not_exists("new", "v") and not second.put_if_not_exists("new", "w")
    assert first.delete("new") and not first.delete("new")
    assert first.delete_prefix("p").deleted == 5
    assert len(list(second.members)) == len(ports)
    assert first.status().leader.id == second.status().leader.id
    first.compact(first.get("a")[1].mod_revision)


def watch(ports):
    """Several watches on one stream, from history and live; one is cancelled."""
    client = connect(ports[0])
    client.put("w", "1")
    revision = client.get("w")[1].mod_revision
    events, cancel = client.watch("w", start_revision=revision, prev_kv=True)
    others, cancel_others = client.watch_prefix("o/")
    connect(ports[-1]).put("w", "2")
    client.delete("w")
    seen = [next(events) for _ in range(3)]
    assert [type(e).__name__ for e in seen] == ["PutEvent", "PutEvent", "DeleteEvent"]
    assert [e.value for e in seen[:2]] == [b"1", b"2"] and seen[1].prev_value == b"1"
    cancel()
    assert list(events) == []
    client.put("o/1", "x")
    assert next(others).key == b"o/1"
    cancel_others()


def lease(ports):
    """A key lives as its lease does."""
    client = connect(ports[0])
    long = client.lease(60)
    client.put("leased", "v", lease=long)
    assert long.granted_ttl == 60 and 0 < long.remaining_ttl <= 60 and long.keys == [b"leased"]
    assert long.refresh()[0].TTL == 60
    long.revoke()
    assert client.get("leased")[0] is None
    short = client.lease(1)
    client.put("short", "v", lease=short)
    revision = client.get("short")[1].mod_revision
    events, cancel = client.watch("short", start_revision=revision + 1)
    assert type(next(events)).__name__ == "DeleteEvent"
    cancel()


def half_closed(ports):
    """A client that has sent its last request is still answered."""
    client = connect(ports[0])
    create = etcd3.etcdrpc.WatchCreateRequest(key=b"h", start_revision=1)
    answers = client.watcher._watch_stub.Watch(
        iter([etcd3.etcdrpc.WatchRequest(create_request=create)]), timeout=PATIENCE_SECONDS)
    assert next(answers).created
    for i in range(3):
        client.put("h", str(i))
        assert next(answers).events[0].kv.value == str(i).encode()
    answers.cancel()
    renewed = client.lease(60)
    assert [r.TTL for r in client.refresh_lease(renewed.id)] == [60]


def health(ports):
    """grpc.health.v1.Health, by the bytes of its messages."""
    serving, unknown = b"\x08\x01", b"\x08\x03"
    with grpc.insecure_channel(f"127.0.0.1:{ports[0]}") as channel:
        check = channel.unary_unary("/grpc.health.v1.Health/Check")
        watch = channel.unary_stream("/grpc.health.v1.Health/Watch")
        assert check(b"", timeout=PATIENCE_SECONDS) == serving
        assert next(watch(b"", timeout=PATIENCE_SECONDS)) == serving
        named = b"\x0a\x01x"
        assert next(watch(named, timeout=PATIENCE_SECONDS)) == unknown
        try:
            check(named, timeout=PATIENCE_SECONDS)
            raise AssertionError("a service that is not there is well")
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.NOT_FOUND


def lock(ports):
    """Threads on all members count under one lock."""
    threads, rounds, wrong = 4, 5, []

    def count(number):
        client = connect(ports[number % len(ports)])
        for _ in range(rounds):
            held = client.lock("counter", ttl=60)
            while not held.acquire(timeout=1):  # Its wait may miss a release.
                pass
            value = client.get("n")[0]
            client.put("n", str(int(value or 0) + 1))
            if not held.is_acquired() or not held.release():
                wrong.append(number)

    all_threads = [threading.Thread(target=count, args=(i,)) for i in range(threads)]
    for thread in all_threads:
        thread.start()
    for thread in all_threads:
        thread.join()
    assert not wrong, wrong
    assert connect(ports[0]).get("n")[0] == str(threads * rounds).encode()


SCENARIOS = {f.__name__: f for f in (calls, watch, lease, half_closed, health, lock)}

if __name__ == "__main__":
    SCENARIOS[sys.argv[1]]([int(port) for port in sys.argv[2:]])
    print("ok", flush=True)
    os._exit(0)  # Its threads of closed watches would be waited for.

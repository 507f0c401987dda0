"""Ports for the servers of tests, on loopback."""
import random
import socket

held = []  # For as long as this process lives.


def claim(port):
    """False when it is another test's, also while nobody listens there, or not free."""
    mark = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        mark.bind(f"\0trireme-test-port-{port}")
        with socket.socket() as s:
            s.bind(("127.0.0.1", port))
    except OSError:
        mark.close()
        return False
    held.append(mark)
    return True


def free_ports(count):
    """Below those that the system gives to whoever asks for any."""
    ports = []
    while len(ports) < count:
        port = random.randrange(10_000, 30_000)
        if claim(port):
            ports.append(port)
    return ports

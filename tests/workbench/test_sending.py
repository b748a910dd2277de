"""One attempt at a receiver that behaves, at one that does not, and at addresses where nothing may be sent."""

from __future__ import annotations

import asyncio
import datetime as dt
import ssl
import sys
import threading
from ipaddress import ip_address
from time import monotonic

import anyio
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from review_queue.addresses import Reach
from tests import outgoing
from tests.outgoing import HERE, answers, receiving
from workbench.sending import Sender

#: Where this process connected to, by Python's own audit hook, which knows nothing of the code under test.
CONNECTED: list[str] = []
_listening = False


def _hear(event: str, args: tuple[object, ...]) -> None:
    if _listening and event == "socket.connect" and isinstance(args[1], tuple):
        CONNECTED.append(str(args[1][0]))


sys.addaudithook(_hear)


@pytest.fixture
def connected():
    """Every IP address that a connection was tried to."""
    global _listening
    CONNECTED.clear()
    _listening = True
    yield CONNECTED
    _listening = False


def send(url, *, reach=HERE, **how):
    async def once():
        async with Sender(reach, **how) as sender:
            return await sender.send(url, {"webhook-id": "msg_1"}, b'{"type":"x"}')

    return asyncio.run(once())


def test_a_receiver_gets_the_body_and_the_headers():
    with receiving(answers(204)) as server:
        answer = send(server.url + "?tenant=7")

    (got,) = server.got
    assert answer.is_taken
    assert (got.path, got.body) == ("/hooks?tenant=7", b'{"type":"x"}')
    assert got.headers["webhook-id"] == "msg_1"
    assert got.headers["host"] == f"127.0.0.1:{server.port}"
    assert "cookie" not in got.headers


@pytest.mark.parametrize("status", [400, 404, 410, 429, 500, 503])
def test_a_status_is_passed_on_as_it_is(status):
    with receiving(answers(status, "retry-after: 7\r\n")) as server:
        answer = send(server.url)

    assert (answer.status, answer.retry_after) == (status, "7")


def test_a_redirect_is_not_followed(connected):
    with receiving(answers(200)) as inside, receiving(answers(302, f"location: {inside.url}\r\n")) as server:
        answer = send(server.url)

    assert answer.status == 302
    assert (len(server.got), inside.connections) == (1, 0)


@pytest.mark.parametrize("behaviour", ["says_nothing", "drips"])
def test_an_attempt_ends_in_time_whatever_the_receiver_does(behaviour):
    started = monotonic()
    with receiving(getattr(outgoing, behaviour)) as server:
        answer = send(server.url, total=0.4)

    assert answer.sentence == "Not delivered: no answer came within 0.4 s."
    assert monotonic() - started < 5


def test_a_look_up_that_hangs_ends_in_time():
    release = threading.Event()

    def hangs(host, port):
        release.wait(10)
        return ["127.0.0.1"]

    answer = send("https://hooks.example/", reach=Reach(), total=0.3, resolve=hangs)
    release.set()

    assert answer.sentence == "Not delivered: no answer came within 0.3 s."


@pytest.mark.parametrize("behaviour", ["talks_nonsense", "hangs_up"])
def test_a_receiver_that_speaks_no_http_is_a_sentence(behaviour):
    with receiving(getattr(outgoing, behaviour)) as server:
        answer = send(server.url)

    assert answer.sentence == "Not delivered: the server did not answer in HTTP."


def test_a_yes_counts_although_the_rest_never_ends():
    started = monotonic()
    with receiving(outgoing.drips_its_body) as server:
        answer = send(server.url)

    assert answer.is_taken
    assert monotonic() - started < 5


def test_of_an_answer_without_end_little_is_read():
    gusher = outgoing.Gusher()
    with receiving(gusher) as server:
        answer = send(server.url)
        gusher.ended.wait(10)

    assert answer.is_taken
    assert gusher.ended.is_set()
    assert gusher.sent < 30_000_000  # what the system took in before we hung up


def test_nobody_listening_is_a_sentence():
    with receiving(answers(200)) as server:
        url = server.url

    assert send(url).sentence == "Not delivered: the server did not take the connection."


def test_two_attempts_use_one_connection_and_keep_no_cookie():
    async def twice(url):
        async with Sender(HERE) as sender:
            return [await sender.send(url, {}, b"{}") for _ in range(2)]

    with receiving(answers(200, "set-cookie: a=b\r\n", b"thanks")) as server:
        asyncio.run(twice(server.url))

    assert (len(server.got), server.connections) == (2, 1)
    assert "cookie" not in server.got[1].headers


# --- where nothing may be sent -------------------------------------------------------------------------------------

INSIDE = ["127.0.0.1", "10.1.2.3", "169.254.169.254", "192.168.0.1", "::1", "::ffff:127.0.0.1", "fd00:ec2::254"]


@pytest.mark.parametrize("address", INSIDE)
def test_a_name_that_leads_inside_is_never_connected_to(address, connected):
    answer = send("https://rebound.example/", reach=Reach(), resolve=lambda host, port: [address])

    assert "leads to an address that is not public" in answer.sentence
    assert connected == []


def test_one_inside_address_among_public_ones_is_enough_to_refuse(connected):
    answer = send("https://rebound.example/", reach=Reach(), resolve=lambda host, port: ["8.8.8.8", "127.0.0.1"])

    assert "not public" in answer.sentence
    assert connected == []


def test_a_name_that_leads_elsewhere_the_second_time_is_connected_to_where_it_led_the_first(monkeypatch):
    """DNS rebinding: what was looked at is what is connected to, and the name is asked once an attempt."""
    asked, tried = [], []

    def rebinds(host, port):
        asked.append(host)
        return ["127.0.0.1"] if len(asked) > 1 else ["198.41.0.4", "2001:503:ba3e::2:30"]

    async def goes_nowhere(remote_host, remote_port, **how):
        tried.append((remote_host, remote_port))
        raise OSError("no packet of this test leaves the machine")

    monkeypatch.setattr(anyio, "connect_tcp", goes_nowhere)
    answer = send("https://rebound.example/", reach=Reach(), resolve=rebinds)

    assert answer.sentence == "Not delivered: the server did not take the connection."
    assert asked == ["rebound.example"]
    assert tried == [("198.41.0.4", 443), ("2001:503:ba3e::2:30", 443)]


def test_a_name_that_leads_nowhere_is_a_sentence():
    def nowhere(host, port):
        raise OSError("no such name")

    answer = send("https://nowhere.example/", reach=Reach(), resolve=nowhere)

    assert answer.sentence == "Not delivered: the name of the server leads nowhere."


def test_an_address_that_was_registered_while_more_was_allowed_is_refused_when_it_is_sent_to(connected):
    with receiving(answers(200)) as server:
        answer = send(server.url, reach=Reach())

    assert "must start with https" in answer.sentence
    assert (server.connections, connected) == (0, [])


# --- certificates --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """A certificate authority of our own, and what makes a server's side out of a name and an end."""
    folder = tmp_path_factory.mktemp("certificates")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test authority")])
    root = _signed(name, key.public_key(), name, key, days=1, is_authority=True)
    trusting = ssl.create_default_context(cadata=root.public_bytes(serialization.Encoding.PEM).decode())

    def serving(host, *, days=1):
        own = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        certificate = _signed(subject, own.public_key(), name, key, days=days, host=host)
        file = folder / f"{host.replace(':', '_')}{days}.pem"
        file.write_bytes(
            own.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    return trusting, serving


def _signed(subject, public_key, issuer, key, *, days, host=None, is_authority=False):
    now = dt.datetime.now(dt.UTC)
    names = []
    if host is not None:
        is_number = host.replace(".", "").isdecimal()
        names = [x509.IPAddress(ip_address(host)) if is_number else x509.DNSName(host)]
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=10))
        .not_valid_after(now + dt.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
    )
    if names:
        made = made.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return made.sign(key, hashes.SHA256())


def test_a_valid_certificate_is_taken(authority):
    trusting, serving = authority

    with receiving(answers(200), tls=serving("127.0.0.1")) as server:
        assert send(server.url, tls=trusting).is_taken


@pytest.mark.parametrize(("host", "days"), [("elsewhere.example", 1), ("127.0.0.1", -1)])
def test_a_certificate_for_another_name_or_past_its_end_is_refused(authority, host, days):
    trusting, serving = authority

    with receiving(answers(200), tls=serving(host, days=days)) as server:
        answer = send(server.url, tls=trusting)

    assert answer.sentence == "Not delivered: the certificate of the server is not valid for its name."
    assert server.got == []


def test_a_certificate_that_nobody_vouches_for_is_refused(authority):
    _, serving = authority

    with receiving(answers(200), tls=serving("127.0.0.1")) as server:
        answer = send(server.url)

    assert "certificate" in answer.sentence
    assert server.got == []


def test_nothing_is_said_to_a_server_that_does_not_encrypt():
    with receiving(answers(200)) as server:
        answer = send(server.url.replace("http:", "https:"), total=0.5)

    assert not answer.is_taken
    assert server.got == []


def test_the_certificate_is_held_against_the_name_and_not_the_address(authority, connected, monkeypatch):
    """The name leads to a public address; that the connection ends here is the test's doing, below the sender."""
    trusting, serving = authority

    real = anyio.connect_tcp

    async def elsewhere(remote_host, remote_port, **how):
        connected.append(remote_host)
        return await real("127.0.0.1", server.port, **how)

    for named, is_taken in (("hooks.example", True), ("other.example", False)):
        with receiving(answers(200), tls=serving(named)) as server:
            monkeypatch.setattr(anyio, "connect_tcp", elsewhere)
            answer = send(
                "https://hooks.example/in", reach=Reach(), tls=trusting, resolve=lambda host, port: ["198.41.0.4"]
            )
            monkeypatch.undo()
        assert answer.is_taken is is_taken, answer
        assert "198.41.0.4" in connected
        if is_taken:
            assert server.got[0].headers["host"] == "hooks.example"

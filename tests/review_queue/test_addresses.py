"""Where webhooks may go."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from review_queue.addresses import Reach, is_allowed, is_public, target_of
from review_queue.errors import ReceiverRefused

PUBLIC = Reach()
HERE = Reach(to_loopback=True)

#: What a receiver's address must not be, and a word of the sentence that says so.
REFUSED = {
    "http://example.com/hooks": "https",
    "ftp://example.com/": "https",
    "file:///etc/passwd": "https",
    "gopher://example.com/": "https",
    "example.com/hooks": "https",
    "": "https",
    "https://": "server",
    "https:///hooks": "server",
    "https://localhost/": "server",
    "https://metadata/": "server",
    "https://a..b.com/": "web address",
    "https://-a.com/": "server",
    "https://127.0.0.1/": "number",
    "https://127.1/": "number",
    "https://2130706433/": "number",
    "https://0x7f000001/": "number",
    "https://0x7f.0.0.1/": "number",
    "https://0177.0.0.1/": "number",
    "https://127.0.0.1./": "number",
    "https://10.0.0.1/": "number",
    "https://192.168.1.1/": "number",
    "https://169.254.169.254/latest/meta-data": "number",
    "https://8.8.8.8/": "number",
    "https://[::1]/": "number",
    "https://[::ffff:127.0.0.1]/": "number",
    "https://[::ffff:7f00:1]/": "number",
    "https://[fe80::1%25eth0]/": "number",
    "https://[fd00:ec2::254]/": "number",
    "https://①②⑦.⓪.⓪.①/": "number",
    "https://１２７.0.0.1/": "number",
    "https://127。0。0。1/": "number",
    "https://example.0x7f/": "number",
    "https://[::1/": "web address",
    "https://example.com:8080/": "Port 8080",
    "https://example.com:22/": "Port 22",
    "https://example.com:0/": "Port 0",
    "https://example.com:99999/": "web address",
    "https://example.com:port/": "web address",
    "https://user@example.com/": "user",
    "https://user:secret@example.com/": "password",
    "https://127.0.0.1:443@example.com/": "user",
    "https://example.com#@127.0.0.1/": "#",
    "https://example.com\\@127.0.0.1/": "web address",
    "https://exa mple.com/": "web address",
    "https://example.com/\r\nHost: 127.0.0.1": "web address",
    "https://example.com/\u202e": "web address",
    "https://" + "a" * 64 + ".com/": "web address",
    "https://example.com/" + "a" * 2000: "web address",
}


@pytest.mark.parametrize("url", REFUSED)
def test_an_address_that_is_not_a_public_https_server_is_refused_in_words(url):
    with pytest.raises(ReceiverRefused, match=REFUSED[url]):
        target_of(url, PUBLIC)


@pytest.mark.parametrize(
    ("url", "stored"),
    [
        ("https://example.com/hooks", "https://example.com/hooks"),
        (" https://Example.COM ", "https://example.com/"),
        ("https://example.com.:443/a?b=c", "https://example.com:443/a?b=c"),
        ("https://bücher.example/", "https://xn--bcher-kva.example/"),
        ("https://hooks.7eleven.example/", "https://hooks.7eleven.example/"),
    ],
)
def test_a_public_address_is_stored_as_it_is_sent_to(url, stored):
    assert target_of(url, PUBLIC).url == stored


def test_another_port_can_be_allowed():
    assert target_of("https://example.com:8443/", Reach(ports=frozenset({443, 8443}))).port == 8443


@pytest.mark.parametrize("url", ["http://127.0.0.1:9000/", "https://localhost:1/", "http://[::1]:9000/x"])
def test_this_machine_is_reached_only_where_that_is_allowed(url):
    assert target_of(url, HERE).url == url
    with pytest.raises(ReceiverRefused):
        target_of(url, PUBLIC)


@pytest.mark.parametrize("url", ["http://example.com/", "https://10.0.0.1/", "http://127.0.0.2/", "https://0.0.0.0/"])
def test_allowing_this_machine_allows_nothing_else(url):
    with pytest.raises(ReceiverRefused):
        target_of(url, HERE)


#: Special ranges of the IANA registries (RFC 6890 and after), an address of each.
NOT_PUBLIC = [
    *("0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "127.0.0.1", "127.255.255.254"),  # noqa: S104 -- an address, not a binding
    *("169.254.0.1", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.88.99.1"),
    *("192.168.0.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1"),
    *("255.255.255.255", "::", "::1", "::127.0.0.1", "::ffff:10.0.0.1", "::ffff:8.8.8.8", "64:ff9b::7f00:1"),
    *("64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1", "2002:7f00:1::", "2002:808:808::"),
    *("3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fec0::1", "ff02::1"),
]


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_a_special_address_is_not_public(address):
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "172.32.0.1", "2606:4700::1111", "64:ff9b::808:808"])
def test_an_ordinary_address_is_public(address):
    assert is_public(ip_address(address))


def test_a_name_that_leads_to_this_machine_is_refused_even_where_this_machine_is_allowed():
    target = target_of("https://example.com/", HERE)

    assert not is_allowed("127.0.0.1", target)
    assert is_allowed("127.0.0.1", target_of("http://localhost:9000/", HERE))
    assert not is_allowed("8.8.8.8", target_of("http://localhost:9000/", HERE))

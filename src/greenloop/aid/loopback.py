"""Whether a name or an address is this machine's own."""

import ipaddress


def loopback(host: str) -> bool:
    """Say whether a host's name or address, in brackets or not, is the loopback's."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"

"""What to do when a layer of the sandbox is not to be had on this machine."""

from pathlib import Path

DOCTOR = "`greenloop doctor` tries each layer of the sandbox and says what is missing"
_NAMESPACES = "allow user namespaces: "
_BY_WORDS = {
    "execvp": "install the program below /usr, or let the sandbox read the folder in which it is",
    "Value too large": "the tree must belong to the user who runs Greenloop: `chown -R` it",
    "No space left": "free some disk space where Greenloop keeps its scratch folders",
    "mount proc": "this container hides parts of /proc: run it with an unmasked /proc, or Greenloop outside of it",
    "overlay": "overlay mounts by a user need Linux 5.11 or later: upgrade the kernel, or `modprobe overlay`",
}
_NAMESPACE_WORDS = ("unshare:", "uid map", "uid_map", "No permissions to create")


def advise(said: str) -> str:
    """Return the way out of a failure, by what the failing tool said."""
    if any(words in said for words in _NAMESPACE_WORDS):
        return user_namespaces()
    return next((way_out for words, way_out in _BY_WORDS.items() if words in said), DOCTOR)


def user_namespaces(sysctl: Path = Path("/proc/sys")) -> str:
    """Return how to allow user namespaces, by what the kernel's settings are."""
    if _reads(sysctl / "kernel/apparmor_restrict_unprivileged_userns", "1"):  # Ubuntu 23.10 and later
        return (
            f"{_NAMESPACES}`sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`, for good in /etc/sysctl.d"
        )
    if _reads(sysctl / "kernel/unprivileged_userns_clone", "0"):  # Debian before 11
        return f"{_NAMESPACES}`sudo sysctl -w kernel.unprivileged_userns_clone=1`, for good in /etc/sysctl.d"
    if _reads(sysctl / "user/max_user_namespaces", "0"):
        return f"{_NAMESPACES}`sudo sysctl -w user.max_user_namespaces=10000`, for good in /etc/sysctl.d"
    return "in a container, allow user namespaces and mounts (Docker: `--security-opt seccomp=unconfined`); " + DOCTOR


def _reads(path: Path, value: str) -> bool:
    """Whether a kernel setting exists and has this value."""
    return path.is_file() and path.read_text("ascii").strip() == value

"""What a service may touch: its own folders, the network, and nothing else of the machine."""

from __future__ import annotations

from barograph.scheduling.house import House, among_paths, one_path

_EVERYWHERE = (
    "NoNewPrivileges=yes",
    "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX",
    "RestrictNamespaces=yes",
    "RestrictRealtime=yes",
    "RestrictSUIDSGID=yes",
    "LockPersonality=yes",
    "SystemCallArchitectures=native",
)
_SYSTEM = (
    "CapabilityBoundingSet=",
    "AmbientCapabilities=",
    "ProtectSystem=strict",
    "PrivateTmp=yes",
    "PrivateDevices=yes",
    "PrivateUsers=yes",
    "ProtectProc=invisible",
    "ProtectClock=yes",
    "ProtectHostname=yes",
    "ProtectKernelLogs=yes",
    "ProtectKernelModules=yes",
    "ProtectKernelTunables=yes",
    "ProtectControlGroups=yes",
    "RemoveIPC=yes",
    "KeyringMode=private",
    "SystemCallFilter=@system-service",
    "SystemCallFilter=~@privileged @resources",
    "SystemCallErrorNumber=EPERM",
)
_MACHINE_CODE = (
    "# Machine code is made while it runs (numba), so memory must be allowed to become executable."
)


def account_lines(house: House) -> tuple[str, ...]:
    """On whose account, in which folders."""
    if house.account is None:
        return ("UMask=0077", "CacheDirectory=barograph", f"WorkingDirectory={one_path(house.data)}")
    kept = ("StateDirectory=barograph", "StateDirectoryMode=0750") if house.kept_by_systemd else ()
    return (
        f"User={house.account}",
        f"Group={house.account}",
        "UMask=0027",
        *kept,
        "CacheDirectory=barograph",
        "ConfigurationDirectory=barograph",
        f"WorkingDirectory={one_path(house.data)}",
    )


def sandbox_lines(house: House) -> tuple[str, ...]:
    """The walls around it. A service manager of one's own can build only some of them."""
    if house.account is None:
        return (*_EVERYWHERE, _MACHINE_CODE)
    home = "read-only" if house.at_home else "yes"
    own = (*(() if house.kept_by_systemd else (house.data,)), *house.writable)
    paths = tuple(f"ReadWritePaths={among_paths(path)}" for path in own)
    return (*_EVERYWHERE, *_SYSTEM, f"ProtectHome={home}", *paths, _MACHINE_CODE)

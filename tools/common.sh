# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: The sdwan authors
#
# What the tools share: packages of this machine, and builds kept in a cache folder.

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${SDWAN_CACHE:-/var/cache/sdwan-build}

build_packages="build-essential meson ninja-build pkg-config gettext scdoc git libsystemd-dev systemd libjson-c-dev libsodium-dev
        libgnutls28-dev libnghttp2-dev libsqlite3-dev libmnl-dev libnl-3-dev uthash-dev libcmocka-dev python3"
lab_packages="wireguard-go wireguard-tools iproute2 iputils-ping dbus procps util-linux systemd python3"
test_packages="clang openssl curl strace gnutls-bin libxml2-utils sqlite3 e2fsprogs"
vm_packages="qemu-system-x86 mmdebstrap dpkg-dev debhelper fakeroot lintian xz-utils e2fsprogs"

need_root() {
        [ "$(id -u)" = 0 ] || { echo "$(basename "$0"): run it as root: sudo $0" >&2; exit 1; }
}

# Installs what is not there yet; asks the package sources only when something is missing.
install_packages() {
        local package missing=
        for package; do
                dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing="$missing $package"
        done
        [ -n "$missing" ] || return 0
        echo "installing:$missing" >&2
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
}

# build NAME OPTION...: configures (once) and builds in the cache; prints the folder. The name stands for the options.
build() {
        local folder=$cache/$1
        shift
        mkdir -p "$cache"
        if [ ! -e "$folder/build.ninja" ]; then
                rm -rf "$folder"
                meson setup "$folder" "$top" "$@" >"$cache/setup.log" 2>&1 || { cat "$cache/setup.log" >&2; return 1; }
        else
                meson configure "$folder" "$@" >/dev/null
        fi
        ninja -C "$folder" >"$folder/build.log" 2>&1 || { tail -n 40 "$folder/build.log" >&2; return 1; }
        echo "$folder"
}

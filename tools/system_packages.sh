#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Installs the system's packages that the simulated Macs and the tests need, where they are missing; says nothing if none
# is. Only on Debian and Ubuntu, and only as root; anybody else is told what to type.
set -eu

# Debian's package, a file or program by which it is known on other systems, and what it is for.
table() {
    cat <<'TABLE'
ca-certificates   /etc/ssl/certs        downloads
chromium          chromium              shows the report's page to the tests
curl              curl                  a Mac has it
file              file                  tells what a simulated Mac's programs are
gcc               cc                    fake_metal, the loader's shim
git               git                   ansible-test
libarchive-tools  bsdtar                a Mac's tar
libc6-dev         /usr/include/stdio.h  headers for gcc
lsof              lsof                  a Mac has it; tells which generation is in use
openssh-client    ssh                   connections to the simulated Macs
openssh-server    sshd                  Remote Login of the simulated Macs
openssl           openssl               certificates for the tests
original-awk      original-awk          a Mac's awk
perl              perl                  shasum
python3           python3               controller and simulated Macs, unless there is another
python3-venv      python3               the controller's environment
sudo              sudo                  become
tcsh              tcsh                  a Mac has it, as tcsh and csh
uidmap            newuidmap             simulated Macs of an ordinary user
zsh               zsh                   a Mac's login shell
TABLE
}

is_debian() {
    command -v dpkg-query >/dev/null
}

is_installed() { # package, file or program
    if is_debian; then
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
    else
        [ -e "$2" ] || PATH="$PATH:/usr/sbin:/sbin" command -v "$2" >/dev/null
    fi
}

missing() {
    table | while read -r package file _; do
        is_installed "$package" "$file" || echo "$package"
    done
}

# The packages' services must not start: the simulated Macs bring their own sshd.
without_services() {
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        trap 'rm -f "$policy"' EXIT
        trap 'exit 1' HUP INT TERM
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
    fi
    "$@"
}

apt_get() {
    DEBIAN_FRONTEND=noninteractive apt-get --quiet --quiet -o DPkg::Lock::Timeout=300 "$@"
}

is_among() { # word, words...
    word=$1
    shift
    case " $* " in *" $word "*) true ;; *) false ;; esac
}

install() {
    echo "Installing the system packages: $*"
    apt_get update
    without_services apt_get install --yes --no-install-recommends --no-upgrade "$@"
    if is_among openssh-server "$@" && command -v systemctl >/dev/null; then
        # Nor at the next start of this machine, which had none. (There is no ssh.socket on Debian.)
        systemctl --quiet disable ssh.service ssh.socket 2>/dev/null || true
    fi
}

if [ "$(uname)" != Linux ]; then
    echo "The simulated Macs need Linux. (make setup works on this machine, too.)" >&2
    exit 1
fi

packages=$(missing | tr '\n' ' ')
packages=${packages% }
if [ -z "$packages" ]; then
    exit 0
elif is_debian && [ "$(id -u)" -eq 0 ]; then
    # shellcheck disable=SC2086 # one word for each package
    install $packages
elif is_debian; then
    printf 'System packages are missing. Type:\n    sudo apt-get install --no-install-recommends %s\n' "$packages" >&2
    exit 1
else
    printf 'Programs are missing which Debian has in the packages: %s\nInstall those of your system.\n' "$packages" >&2
    exit 1
fi

#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Becomes a simulated Mac: run by engine.py in namespaces of its own, ends as process 1 of the host.
#
#   STORE       the folder of everything; all other paths are relative to it, which keeps odd characters out of
#               mount options
#   HOST        the host's folder: root (mount point), upper, work, host (profile, call log, stand-ins)
#   LOWER       the layers below upper, joined by ':'
#   OPTIONS     more options for overlayfs
#   NAME        the host's name
#   USER        the user, with USER_ID:GROUP_ID
#   CONSOLE_ID  who owns the console: whoever is logged in at the screen, root while nobody is
#   ADDRESS     where sshd listens
set -eu

cd "$STORE"
mount -t overlay -o "lowerdir=$LOWER,upperdir=$HOST/upper,workdir=$HOST/work,$OPTIONS" overlay "$HOST/root"

mount --rbind /usr "$HOST/root/.simulated_mac/usr"
mount -o remount,bind,ro "$HOST/root/.simulated_mac/usr"
mount --bind elf "$HOST/root/.simulated_mac/elf"
mount --bind "$HOST/host" "$HOST/root/.simulated_mac/host"

cd "$HOST/root"
mount -t proc proc proc
mount --bind /dev/null proc/cmdline
mount -t tmpfs -o mode=755 tmpfs dev
mkdir -m 755 dev/pts
mkdir -m 1777 dev/shm # a Mac's kernel keeps named semaphores by itself; Linux wants this folder for them
for device in null zero full random urandom tty; do
    touch "dev/$device"
    mount --bind "/dev/$device" "dev/$device"
done
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
ln -s fd/0 dev/stdin
ln -s fd/1 dev/stdout
ln -s fd/2 dev/stderr
touch dev/console
chown "$CONSOLE_ID" dev/console
hostname "$NAME"

if [ ! -d "Users/$USER" ]; then
    install -d -o "$USER_ID" -g "$GROUP_ID" -m 750 "Users/$USER"
fi
install -d -o "$USER_ID" -g "$GROUP_ID" -m 700 "Users/$USER/.ssh" private/var/folders/zz/T
install -o "$USER_ID" -g "$GROUP_ID" -m 600 private/etc/ssh/authorized_keys "Users/$USER/.ssh/authorized_keys"

# The machine is not the host's: its root, and whoever it lets in, can neither set the clock nor load a module.
exec env -i /usr/bin/setpriv --bounding-set=-sys_time,-sys_module,-sys_rawio \
    /usr/sbin/chroot . /sbin/launchd -D -e -f /private/etc/ssh/sshd_config -o "ListenAddress=$ADDRESS"

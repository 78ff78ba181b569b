# Starts one engine in a root and in namespaces of its own. Run with the engine's network namespace
# entered; arguments: the base folder, the engine's name, the suite, the workspace.
set -eu
base=$1 name=$2 suite=$3 workspace=$4
state=$base/data/$name new=$base/data/$name/root socket=$base/run/$name.sock
mkdir -p "$state/upper" "$state/work" "$new" "$state/docker" "$state/containers"
mount --make-rprivate /
mount -t overlay -o "lowerdir=$base/root/$suite,upperdir=$state/upper,workdir=$state/work" overlay "$new"
mount -t proc proc "$new/proc"
mount -t sysfs sysfs "$new/sys"
mount --rbind /sys/fs/cgroup "$new/sys/fs/cgroup"
mount --rbind /dev "$new/dev"
mount -t tmpfs -o mode=755 tmpfs "$new/run"
# Tests bind-mount what is in these: their paths mean the same inside and outside.
for shared in /tmp /root /home "$workspace" "$base/run"; do
    mkdir -p "$new$shared"
    mount --bind "$shared" "$new$shared"
done
# Not on the overlay: an engine's layers can't be an overlay on an overlay.
for store in docker containers; do
    mkdir -p "$new/var/lib/$store"
    mount --bind "$state/$store" "$new/var/lib/$store"
done
cp /etc/resolv.conf "$new/etc/resolv.conf"
hostname "castoff-$name"
printf '127.0.0.1 localhost castoff-%s\n::1 localhost\n' "$name" > "$new/etc/hosts"
mkdir -p "$new/old"
cd "$new"
pivot_root . old
cd /
umount -l /old
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TMPDIR=/var/tmp
unset DOCKER_HOST DOCKER_CONFIG CASTOFF_ENGINE XDG_RUNTIME_DIR
case $name in
docker*)
    exec tini -- dockerd --host "unix://$socket" --group root --cgroup-parent "/castoff-$name" ;;
podman*)
    mkdir -p /run/podman
    ln -s "$socket" /run/podman/podman.sock
    export PODMAN_IGNORE_CGROUPSV1_WARNING=1
    exec tini -- podman system service --time=0 "unix://$socket" ;;
esac

# Unpacks the downloaded packages into a root; arguments: the folder of packages, the root.
# No maintainer script is run: what they would do and an engine needs is done here.
set -eu
packages=$1 root=$2
for folder in bin sbin lib lib64; do
    mkdir -p "$root/usr/$folder"
    ln -sfn "usr/$folder" "$root/$folder"
done
for package in "$packages"/*.deb; do
    dpkg-deb --fsys-tarfile "$package" | tar -x -C "$root" --keep-directory-symlink
done
for tool in iptables iptables-save iptables-restore ip6tables ip6tables-save ip6tables-restore; do
    ln -sf xtables-nft-multi "$root/usr/sbin/$tool"
done
ln -sf bash "$root/usr/bin/sh"
cd "$root"
mkdir -p proc sys dev run tmp root home var/lib var/log var/tmp var/cache etc/ssl/certs
chmod 1777 tmp var/tmp
ln -sfn /run var/run
printf 'root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534::/nonexistent:/bin/false\n' > etc/passwd
printf 'root:x:0:\nnogroup:x:65534:\n' > etc/group
printf 'passwd: files\ngroup: files\nhosts: files dns\n' > etc/nsswitch.conf
if [ -e /etc/ssl/certs/ca-certificates.crt ]; then cp /etc/ssl/certs/ca-certificates.crt etc/ssl/certs/; fi
chroot . /sbin/ldconfig

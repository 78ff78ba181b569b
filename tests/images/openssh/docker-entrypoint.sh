#!/bin/bash
# Makes the user and the host keys, and runs the server.
set -e

user=${USER_NAME:-linuxserver.io}
keys=/config/ssh_host_keys
mkdir -p "$keys" /config/.ssh
if ! id "$user" >/dev/null 2>&1; then
    useradd --badname --non-unique --uid "${PUID:-911}" --home-dir /config --shell /bin/bash "$user"
fi
if [ -n "${USER_PASSWORD:-}" ]; then
    printf '%s:%s\n' "$user" "$USER_PASSWORD" | chpasswd
else
    # No password, and yet not locked.
    usermod -p '*' "$user"
fi
if [ -n "${PUBLIC_KEY:-}" ]; then
    printf '%s\n' "$PUBLIC_KEY" >/config/.ssh/authorized_keys
fi
if [ ! -f "$keys/ssh_host_ed25519_key" ]; then
    ssh-keygen -q -t ed25519 -N '' -f "$keys/ssh_host_ed25519_key"
fi
chown -R "$user" /config
chown root "$keys"/*
chmod 700 /config/.ssh
chmod 755 /config

exec /usr/sbin/sshd -D -e -p 2222 -h "$keys/ssh_host_ed25519_key" \
    -o "PasswordAuthentication=$([ "${PASSWORD_ACCESS:-false}" = true ] && echo yes || echo no)" \
    -o PermitRootLogin=no -o UsePAM=no -o "AllowUsers=$user" -o MaxStartups=100

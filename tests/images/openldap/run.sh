#!/bin/bash
# Makes the directory on first start, and runs the server.
set -e

domain=${LDAP_DOMAIN:-example.org}
base=dc=${domain//./,dc=}
state=/container/run/state/slapd-first-start-done
config=/etc/ldap/castoff.conf

if [ ! -f "$state" ]; then
    password=$(slappasswd -n -s "${LDAP_ADMIN_PASSWORD:-admin}")
    cat >"$config" <<END
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
include /etc/ldap/schema/nis.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile /run/slapd/slapd.pid
loglevel none
database mdb
suffix "$base"
rootdn "cn=admin,$base"
rootpw $password
directory /var/lib/ldap
index objectClass eq
access to attrs=userPassword by self write by anonymous auth by * none
access to * by self write by users read by * none
END
    chmod 640 "$config"
    {
        printf 'dn: %s\nobjectClass: top\nobjectClass: dcObject\nobjectClass: organization\n' "$base"
        printf 'o:: %s\n' "$(printf '%s' "${LDAP_ORGANISATION:-Example Inc.}" | base64 -w 0)"
        printf 'dc: %s\n\n' "${domain%%.*}"
        for file in /container/service/slapd/assets/config/bootstrap/ldif/custom/*.ldif; do
            if [ -f "$file" ]; then
                cat "$file"
                printf '\n\n'
            fi
        done
    } >/tmp/first.ldif
    slapadd -f "$config" -l /tmp/first.ldif
    rm /tmp/first.ldif
    chown -R openldap:openldap /var/lib/ldap /run/slapd "$config"
    touch "$state"
fi

exec slapd -f "$config" -h 'ldap:///' -u openldap -g openldap -d 256

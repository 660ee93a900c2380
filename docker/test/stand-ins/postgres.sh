#!/bin/sh
# What the official image does with its three variables: make the user and the database at the first
# start, listening on the socket alone, then serve.
set -eu
bin=$(echo /usr/lib/postgresql/*/bin)
data=/var/lib/postgresql/data

if [ ! -s "$data/PG_VERSION" ]; then
    printf '%s' "$POSTGRES_PASSWORD" > /tmp/password
    "$bin/initdb" --pgdata "$data" --username "$POSTGRES_USER" --pwfile /tmp/password \
        --auth-local trust --auth-host scram-sha-256 --encoding UTF8 --locale C.UTF-8
    rm /tmp/password
    echo "host all all all scram-sha-256" >> "$data/pg_hba.conf"
    "$bin/pg_ctl" --pgdata "$data" --wait start --options "-c listen_addresses=''"
    "$bin/createdb" --host /var/run/postgresql --username "$POSTGRES_USER" "$POSTGRES_DB"
    "$bin/pg_ctl" --pgdata "$data" --wait stop
fi
exec "$bin/postgres" -D "$data" -c "listen_addresses=*"

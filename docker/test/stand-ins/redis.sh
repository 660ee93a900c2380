#!/bin/sh
# Like the official image: no protected mode, because a container's network is the border.
exec /usr/bin/redis-server "$@" --protected-mode no

#!/bin/sh
# What udhcpc runs with a lease: the least that reaches a metadata service.
case $1 in
bound | renew)
	ip addr add "$ip/$mask" dev "$interface"
	ip route add default via "${router%% *}" dev "$interface"
	;;
esac
